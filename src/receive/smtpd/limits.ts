/**
 * Limits on what one client does, over all workers: the counts are anvil's.
 *
 * Source: postconf(5) smtpd_client_*_limit, smtpd_client_ipv4_prefix_length.
 *
 * @module
 */
import { AnvilClient } from '#service/anvil.ts'
import { networkOf } from './network-of.ts'
import type { Client, RateEvent } from './ports.ts'
import { labelOf, type Session } from './session.ts'
import type { Settings } from './settings.ts'

/** Counts for one service. */
export class ClientLimits {
  readonly #settings: Settings
  readonly #anvil: AnvilClient | undefined
  readonly #isUnlimited: (client: Client) => boolean | 'error' | Promise<boolean | 'error'>
  readonly #counted = new WeakMap<Session, string>()

  /** @param isUnlimited smtpd_client_event_limit_exceptions, and who may use XCLIENT. */
  constructor(
    settings: Settings,
    anvil: AnvilClient,
    isUnlimited: (client: Client) => boolean | 'error' | Promise<boolean | 'error'>,
  ) {
    this.#settings = settings
    this.#isUnlimited = isUnlimited
    const { concurrency, connections, messages, recipients, tlsSessions, auths } = settings.rates
    const limited = [concurrency, connections, messages, recipients, tlsSessions, auths].some((limit) => limit > 0)
    this.#anvil = limited ? anvil : undefined
  }

  /** A client has come; returns the reply when it is one too many. */
  async connected(session: Session): Promise<string | undefined> {
    if (this.#anvil === undefined || (await this.#isUnlimited(session.client)) === true) return undefined
    const { settings, client } = session
    const key = this.#key(client)
    this.#counted.set(session, key)
    const { count, rate } = await this.#anvil.tell('connect', key)
    const { concurrency, connections } = this.#settings.rates
    const tooMany = concurrency > 0 && count > concurrency
    if (!tooMany && (connections === 0 || rate <= connections)) return undefined
    if (tooMany) session.blame('policy')
    const what = tooMany ? `concurrency limit exceeded: ${count}` : `rate limit exceeded: ${rate}`
    const label = labelOf(client, settings.clientPortLogging)
    session.ports.log.warning(`Connection ${what} from ${label} for service ${settings.serviceName}`)
    return `421 4.7.0 ${settings.myhostname} Error: too many connections from ${client.address}\r\n`
  }

  /** It has gone. */
  disconnected(session: Session): void {
    const key = this.#counted.get(session)
    if (key === undefined) return
    this.#counted.delete(session)
    void this.#anvil?.tell('disconnect', key)
  }

  /** An event of the client; returns how many there were. */
  rate(event: RateEvent, client: Client): Promise<number> | number {
    return this.#anvil?.tell(event, this.#key(client)).then(({ rate }) => rate) ?? 0
  }

  #key(client: Client): string {
    const { ipv4Prefix, ipv6Prefix } = this.#settings.rates
    return `${this.#settings.serviceName}:${networkOf(client.address, ipv4Prefix, ipv6Prefix)}`
  }
}
