/**
 * Connections that wait for the next message to the same place.
 *
 * A connection is found by the next hop that it was opened for, or by its
 * address. One that waits too long says QUIT and goes. All of it stays in this
 * process, which serves many deliveries: no other process is asked for a connection.
 *
 * Source: CONNECTION_CACHE_README; smtp_connection_cache_time_limit in postconf(5).
 */
import type { Session } from './session.ts'

type Entry = { readonly session: Session; readonly keys: readonly string[] }

/** Idle connections by key. */
export class ConnectionCache {
  readonly #byKey = new Map<string, Entry[]>()
  readonly #seconds: number

  /** @param seconds How long a connection waits. */
  constructor(seconds: number) {
    this.#seconds = seconds
  }

  /** Connections that wait. */
  get size(): number {
    return new Set([...this.#byKey.values()].flat()).size
  }

  /** Keeps an idle session under some keys. */
  save(session: Session, keys: readonly string[]): void {
    const entry: Entry = { session, keys }
    for (const key of keys) {
      const entries = this.#byKey.get(key)
      if (entries === undefined) this.#byKey.set(key, [entry])
      else entries.push(entry)
    }
    session.engine.idle(this.#seconds, () => this.#forget(entry))
  }

  /** Takes the session that was used last; `undefined`: none waits under this key. */
  take(key: string): Session | undefined {
    for (let entry = this.#byKey.get(key)?.at(-1); entry !== undefined; entry = this.#byKey.get(key)?.at(-1)) {
      this.#forget(entry)
      if (entry.session.engine.closed) continue
      entry.session.engine.resume()
      return entry.session
    }
    return undefined
  }

  /** Ends all waiting connections. */
  async close(): Promise<void> {
    const entries = new Set([...this.#byKey.values()].flat())
    this.#byKey.clear()
    await Promise.all([...entries].map(({ session }) => session.engine.leave(false)))
  }

  #forget(entry: Entry): void {
    for (const key of entry.keys) {
      const entries = this.#byKey.get(key)
      const at = entries?.indexOf(entry) ?? -1
      if (entries === undefined || at < 0) continue
      entries.splice(at, 1)
      if (entries.length === 0) this.#byKey.delete(key)
    }
  }
}
