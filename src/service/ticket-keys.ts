/**
 * The keys of session tickets in a worker: asked of master before the first client, and again when their time is over.
 *
 * @module
 */

/** A worker's side; master's is master/ticket-keys.ts. */
export class TicketKeysClient {
  readonly #ask: () => void
  readonly #use: (keys: Buffer) => void
  readonly #first = Promise.withResolvers<void>()
  #timer: NodeJS.Timeout | undefined

  /**
   * @param ask Sends the question to master.
   * @param use Called with each set of keys.
   */
  constructor(ask: () => void, use: (keys: Buffer) => void) {
    this.#ask = ask
    this.#use = use
  }

  /** Asks, and resolves when the first keys are in use. */
  first(): Promise<void> {
    this.#ask()
    return this.#first.promise
  }

  /** Master's answer. @param lifeMs How long the keys are good for. */
  got(keys: Buffer, lifeMs: number): void {
    this.#use(keys)
    this.#first.resolve()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#ask, lifeMs).unref()
  }
}
