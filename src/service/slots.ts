/**
 * Places for clients: at most so many at once, the others wait in line.
 *
 * One place is what one process is in Postfix: `maxproc` of master.cf.
 *
 * @module
 */

/** A count of places and the line of those who wait for one. */
export class Slots {
  #limit: number
  #used = 0
  readonly #line: (() => void)[] = []
  #onChange: () => void = () => undefined
  readonly #emptied: (() => void)[] = []

  /** @param limit 0: no limit. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Places in use. */
  get used(): number {
    return this.#used
  }

  /** How many wait. */
  get waiting(): number {
    return this.#line.length
  }

  /** The number of places, 0 for no limit. Those who are in stay when it shrinks. */
  get limit(): number {
    return this.#limit
  }

  set limit(limit: number) {
    this.#limit = limit
    this.#admit()
  }

  /** Whether a client that comes now would have to wait. */
  get full(): boolean {
    return this.#limit > 0 && this.#used >= this.#limit
  }

  /** Calls `listener` after each change of `used`. There is one listener. */
  onChange(listener: () => void): void {
    this.#onChange = listener
  }

  /** Takes a place without waiting, also beyond the limit. */
  take(): void {
    this.#used++
    this.#onChange()
  }

  /** Gives a place back. */
  release(): void {
    this.#used--
    this.#admit()
    this.#onChange()
    if (this.#used === 0) for (const resolve of this.#emptied.splice(0)) resolve()
  }

  /** Runs `work` in a place of its own, as soon as there is one. */
  async run<T>(work: () => Promise<T> | T): Promise<T> {
    if (this.full || this.#line.length > 0) await new Promise<void>((resolve) => this.#line.push(resolve))
    else this.take()
    try {
      return await work()
    } finally {
      this.release()
    }
  }

  /** Resolves when nobody has a place or waits for one. */
  async empty(): Promise<void> {
    while (this.#used > 0 || this.#line.length > 0) await new Promise<void>((resolve) => this.#emptied.push(resolve))
  }

  #admit(): void {
    while (!this.full) {
      const next = this.#line.shift()
      if (next === undefined) return
      this.#used++
      this.#onChange()
      next()
    }
  }
}
