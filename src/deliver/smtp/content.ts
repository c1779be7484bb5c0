/**
 * Message content on the wire: lines with CRLF, dots doubled, long lines broken.
 *
 * Records of the queue file go through once, from one buffer to the other; only
 * content that is rewritten on the way becomes text. Lines of less than 128 bytes
 * in a row are moved as a whole: each has a head of two bytes there, and as many
 * at its end here. Buffers are used again and again.
 *
 * Source: RFC 5321 §4.5.2 (transparency), §4.5.3.1.6 (line length), §2.3.8 (line ends).
 */

import type { ContentTaker } from '#queue/content.ts'
import { RECORD } from '#queue/record.ts'

const CR = 13
const LF = 10
const DOT = 46
const BLANK = 32

/** Bytes of one chunk for the socket, at least. */
const CHUNK_BYTES = 65_536
/** For the rest of a line, line ends and doubled dots. */
const ROOM_BYTES = 2048
/** A message that is not larger has one chunk, of its own. */
const SMALL_ROOM_BYTES = 256
const BUFFER_BYTES = CHUNK_BYTES + ROOM_BYTES
/** Buffers kept for other messages. */
const POOL_BUFFERS_MAX = 16
/** What one length byte can say, and two; the bytes of type and length then. */
const SHORT_BYTES_MAX = 0x7f
const LONG_BYTES_MAX = 0x3fff
const SHORT_HEAD_BYTES = 2
const LONG_HEAD_BYTES = 3
/** Shorter lines are copied byte by byte: a call costs more than that. */
const SHORT_BYTES = 24

const EMPTY = Buffer.alloc(0)
const pool: Buffer[] = []

/** Turns lines into wire bytes. */
export class WireEncoder implements ContentTaker {
  readonly #limit: number
  readonly #onBreak: () => void
  #out: Buffer
  /** The chunk that was taken last is in it. */
  #other: Buffer | undefined
  #filled = 0
  /** What the line may still take; the whole limit at its start. */
  #space: number
  #atStart = true

  /**
   * @param lineLimit Bytes of a line without CRLF (smtp_line_length_limit); 0: no limit.
   * @param onBreak Called for each line that had to be broken.
   * @param bytes Size of the content, about: a small message needs a small buffer.
   */
  constructor(lineLimit: number, onBreak: () => void, bytes = CHUNK_BYTES) {
    const wanted = bytes + (bytes >> 4) + SMALL_ROOM_BYTES
    this.#out = wanted < BUFFER_BYTES ? Buffer.allocUnsafe(wanted) : newBuffer()
    this.#limit = lineLimit
    this.#onBreak = onBreak
    this.#space = lineLimit
  }

  /** Whether it is time to `take()` a chunk. */
  get full(): boolean {
    return this.#filled >= CHUNK_BYTES
  }

  /** Takes whole lines from the start of `records`, as many as fit into the chunk. @returns Their bytes. */
  addLines(records: Uint8Array): number {
    let at = 0
    while (this.#atStart && !this.full) {
      const next = this.#addRun(records, at)
      if (next === at) break
      at = next
    }
    return at
  }

  /**
   * Adds a line, or a piece of one.
   *
   * @param ends Whether the line ends here.
   */
  add(data: Uint8Array, ends: boolean): void {
    let from = 0
    while (this.#limit > 0 && data.length - from >= this.#space) {
      const piece = this.#space
      this.#put(data, from, from + piece)
      this.#endLine()
      from += piece
      if (from < data.length || !ends) this.#continueLine()
      else return
    }
    this.#put(data, from, data.length)
    if (ends) this.#endLine()
    else this.#space -= data.length - from
  }

  /** What was built so far. It stays as it is until the next call but one. */
  take(): Uint8Array {
    const chunk = this.#out.subarray(0, this.#filled)
    const next = this.#other ?? newBuffer()
    this.#other = this.#out
    this.#out = next
    this.#filled = 0
    return chunk
  }

  /** Ends a last line that has no end of its own. @returns The last chunk, for the caller to keep; it may be empty. */
  finish(): Uint8Array {
    if (!this.#atStart) this.#endLine()
    const chunk = this.#out.subarray(0, this.#filled)
    return this.#out.length === BUFFER_BYTES ? Buffer.from(chunk) : chunk
  }

  /** After `finish()`, when all chunks before it are used: the buffers are for other messages. */
  release(): void {
    for (const buffer of [this.#out, this.#other]) {
      if (buffer?.length === BUFFER_BYTES && pool.length < POOL_BUFFERS_MAX) pool.push(buffer)
    }
    this.#other = undefined
    this.#out = EMPTY
    this.#filled = 0
  }

  /** Adds one line, and short ones behind it. @returns Where the first record is that does not fit, or is no such line. */
  #addRun(records: Uint8Array, start: number): number {
    const first = this.#lineAt(records, start)
    if (first === undefined) return start
    const { payload } = first
    const dot = payload < first.end && records[payload] === DOT
    const room = payload + this.#out.length - this.#filled - (dot ? 3 : 2)
    if (first.end > room) return start
    const end = this.#shortLines(records, first.end, Math.min(room, records.length))
    // RFC 5321 §4.5.2: a line that starts with a dot gets another one.
    if (dot) this.#out[this.#filled++] = DOT
    this.#out.set(records.subarray(payload, end), this.#filled)
    this.#endLines(this.#filled + first.end - payload, this.#filled + end - payload)
    return end
  }

  /** A whole line of at most 16 kB, within the limit. */
  #lineAt(records: Uint8Array, at: number): { readonly payload: number; readonly end: number } | undefined {
    if (records[at] !== RECORD.text) return undefined
    const low = records[at + 1] ?? 0
    const high = low > SHORT_BYTES_MAX ? records[at + 2] ?? LONG_BYTES_MAX : 0
    if (high > SHORT_BYTES_MAX) return undefined
    const length = (low & SHORT_BYTES_MAX) | (high << 7)
    const payload = at + (low > SHORT_BYTES_MAX ? LONG_HEAD_BYTES : SHORT_HEAD_BYTES)
    const end = payload + length
    return end > records.length || (this.#limit > 0 && length > this.#limit) ? undefined : { payload, end }
  }

  /** Where the first record from `start` on is that is no short line without a dot, or ends behind `room`. */
  #shortLines(records: Uint8Array, start: number, room: number): number {
    const bytesMax = this.#limit > 0 ? Math.min(this.#limit, SHORT_BYTES_MAX) : SHORT_BYTES_MAX
    let at = start
    while (at < room) {
      const length = records[at + 1] ?? LONG_BYTES_MAX
      const end = at + SHORT_HEAD_BYTES + length
      if (records[at] !== RECORD.text || length > bytesMax || end > room) break
      if (records[at + SHORT_HEAD_BYTES] === DOT && length > 0) break
      at = end
    }
    return at
  }

  /** Puts line ends where the heads of short lines are, from `head` on, and one at the end. */
  #endLines(head: number, end: number): void {
    const out = this.#out
    let at = head
    while (at < end) {
      const length = out[at + 1] ?? 0
      out[at] = CR
      out[at + 1] = LF
      at += SHORT_HEAD_BYTES + length
    }
    out[end] = CR
    out[end + 1] = LF
    this.#filled = end + 2
  }

  #put(data: Uint8Array, from: number, to: number): void {
    this.#reserve(to - from + 3)
    const out = this.#out
    let at = this.#filled
    if (from === to) return
    // RFC 5321 §4.5.2: a line that starts with a dot gets another one.
    if (this.#atStart && data[from] === DOT) out[at++] = DOT
    this.#atStart = false
    if (to - from <= SHORT_BYTES) for (let i = from; i < to; i++) out[at++] = data[i] ?? 0
    else {
      out.set(from === 0 && to === data.length ? data : data.subarray(from, to), at)
      at += to - from
    }
    this.#filled = at
  }

  #endLine(): void {
    this.#reserve(2)
    this.#out[this.#filled++] = CR
    this.#out[this.#filled++] = LF
    this.#space = this.#limit
    this.#atStart = true
  }

  #continueLine(): void {
    this.#reserve(1)
    this.#out[this.#filled++] = BLANK
    this.#space = this.#limit - 1
    this.#atStart = false
    this.#onBreak()
  }

  #reserve(count: number): void {
    if (this.#filled + count <= this.#out.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#filled + count, BUFFER_BYTES * 2))
    grown.set(this.#out.subarray(0, this.#filled))
    this.#out = grown
  }
}

function newBuffer(): Buffer {
  return pool.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
}
