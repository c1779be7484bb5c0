/**
 * Message content on the wire: lines with CRLF, dots doubled, long lines broken.
 *
 * Records of the queue file go through once, from one buffer to the other; only
 * content that is rewritten on the way becomes text.
 *
 * Source: RFC 5321 §4.5.2 (transparency), §4.5.3.1.6 (line length), §2.3.8 (line ends).
 */

const CR = 13
const LF = 10
const DOT = 46
const BLANK = 32
const EMPTY = Buffer.alloc(0)

/** Bytes of one chunk for the socket. */
const CHUNK_BYTES = 65_536
/** For line ends, doubled dots and what is added at the end. */
const ROOM_BYTES = 256
/** Shorter lines are copied byte by byte: a call costs more than that. */
const SHORT_BYTES = 24

/** Turns lines into wire bytes. */
export class WireEncoder {
  readonly #limit: number
  readonly #onBreak: () => void
  #out: Buffer
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
    this.#out = Buffer.allocUnsafe(Math.min(bytes + (bytes >> 4) + ROOM_BYTES, CHUNK_BYTES + ROOM_BYTES))
    this.#limit = lineLimit
    this.#onBreak = onBreak
    this.#space = lineLimit
  }

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#filled
  }

  /** Whether it is time to `take()` a chunk. */
  get full(): boolean {
    return this.#filled >= CHUNK_BYTES
  }

  /** Whether the last line has its end. */
  get complete(): boolean {
    return this.#atStart
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

  /** Ends a last line that has no end of its own. */
  finish(): void {
    if (!this.#atStart) this.#endLine()
  }

  /** Adds bytes as they are, such as the final dot. */
  addRaw(text: string): void {
    this.#reserve(text.length)
    this.#filled += this.#out.write(text, this.#filled, 'latin1')
  }

  /** What was built so far, for the caller to keep. */
  take(): Uint8Array {
    const chunk = this.#out.subarray(0, this.#filled)
    this.#out = chunk.length < CHUNK_BYTES ? EMPTY : Buffer.allocUnsafe(CHUNK_BYTES + ROOM_BYTES)
    this.#filled = 0
    return chunk
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
    const grown = Buffer.allocUnsafe(Math.max(this.#filled + count, CHUNK_BYTES * 2))
    grown.set(this.#out.subarray(0, this.#filled))
    this.#out = grown
  }
}
