/** A file of pages of one size that is being made: zeros that grow at the end. */

/** Pages for the first allocation, where the maker does not say. */
const PAGES_MIN = 16

/** The pages so far. Positions are those of the file. */
export class PageFile {
  readonly #pageSize: number
  #bytes: Buffer
  #count = 0

  /** @param pages About how many there will be: more make one more copy. */
  constructor(pageSize: number, pages: number) {
    this.#pageSize = pageSize
    this.#bytes = Buffer.alloc(pageSize * Math.max(pages, PAGES_MIN))
  }

  /** The file and room behind it. Another object after `add()`. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** How many pages there are: the number of the next. */
  get count(): number {
    return this.#count
  }

  /** Adds pages; where the first of them starts. */
  add(pages = 1): number {
    const start = this.#count * this.#pageSize
    this.#count += pages
    const end = this.#count * this.#pageSize
    if (end > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(end, 2 * this.#bytes.length))
      this.#bytes.copy(grown, 0, 0, start)
      this.#bytes = grown
    }
    return start
  }

  /** The whole file. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#count * this.#pageSize)
  }
}
