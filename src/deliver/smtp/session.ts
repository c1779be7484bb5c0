/**
 * A session: one connection, and what is known of the server at its other end.
 */
import { nameAddressPort, nameAndAddress, type Endpoint } from './connect.ts'
import type { Capabilities } from './capabilities.ts'
import { NO_CAPABILITIES } from './capabilities.ts'
import type { SmtpEngine } from './engine.ts'

/** How the session came to its TLS, for `tls=` in the log. */
export type TlsLevel = 'none' | 'may' | 'encrypt' | 'verify' | 'secure'

/** One connection to one server. */
export class Session {
  readonly engine: SmtpEngine
  readonly endpoint: Endpoint
  /** The server's name, for reports. */
  readonly host: string
  /** `host[address]` */
  readonly namaddr: string
  /** `host[address]:port` */
  readonly relay: string
  /** The level that the policy asks for. */
  readonly level: TlsLevel
  capabilities: Capabilities = NO_CAPABILITIES
  secure = false
  /** Whether it is settled if this session has TLS. */
  decided = false
  /** The policy asks for what this session does not have: no mail goes over it. */
  violated = false
  /** What became of a wish for REQUIRETLS, as `tls=` shows it; empty: there was none. */
  requireTls = ''
  /** The user that was authenticated; empty: nobody. */
  user = ''
  /** Messages on this connection, this one included. */
  uses = 1
  /** Of the best preference of its destination. */
  bestMx = false
  /** The server has said that we broke the protocol, or broke it itself: postmaster may be told. */
  faulty = false
  /** Must not be used for another message. */
  tainted = false
  /** `.` goes out after a pause, for broken firewalls. */
  delayDot = false
  /** For time limits, in milliseconds of `performance.now()`. */
  readonly openedAt = performance.now()

  constructor(engine: SmtpEngine, endpoint: Endpoint, level: TlsLevel) {
    this.engine = engine
    this.endpoint = endpoint
    this.host = endpoint.host
    this.namaddr = nameAndAddress(endpoint)
    this.relay = nameAddressPort(endpoint)
    this.level = level
  }

  /** `tls=` of a delivery over this session. */
  get tlsStatus(): string {
    return this.requireTls === '' ? this.#levelStatus : `${this.#levelStatus}/${this.requireTls}`
  }

  get #levelStatus(): string {
    if (!this.decided) return `${this.level}?`
    if (this.violated) return `!${this.level}`
    return this.secure || this.level === 'none' ? this.level : `${this.level}:none`
  }
}
