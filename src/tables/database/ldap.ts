/**
 * ldap: directories as tables.
 *
 * `ldap:/etc/postfix/x.cf` has its settings in that file, `ldap:x` in main.cf with `x_` before their names.
 * Version 2 and 3 of the protocol are spoken; binds are simple or none (SASL is refused). A URL in an attribute is
 * a search in the same directory, whatever server it names, as in Postfix.
 *
 * Source: ldap_table(5).
 */
import { log } from '#system/log.ts'
import { DirectoryUnavailable, LdapClient } from '#network/database/ldap.ts'
import { encodeFilter, FilterError } from '#network/database/ldap-filter.ts'
import type { SearchOutcome } from '#network/database/ldap-connection.ts'
import type { SearchRequest } from '#network/database/ldap-message.ts'
import { resultText } from '#network/database/ldap-result.ts'
import { ABSENT, failed, found, type Lookup, type OpenRequest, type Table } from '#tables/table.ts'
import { errnoText } from '#system/errno.ts'
import { databaseTable, domainFilter } from './database-table.ts'
import { ldapOptions, ldapQuery, type LdapQuery } from './ldap-settings.ts'
import { escapeDn, escapeFilter } from './ldap-escape.ts'
import { Expander, ExpansionFailed } from './ldap-values.ts'
import { openSettings } from './settings.ts'
import { expandTemplate } from './template.ts'

/** The searches of one lookup together, however many members a group has. */
const LOOKUP_TIMEOUT_MS = 100_000
const NO_SUCH_OBJECT = 32
const BAD_FILTER = -7

/** One table. */
class Directory {
  readonly #name: string
  readonly #query: LdapQuery
  readonly #client: LdapClient

  constructor(name: string, query: LdapQuery, client: LdapClient) {
    this.#name = name
    this.#query = query
    this.#client = client
  }

  /** Never throws, never rejects. */
  async ask(key: string): Promise<Lookup> {
    try {
      return await this.#lookup(key)
    } catch (error) {
      if (error instanceof ExpansionFailed) return failed(`ldap:${this.#name}: ${error.message}`)
      const text = error instanceof DirectoryUnavailable ? `dict_ldap_connect: ${this.#name}: ${error.message}` : `ldap:${this.#name}: ${errnoText(error)}`
      log.warning(text)
      return failed(`ldap:${this.#name}: ${text}`)
    }
  }

  async #lookup(key: string): Promise<Lookup> {
    const { base: baseTemplate, filter, attributes, scope, dereference, sizeLimit, timeoutSeconds: timeLimit } = this.#query
    // The base may be the empty name, of the root.
    const base = expandTemplate(baseTemplate, key, undefined, escapeDn)
    const text = expandTemplate(filter, key, undefined, escapeFilter)
    if (base === undefined || text === undefined) return ABSENT
    let request: SearchRequest
    try {
      request = { base, scope, filter: encodeFilter(text), attributes: attributes.all, dereference, sizeLimit, timeLimit }
    } catch (error) {
      if (error instanceof FilterError) return this.#failed(BAD_FILTER)
      throw error
    }
    const outcome = await this.#client.search(request)
    if (outcome.status === 0) return this.#expand(key, outcome)
    if (outcome.status === NO_SUCH_OBJECT) return this.#withoutBase(base)
    return this.#failed(outcome.status)
  }

  async #expand(key: string, { entries }: SearchOutcome): Promise<Lookup> {
    const expander = new Expander({
      query: this.#query, name: this.#name, key,
      search: (request) => this.#client.search(request),
      deadline: performance.now() + LOOKUP_TIMEOUT_MS,
    })
    await expander.add(entries)
    const result = expander.results.join(',')
    return result === '' ? ABSENT : found(result)
  }

  /** A base that depends on the key need not be there; one that does not is a mistake. */
  #withoutBase(base: string): Lookup {
    if (this.#query.base.dynamic) return ABSENT
    const text = `Search base '${base}' not found: ${NO_SUCH_OBJECT}: ${resultText(NO_SUCH_OBJECT)}`
    log.warning(`dict_ldap_lookup: ${this.#name}: ${text}`)
    return failed(`ldap:${this.#name}: ${text}`)
  }

  #failed(status: number): Lookup {
    const text = `Search error ${status}: ${resultText(status)} `
    log.warning(`dict_ldap_lookup: ${this.#name}: ${text}`)
    return failed(`ldap:${this.#name}: ${text}`)
  }

  close(): void {
    this.#client.close()
  }
}

/**
 * Opens `ldap:/path` or `ldap:name`. The directory is not asked yet.
 *
 * @throws {TableOpenError} Settings cannot be read or used.
 */
export function openLdap(request: OpenRequest): Table {
  const settings = openSettings(request.name, request.options.config)
  const options = ldapOptions(settings)
  const query = ldapQuery(settings, request.name)
  const filter = domainFilter(settings, request)
  const directory = new Directory(settings.name, query, new LdapClient(options))
  return databaseTable(request, settings.name, { filter, ask: (key) => directory.ask(key), close: () => directory.close() })
}
