/**
 * Steps that must happen in order although some of them wait for a lookup.
 *
 * @module
 */
import { isPromise, type MaybePromise } from '#util/maybe.ts'

/** A step: done when it returns, or when its promise resolves. */
export type Step = () => MaybePromise<void>

/** Runs each step at once when none is at work, otherwise after those before it. */
export class Sequence {
  readonly #waiting: Step[] = []
  #work: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  /** Whether a step is at work: what comes now has to wait, and must not rely on memory of the caller. */
  get busy(): boolean {
    return this.#work !== undefined
  }

  /** Steps that wait. */
  get length(): number {
    return this.#waiting.length
  }

  /** Adds a step. After one has failed, no other is run. */
  run(step: Step): void {
    if (this.#work !== undefined) {
      this.#waiting.push(step)
      return
    }
    if (this.#failure !== undefined) return
    const done = step()
    if (isPromise(done)) this.#work = this.#drain(done)
  }

  /**
   * Done when all steps are.
   *
   * @throws What a step threw after it had waited.
   */
  idle(): MaybePromise<void> {
    if (this.#work !== undefined) return this.#work.then(() => this.idle())
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #drain(first: Promise<void>): Promise<void> {
    try {
      await first
      for (let step = this.#waiting.shift(); step !== undefined; step = this.#waiting.shift()) await step()
    } catch (error) {
      this.#failure = { error }
      this.#waiting.length = 0
    } finally {
      this.#work = undefined
    }
  }
}
