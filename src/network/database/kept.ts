/**
 * A connection that is made when it is first needed, kept, and made again after it was lost.
 *
 * After a failure nobody tries again for a short time, so that not everybody waits for a server that is away.
 */

/** A connection, as far as keeping it goes. */
export type Keepable = {
  /** Whether it is over. */
  readonly lost: boolean
  close(): void
}

const RETRY_INTERVAL_MS = 1000

/** Keeps one connection for many users. */
export class Kept<T extends Keepable> {
  readonly #open: () => Promise<T>
  #connection: Promise<T> | undefined
  #ready: T | undefined
  #failure: { readonly error: Error; readonly until: number } | undefined
  #closed = false

  /** @param open Makes a connection; bounded in time. */
  constructor(open: () => Promise<T>) {
    this.#open = open
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The connection. @throws {Error} What `open` throws, or has thrown a moment ago. */
  get(): Promise<T> {
    if (this.#closed) return Promise.reject(new Error('the table is closed'))
    if (this.#ready?.lost === true) this.drop(this.#ready)
    if (this.#failure !== undefined && performance.now() < this.#failure.until) return Promise.reject(this.#failure.error)
    return (this.#connection ??= this.#connect())
  }

  /** Gives up a connection that is of no use any more. */
  drop(connection: T): void {
    connection.close()
    if (this.#ready !== connection) return
    this.#ready = undefined
    this.#connection = undefined
  }

  /** Ends it for good. */
  close(): void {
    this.#closed = true
    if (this.#ready !== undefined) this.drop(this.#ready)
  }

  async #connect(): Promise<T> {
    try {
      const connection = await this.#open()
      this.#failure = undefined
      this.#ready = connection
      if (this.#closed) connection.close()
      return connection
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error))
      this.#failure = { error: reason, until: performance.now() + RETRY_INTERVAL_MS }
      this.#connection = undefined
      throw reason
    }
  }
}
