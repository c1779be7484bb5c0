/**
 * A client of a directory: searches, whichever of its servers is there.
 *
 * The servers are tried in their order. The connection is made at the first search and kept; when it turns out to
 * be lost, it is made again and the search repeated, once. While no server can be reached, searches fail at once for
 * a short time, so that not each of them waits.
 *
 * An own client: the package that was looked at takes a malformed reply for an endless one, and hides that a
 * server cut a result short.
 *
 * Source: ldap_table(5); RFC 4511 §4.5.3 (continuation references).
 */
import { log } from '#system/log.ts'
import { ConnectionLost, openConnection, SearchTimeout, SessionRefused } from './ldap-connection.ts'
import type { LdapConnection, LdapSession, SearchOutcome } from './ldap-connection.ts'
import { Kept } from './kept.ts'
import { resultText } from './ldap-result.ts'
import { encodeFilter } from './ldap-filter.ts'
import { parseLdapUrl, type LdapServer } from './ldap-url.ts'
import type { SearchRequest } from './ldap-message.ts'

/** Which directory, and how to talk to it. */
export type LdapOptions = LdapSession & {
  /** For log lines: the name of the table. */
  readonly name: string
  readonly servers: readonly LdapServer[]
  /** Ask other servers too, where this one says so. */
  readonly chaseReferrals: boolean
}

/** No server can be reached or lets us in. The text is the warning for the log. */
export class DirectoryUnavailable extends Error {
  override readonly name = 'DirectoryUnavailable'
}

/** Referrals to referrals, at most. As OpenLDAP's library. */
const HOPS_MAX = 5
/** Result codes of its library, for what happens on our side. */
const LOCAL_STATUS = { serverDown: -1, timeout: -5 } as const

const BUSY_STATUSES: ReadonlySet<number> = new Set([51, 52])

/** A client of the servers in `options`. */
export class LdapClient {
  readonly #options: LdapOptions
  readonly #kept: Kept<LdapConnection>
  readonly #referred = new Map<string, LdapClient>()

  constructor(options: LdapOptions) {
    this.#options = options
    this.#kept = new Kept(() => this.#firstServer())
  }

  /**
   * Searches. Errors of the server, or no answer in time, are in the `status` of what comes back: a result code,
   * or a negative number of OpenLDAP's library.
   *
   * @throws {DirectoryUnavailable} No server can be asked.
   */
  async search(request: SearchRequest, hops = 0): Promise<SearchOutcome> {
    const outcome = await this.#searchHere(request)
    return this.#options.chaseReferrals ? this.#chase(request, outcome, hops) : outcome
  }

  /** Ends the connections. */
  close(): void {
    this.#kept.close()
    for (const client of this.#referred.values()) client.close()
  }

  async #searchHere(request: SearchRequest): Promise<SearchOutcome> {
    const { name, timeoutMs } = this.#options
    const connection = await this.#kept.get()
    try {
      const outcome = await connection.search(request, timeoutMs)
      // A server that is shutting down says so; the next one may not be.
      if (!BUSY_STATUSES.has(outcome.status)) return outcome
      this.#kept.drop(connection)
      return outcome
    } catch (error) {
      this.#kept.drop(connection)
      if (error instanceof SearchTimeout) return failure(LOCAL_STATUS.timeout)
      if (!(error instanceof ConnectionLost) || this.#kept.closed) throw error
      log.info(`dict_ldap_lookup: Lost connection for LDAP source ${name}, reopening`)
    }
    const again = await this.#kept.get()
    return again.search(request, timeoutMs).catch((error: unknown) => {
      this.#kept.drop(again)
      if (error instanceof SearchTimeout) return failure(LOCAL_STATUS.timeout)
      if (error instanceof ConnectionLost) return failure(LOCAL_STATUS.serverDown)
      throw error
    })
  }

  async #firstServer(): Promise<LdapConnection> {
    const { servers, bind } = this.#options
    let status: number = LOCAL_STATUS.serverDown
    let detail = resultText(status)
    for (const server of servers) {
      try {
        return await openConnection(server, this.#options)
      } catch (error) {
        status = error instanceof SessionRefused ? error.status : error instanceof SearchTimeout ? LOCAL_STATUS.timeout : LOCAL_STATUS.serverDown
        const said = error instanceof Error ? error.message : String(error)
        detail = said === '' || said === resultText(status) ? resultText(status) : `${resultText(status)}: ${said}`
      }
    }
    const who = bind === undefined || bind.dn === '' ? 'empty or implicit' : bind.dn
    const urls = servers.map(({ text }) => text).join(' ')
    throw new DirectoryUnavailable(`Unable to bind to server ${urls} with dn ${who}: ${status} (${detail})`)
  }

  /** Adds what other servers have. */
  async #chase(request: SearchRequest, outcome: SearchOutcome, hops: number): Promise<SearchOutcome> {
    if (outcome.status === 10) return this.#follow(request, outcome.referrals, hops)
    let { entries } = outcome
    for (const url of outcome.references) {
      const more = await this.#follow(request, [url], hops)
      if (more.status !== 0) return more
      entries = [...entries, ...more.entries]
    }
    return { ...outcome, entries, references: [] }
  }

  /** Asks the first of the servers that can be reached; each of them would do. */
  async #follow(request: SearchRequest, urls: readonly string[], hops: number): Promise<SearchOutcome> {
    if (hops >= HOPS_MAX) return failure(-16)
    for (const text of urls) {
      const url = parseLdapUrl(text)
      if (url === undefined) continue
      // RFC 4511 §4.1.10, §4.5.3: parts that the URL has come in place of those of the request.
      const parts = text.split('?')
      const moved = {
        ...request,
        base: url.base === '' ? request.base : url.base,
        scope: (parts[2] ?? '') === '' ? request.scope : url.scope,
        filter: (parts[3] ?? '') === '' ? request.filter : encodeFilter(url.filter),
      }
      try {
        return await this.#clientFor(url.server).search(moved, hops + 1)
      } catch (error) {
        if (!(error instanceof DirectoryUnavailable)) throw error
        log.warning(`${this.#options.name}: cannot follow the referral ${text}: ${error.message}`)
      }
    }
    return failure(LOCAL_STATUS.serverDown)
  }

  /** Other servers are asked anonymously: the password is for ours. */
  #clientFor(server: LdapServer): LdapClient {
    const known = this.#referred.get(server.text)
    if (known !== undefined) return known
    const { version } = this.#options
    const client = new LdapClient({ ...this.#options, servers: [server], bind: { dn: '', password: '' }, version, chaseReferrals: true })
    this.#referred.set(server.text, client)
    return client
  }
}

function failure(status: number): SearchOutcome {
  return { status, text: '', referrals: [], entries: [], references: [] }
}
