/**
 * Standard input as lines of a message.
 *
 * Lines end with LF or CR LF. Long lines come in pieces. A
 * mailbox's `From ` line at the start goes. A single dot ends the message, unless it is asked not to.
 *
 * Source: sendmail(1), -i; postconf(5) sendmail_fix_line_endings, line_length_limit.
 *
 * @module
 */

/** sendmail_fix_line_endings: `strict` looks for CR LF in the first line, and then takes it everywhere or nowhere. */
export type LineEndings = 'always' | 'strict' | 'never'

export type LineOptions = {
  readonly lineBytesMax: number
  readonly dotEnds: boolean
  readonly endings: LineEndings
}

const LF = 10
const CR = 13
const DOT = 46
/** Any number of quotes before it: mail that went through UUCP. */
const FROM_REGEXP = /^>*From /

/** Cuts a stream of bytes into lines. */
export class MessageLines {
  readonly #options: LineOptions
  /** Gets a line without its end, or with `complete` false a piece of one. The memory is reused. */
  readonly #line: (bytes: Uint8Array, complete: boolean) => void
  #held: Buffer = Buffer.alloc(0)
  #stripsCr: boolean | undefined
  #atStart = true
  #previousComplete = true
  #ended = false

  constructor(options: LineOptions, line: (bytes: Uint8Array, complete: boolean) => void) {
    this.#options = options
    this.#line = line
    if (options.endings !== 'strict') this.#stripsCr = options.endings === 'always'
  }

  /** Whether a dot has ended the message. */
  get ended(): boolean {
    return this.#ended
  }

  /** Takes bytes. */
  push(bytes: Uint8Array): void {
    const held = this.#held.length === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : Buffer.concat([this.#held, bytes])
    const { lineBytesMax } = this.#options
    let at = 0
    while (!this.#ended) {
      const end = held.indexOf(LF, at)
      if (end >= 0 && end - at < lineBytesMax) {
        this.#take(held.subarray(at, end), true)
        at = end + 1
      } else if (held.length - at >= lineBytesMax) {
        this.#take(held.subarray(at, at + lineBytesMax), false)
        at += lineBytesMax
      } else {
        break
      }
    }
    this.#held = Buffer.from(held.subarray(at))
  }

  /** Takes the end of input: a last line without an end is kept as it is. */
  end(): void {
    if (!this.#ended && this.#held.length > 0) this.#take(this.#held, false)
  }

  #take(bytes: Uint8Array, complete: boolean): void {
    const previousComplete = this.#previousComplete
    this.#previousComplete = complete
    if (complete) this.#stripsCr ??= bytes.at(-1) === CR
    if (this.#atStart) {
      if (complete && FROM_REGEXP.test(Buffer.from(bytes.subarray(0, 80)).toString('latin1'))) return
      this.#atStart = false
    }
    const line = complete && this.#stripsCr === true ? withoutCr(bytes) : bytes
    if (this.#options.dotEnds && previousComplete && line.length === 1 && line[0] === DOT) this.#ended = true
    else this.#line(line, complete)
  }
}

function withoutCr(bytes: Uint8Array): Uint8Array {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === CR) end--
  return bytes.subarray(0, end)
}
