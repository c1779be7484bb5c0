/**
 * Quoted-printable encoding of a body that comes in lines.
 *
 * Source: RFC 2045 §6.7.
 */

const EQUALS = 61
const TAB = 9
const SPACE = 32
const HEX = '0123456789ABCDEF'

/** A soft line break comes before the output line grows beyond this: with a coded byte and `=` it stays within 76. */
const SOFT_BREAK_LENGTH = 72

/** Gets the finished output lines, without line ends. */
export type LineSink = (line: Uint8Array) => void

/** Encodes lines; pieces of one long line may come one by one. */
export class QuotedPrintableEncoder {
  readonly #emit: LineSink
  #line: number[] = []

  constructor(emit: LineSink) {
    this.#emit = emit
  }

  /** @param complete Whether `piece` ends the line. */
  write(piece: Uint8Array, complete: boolean): void {
    for (const byte of piece) {
      if (this.#line.length > SOFT_BREAK_LENGTH) {
        this.#line.push(EQUALS)
        this.#flush()
      }
      this.#append(byte)
    }
    if (complete) this.#endLine()
  }

  #append(byte: number): void {
    if ((byte < SPACE && byte !== TAB) || byte === EQUALS || byte > 126) this.#encode(byte)
    else this.#line.push(byte)
  }

  #encode(byte: number): void {
    this.#line.push(EQUALS, HEX.charCodeAt(byte >> 4), HEX.charCodeAt(byte & 15))
  }

  /** RFC 2045 §6.7 (3): white space must not end a line. */
  #endLine(): void {
    const last = this.#line.at(-1)
    if (last === SPACE || last === TAB) {
      this.#line.pop()
      this.#encode(last)
    }
    this.#flush()
  }

  #flush(): void {
    this.#emit(Uint8Array.from(this.#line))
    this.#line = []
  }
}
