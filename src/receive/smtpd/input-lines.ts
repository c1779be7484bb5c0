/**
 * Input of a client, as it came, and the lines in it.
 *
 * @module
 */
import { freeMemory } from '#util/free-memory.ts'
import type { InputLine } from './machine.ts'

const LF = 0x0a
const CR = 0x0d
const NOTHING = new Uint8Array(0)

/** `endless`: twice as long as a line may be: the client sends no commands. */
export type ReadLine = InputLine & { readonly endless: boolean }

/** Bytes that wait to be used. */
export class InputLines {
  readonly #lineBytesMax: number
  readonly #responseBytesMax: number
  #bytes: Uint8Array = NOTHING
  #at = 0
  /** Bytes of the current line in which no LF was found. */
  #searched = 0

  constructor(lineBytesMax: number, responseBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
    this.#responseBytesMax = responseBytesMax
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#bytes.length - this.#at
  }

  /** Appends what has arrived. */
  add(chunk: Uint8Array): void {
    this.#bytes = this.length === 0 ? chunk : Buffer.concat([this.peek(), chunk])
    this.#at = 0
  }

  /** Forgets everything. */
  clear(): void {
    this.#bytes = NOTHING
    this.#at = 0
    this.#searched = 0
  }

  /** All that waits: a view. */
  peek(): Uint8Array {
    return this.#bytes.subarray(this.#at)
  }

  /** Lets go of the memory of what was used, when little is left of it. */
  compact(): void {
    if (this.length === 0 || this.#bytes.length < 2 * this.length) return
    this.#bytes = Uint8Array.from(this.peek())
    this.#at = 0
  }

  /** Lets `use` take bytes; it returns where it stopped. It keeps none: where it took whole input, the memory is freed. */
  take(use: (bytes: Uint8Array, start: number) => number): void {
    const bytes = this.#bytes
    const start = this.#at
    this.#at = use(bytes, start)
    this.#searched = 0
    if (this.length > 0) return
    this.clear()
    if (start === 0) freeMemory(bytes)
  }

  /** The next command line; undefined when its end has not arrived. */
  line(): ReadLine | undefined {
    return this.#read(this.#lineBytesMax)
  }

  /** The next line of a SASL dialogue. */
  response(): ReadLine | undefined {
    return this.#read(this.#responseBytesMax)
  }

  /** A line of at most `limit` bytes with its LF, not counting a CR; of a longer one the start. */
  #read(limit: number): ReadLine | undefined {
    const start = this.#at
    const window = this.#bytes.subarray(start + this.#searched, start + 2 * limit)
    const found = window.indexOf(LF)
    if (found < 0) {
      this.#searched += window.length
      if (this.length < 2 * limit) return undefined
    }
    const lf = found < 0 ? -1 : start + this.#searched + found
    this.#searched = 0
    this.#at = lf < 0 ? start + 2 * limit : lf + 1
    const end = lf < 0 ? start + limit : lf
    const bare = lf >= 0 && (lf === start || this.#bytes[lf - 1] !== CR)
    // A line may end in several CR: they all belong to the line end.
    let last = end
    while (last > start && this.#bytes[last - 1] === CR) last--
    const tooLong = lf < 0 || lf - start > limit || (lf - start === limit && bare)
    const bytes = this.#bytes.subarray(start, Math.min(last, start + limit))
    const line = { bytes, bare, tooLong, endless: lf < 0, ahead: this.peek() }
    if (this.length === 0) this.clear()
    return line
  }
}
