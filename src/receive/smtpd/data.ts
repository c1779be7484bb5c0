/**
 * Message content on its way from the wire into queue-file records.
 *
 * Bytes go in as they arrive, cut anywhere; out come whole `N` (line) and `L`
 * (part of a line) records in on-disk encoding, so that the body is copied once
 * and never becomes a string. Every input takes linear time, whatever its lines
 * look like, and the same bytes give the same records however they are cut.
 *
 * RFC 5321 §4.5.2: a dot at the start of a line is taken away, a lone dot ends
 * the message. RFC 5321 §2.3.8 and §4.1.1.4: lines end with CR LF and nothing
 * else; what happens to a bare LF is `smtpd_forbid_bare_newline`.
 *
 * Source: postconf(5) smtpd_forbid_bare_newline, line_length_limit, message_size_limit; RFC 3030 (BDAT).
 *
 * @module
 */
import { RECORD } from '#queue/record.ts'
import { ByteWriter } from '#util/byte-writer.ts'
import { PlainLines } from './plain-lines.ts'

/**
 * What a bare LF is: `accept`, a line end like any other, also around the final dot (the old way, open to
 * smuggling); `normalize`, a line end, but only CR LF `.` CR LF ends the message and a lone dot next to a bare
 * LF vanishes; `reject`, the same and the message is refused at its end.
 */
export type BareNewlineAction = 'accept' | 'normalize' | 'reject'

/** Limits and policy of one message. */
export type DataOptions = {
  /** Longest piece of a line in one record, in bytes; longer lines become several records. */
  readonly lineBytesMax: number
  /** Size limit in bytes, each line counted with CR LF; 0 for none. */
  readonly messageBytesMax: number
  readonly bareNewline: BareNewlineAction
}

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e
const SPACE = 0x20
const TAB = 0x09
const GREATER = 0x3e
/** Type byte and two length bytes: enough for lines below 16 kB. */
const HEAD_BYTES = 5
/** For the records of what is read from a socket at once, as a rule. */
const OUT_BYTES = 81_920

const MBOX_FROM = Buffer.from('From ')
/** Put before a mailbox separator that some client sends as first line, so that it becomes a header. */
const MAILBOX_LINE = Buffer.from('X-Mailbox-Line: ')

/** Where records are built: input is used before anything else happens, so that one place serves all messages. */
const out = new ByteWriter(OUT_BYTES)

/** Records of one message. One decoder serves one DATA command, or all BDAT chunks of a message. */
export class DataDecoder {
  readonly #options: DataOptions
  readonly #mode: 'data' | 'bdat'
  readonly #emit: (records: Uint8Array) => void
  readonly #plain: PlainLines
  /** Where the next LF of the current input is, so that a long line is not searched again for each of its parts. */
  #nextLf = 0
  /** The start of a line whose end has not arrived. */
  #line: Uint8Array | undefined
  #filled = 0
  #first: boolean
  /** The record before was a part: this one continues its line. */
  #continues = false
  #previousBare = false
  #sizeBytes = 0
  #receivedBytes = 0
  #bareNewlines = false
  #tooBig = false
  #done = false

  /** @param emit Gets whole records, once for each piece of input; the memory is used again when it returns. */
  constructor(mode: 'data' | 'bdat', options: DataOptions, emit: (records: Uint8Array) => void) {
    this.#mode = mode
    this.#options = options
    this.#emit = emit
    this.#first = mode === 'data'
    this.#plain = new PlainLines({
      lineBytesMax: options.lineBytesMax, dots: mode === 'data', crs: options.bareNewline === 'accept',
    })
  }

  /** The final dot was read (DATA), or `finish()` was called (BDAT). */
  get done(): boolean {
    return this.#done
  }

  /** The message has outgrown its limit: what follows is read and thrown away. */
  get tooBig(): boolean {
    return this.#tooBig
  }

  /** A bare LF was read where the policy looks for them. */
  get bareNewlines(): boolean {
    return this.#bareNewlines
  }

  /** Size so far: the bytes of all records, with two for each line end. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Bytes taken from the wire. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** Takes bytes; returns where it stopped: after the final dot, or at `end`. */
  push(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
    let at = start
    this.#nextLf = start - 1
    out.clear()
    while (at < end && !this.#done) {
      if (this.#filled > 0) at = this.#fromLine(bytes, at, end)
      else {
        if (!this.#continues && !this.#first) at = this.#plainLines(bytes, at, end)
        if (at < end) at = this.#fromInput(bytes, at, end)
      }
    }
    this.#receivedBytes += at - start
    this.#flush()
    return at
  }

  /** The last BDAT chunk is complete: a line without an end gets one. */
  finish(): void {
    out.clear()
    if (this.#line !== undefined && this.#filled > 0) {
      const filled = this.#filled
      this.#filled = 0
      this.#record(RECORD.text, this.#line, 0, filled, false)
    } else if (this.#continues) {
      this.#record(RECORD.text, MBOX_FROM, 0, 0, false)
    }
    this.#done = true
    this.#flush()
  }

  /** Lines that need nothing but a head. @returns Where another one starts, or one that the size limit is for. */
  #plainLines(bytes: Uint8Array, at: number, end: number): number {
    const { messageBytesMax } = this.#options
    const room = messageBytesMax > 0 && !this.#tooBig ? messageBytesMax - this.#sizeBytes : end
    const stop = this.#plain.take(this.#tooBig ? undefined : out, bytes, at, Math.min(end, at + room))
    if (stop > at) this.#previousBare = false
    if (!this.#tooBig) this.#sizeBytes += stop - at
    return stop
  }

  /** A record that lies whole in the input, or the start of one put aside. */
  #fromInput(bytes: Uint8Array, at: number, end: number): number {
    const limit = this.#options.lineBytesMax
    if (this.#nextLf < at) {
      const found = bytes.indexOf(LF, at)
      this.#nextLf = found < 0 || found > end ? end : found
    }
    const lf = this.#nextLf
    const available = lf - at
    if (lf < end && (available < limit || (available === limit && bytes[lf - 1] === CR))) {
      this.#lineEnd(bytes, at, lf)
      return lf + 1
    }
    const cut = at + limit
    // A CR as last byte may belong to the line end: it waits for the byte after it.
    if (available > limit || (available === limit && bytes[cut - 1] !== CR)) {
      this.#record(RECORD.textPart, bytes, at, cut, false)
      return cut
    }
    this.#line ??= new Uint8Array(limit)
    this.#line.set(bytes.subarray(at, end))
    this.#filled = end - at
    return end
  }

  /** Goes on with the line that was put aside. */
  #fromLine(bytes: Uint8Array, at: number, end: number): number {
    const line = this.#line
    if (line === undefined) return at
    const limit = this.#options.lineBytesMax
    if (this.#filled === limit) {
      // Only a CR at the limit waits here.
      this.#filled = 0
      if (bytes[at] === LF) {
        this.#lineEnd(line, 0, limit)
        return at + 1
      }
      this.#record(RECORD.textPart, line, 0, limit, false)
      return at
    }
    const window = Math.min(end, at + limit - this.#filled + 1)
    const lf = bytes.subarray(at, window).indexOf(LF)
    const taken = Math.min(lf < 0 ? window - at : lf, limit - this.#filled)
    line.set(bytes.subarray(at, at + taken), this.#filled)
    const filled = this.#filled + taken
    if (lf >= 0 && taken === lf && (filled < limit || line[filled - 1] === CR)) {
      this.#filled = 0
      this.#lineEnd(line, 0, filled)
      return at + lf + 1
    }
    this.#filled = filled
    if (filled === limit && line[filled - 1] !== CR) {
      this.#filled = 0
      this.#record(RECORD.textPart, line, 0, limit, false)
    }
    return at + taken
  }

  /** The line from `start` to the LF at `lf`, its CR included. */
  #lineEnd(bytes: Uint8Array, start: number, lf: number): void {
    let end = lf
    if (this.#options.bareNewline === 'accept') {
      while (end > start && bytes[end - 1] === CR) end--
      this.#record(RECORD.text, bytes, start, end, false)
      return
    }
    const bare = end === start || bytes[end - 1] !== CR
    if (bare) this.#bareNewlines = true
    else end--
    this.#record(RECORD.text, bytes, start, end, bare)
  }

  #record(type: number, bytes: Uint8Array, start: number, end: number, bare: boolean): void {
    const lineStart = !this.#continues
    const previousBare = this.#previousBare
    this.#continues = type === RECORD.textPart
    this.#previousBare = bare
    if (this.#mode === 'data') {
      if (lineStart && bytes[start] === DOT && start < end) {
        start++
        if (start === end && type === RECORD.text) {
          // With `normalize` a lone dot beside a bare LF neither ends the message nor stays in it.
          this.#done = !bare && !previousBare
          return
        }
      }
      if (this.#first) this.#firstLine(bytes, start, end)
    }
    this.#put(type, bytes, start, end)
  }

  /** First lines that would spoil the header are made harmless. */
  #firstLine(bytes: Uint8Array, start: number, end: number): void {
    this.#first = false
    if (bytes[start] === SPACE || bytes[start] === TAB) {
      // It must not continue our own Received: header.
      if (start < end) this.#put(RECORD.text, bytes, start, start)
      return
    }
    let from = start
    while (from < end && bytes[from] === GREATER) from++
    if (end - from < MBOX_FROM.length || !MBOX_FROM.equals(bytes.subarray(from, from + MBOX_FROM.length))) return
    this.#put(RECORD.textPart, MAILBOX_LINE, 0, MAILBOX_LINE.length)
    // The prefix is ours: it must not count as a line of the client's.
    this.#sizeBytes -= 2
  }

  #put(type: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    const { messageBytesMax } = this.#options
    if (this.#tooBig) return
    if (messageBytesMax > 0 && messageBytesMax - this.#sizeBytes < length + 2) {
      this.#tooBig = true
      return
    }
    this.#sizeBytes += length + 2
    out.reserve(length + HEAD_BYTES)
    const buffer = out.buffer
    let at = out.length
    buffer[at++] = type
    let rest = length
    while (rest >= 0x80) {
      buffer[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    buffer[at++] = rest
    if (length < 48) for (let i = start; i < end; i++) buffer[at++] = bytes[i] ?? 0
    else {
      buffer.set(bytes.subarray(start, end), at)
      at += length
    }
    out.length = at
  }

  #flush(): void {
    if (out.length > 0) this.#emit(out.bytes())
  }
}
