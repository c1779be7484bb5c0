/**
 * The server side of SASL: a dialogue of base64 texts, and how it ends.
 *
 * Source: RFC 4954 (AUTH); RFC 4422 (SASL).
 *
 * @module
 */
import type { MaybePromise } from '#util/maybe.ts'

/** The connection that a client logs in on. */
export type SaslPeer = {
  readonly clientAddress: string
  readonly clientPort: string
  readonly serverAddress: string
  readonly serverPort: string
  readonly helo: string | undefined
  /** The session is encrypted. */
  readonly secured: boolean
}

/**
 * What comes after a response of the client.
 *
 * - `challenge`: base64 for the client, empty for none.
 * - `done`: logged in.
 * - `failed`: refused; `temporary`: no decision now. `reason` goes to the client and into the log; it may be empty.
 */
export type SaslStep =
  | { readonly kind: 'challenge'; readonly data: string }
  | { readonly kind: 'done'; readonly username: string }
  | { readonly kind: 'failed' | 'temporary'; readonly reason: string; readonly username?: string }

/** One dialogue. */
export type SaslExchange = {
  /** @param initial The initial response of the AUTH command, base64; `undefined` without one. Never rejects. */
  start(initial: string | undefined): MaybePromise<SaslStep>
  /** @param response A line of the client, base64. Never rejects. */
  respond(response: string): MaybePromise<SaslStep>
  /** The client gave up, or is gone. */
  cancel(): void
}

/** A place where logins are checked. */
export type SaslServer = {
  /**
   * Mechanisms to offer, in upper case; `undefined` when the place cannot be reached now.
   *
   * @param options smtpd_sasl_security_options, or those for encrypted sessions.
   */
  mechanisms(options: readonly string[]): MaybePromise<readonly string[] | undefined>
  /** A dialogue; a mechanism that is not offered fails in it. */
  exchange(mechanism: string, peer: SaslPeer, options: readonly string[]): SaslExchange
  close(): void
}

/** Base64 as clients send it; `undefined` when it is not. RFC 4954 §4: `=` is the empty response. */
export function decodeBase64(text: string): Buffer | undefined {
  if (text === '=') return Buffer.alloc(0)
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  return Buffer.from(text, 'base64')
}
