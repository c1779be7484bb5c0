/**
 * TLS sessions to resume: a shorter handshake with a server that was met before.
 *
 * Kept in this process, whatever smtp_tls_session_cache_database names: the parameter
 * says whether sessions are kept at all, and smtp_tls_session_cache_timeout how long.
 *
 * Source: RFC 8446 §2.2, RFC 5077; TLS_README.
 */
import type { TLSSocket } from 'node:tls'

const ENTRIES_MAX = 1000

type Entry = { readonly session: Buffer; readonly at: number }

/** Sessions by server. A session is offered once: RFC 8446 §C.4. */
export class TlsSessions {
  readonly #entries = new Map<string, Entry>()
  readonly #lifetimeMs: number

  /** @param seconds How long a session is kept; 0: not at all. */
  constructor(seconds: number) {
    this.#lifetimeMs = seconds * 1000
  }

  /** Takes the session for a server, if there is one. */
  take(key: string): Buffer | undefined {
    const entry = this.#entries.get(key)
    this.#entries.delete(key)
    return entry === undefined || performance.now() - entry.at > this.#lifetimeMs ? undefined : entry.session
  }

  /** Keeps the sessions that the server gives. */
  watch(key: string, socket: TLSSocket): void {
    if (this.#lifetimeMs === 0) return
    socket.on('session', (session: Buffer) => {
      if (this.#entries.size >= ENTRIES_MAX) this.#entries.clear()
      this.#entries.set(key, { session, at: performance.now() })
    })
  }
}
