/**
 * From the entries of a directory to the result of a lookup: which attributes count, and which
 * refer to further entries by their names or by URLs.
 *
 * Source: ldap_table(5), result_attribute and its special, leaf and terminal kin.
 */
import { log } from '#system/log.ts'
import { encodeFilter, FilterError } from '#network/database/ldap-filter.ts'
import type { SearchOutcome } from '#network/database/ldap-connection.ts'
import type { LdapEntry, SearchRequest } from '#network/database/ldap-message.ts'
import { resultText } from '#network/database/ldap-result.ts'
import { isLdapUrl, parseLdapUrl } from '#network/database/ldap-url.ts'
import { SCOPE } from '#network/database/ldap-message.ts'
import { asciiLower } from '#util/ascii.ts'
import { expandTemplate } from './template.ts'
import type { LdapQuery } from './ldap-settings.ts'

/** The lookup fails for now; the reason is in the log already. */
export class ExpansionFailed extends Error {
  override readonly name = 'ExpansionFailed'
}

/** How one lookup searches, and how long it may. */
export type Expansion = {
  readonly query: LdapQuery
  /** For log lines. */
  readonly name: string
  readonly key: string
  readonly search: (request: SearchRequest) => Promise<SearchOutcome>
  /** After this time of `performance.now()` no further search is made. */
  readonly deadline: number
}

/**
 * Whether terminal attributes were seen, and none that refer to other entries. Postfix does not forget either from
 * one entry of a search to the next.
 */
type EntryNature = { isTerminal: boolean; isLeaf: boolean }

const ANY_ENTRY = encodeFilter('objectclass=*')
const NO_SUCH_OBJECT = 32

/** Whether `found` is the attribute `wanted`, perhaps with options (`mail;lang-en`): 1; the other way round: -1; else 0. */
export function attributeRelation(wanted: string, found: string): -1 | 0 | 1 {
  const [one, other] = [asciiLower(wanted), asciiLower(found)]
  if (one === other || other.startsWith(`${one};`)) return 1
  return one.startsWith(`${other};`) ? -1 : 0
}

/** Which attributes to ask for when a URL names some: those that are both in it and in the table. */
export function urlAttributes(inUrl: readonly string[], all: readonly string[]): readonly string[] {
  if (inUrl.length === 0) return all
  return inUrl.flatMap((one) => all.flatMap((other) => {
    const relation = attributeRelation(one, other)
    return relation > 0 ? [other] : relation < 0 ? [one] : []
  }))
}

/** Values are C strings to Postfix. */
function cutAtNul(value: string): string {
  const end = value.indexOf('\0')
  return end < 0 ? value : value.slice(0, end)
}

/** Collects the results of one lookup. */
export class Expander {
  readonly results: string[] = []
  readonly #expansion: Expansion
  #expanded = 0

  constructor(expansion: Expansion) {
    this.#expansion = expansion
  }

  /** Adds what is in `entries`, and in entries that they refer to. @throws {ExpansionFailed} */
  async add(entries: readonly LdapEntry[], depth = 1): Promise<void> {
    const { query: { sizeLimit }, name } = this.#expansion
    if (sizeLimit > 0 && entries.length > sizeLimit) {
      this.#fail(`dict_ldap_get_values[${depth}]: ${name}: Query size limit (${sizeLimit}) exceeded`)
    }
    const nature: EntryNature = { isTerminal: false, isLeaf: true }
    for (const entry of entries) await this.#addEntry(entry, nature, depth)
  }

  async #addEntry({ attributes }: LdapEntry, nature: EntryNature, depth: number): Promise<void> {
    const { all, terminal, leaf, ordinary } = this.#expansion.query.attributes
    const holds = (names: readonly string[]): boolean => names.some((wanted) =>
      attributes.some(({ name, values }) => asciiLower(name) === asciiLower(wanted) && values.length > 0))
    nature.isTerminal ||= holds(all.slice(0, terminal))
    if (!nature.isTerminal && leaf > 0 && holds(all.slice(ordinary))) nature.isLeaf = false
    const { isTerminal, isLeaf } = nature
    for (const { name, values } of attributes) {
      const index = all.findIndex((wanted) => attributeRelation(wanted, name) > 0)
      const found = index < 0 ? all.length : index
      if (found < ordinary || isTerminal) {
        const isLeft = (isTerminal && found >= terminal) || (!isLeaf && found < terminal + leaf)
        if (!isLeft) for (const value of values) this.#addValue(value, depth)
      } else if (found < all.length && values.length > 0) {
        await this.#followAll(name, values.map(cutAtNul), depth)
      }
    }
  }

  #addValue(value: string, depth: number): void {
    const { query: { format, expansionLimit }, key, name } = this.#expansion
    const result = expandTemplate(format, key, cutAtNul(value))
    if (result === undefined) return
    this.results.push(result)
    this.#expanded++
    if (expansionLimit > 0 && this.#expanded > expansionLimit) {
      this.#fail(`dict_ldap_get_values[${depth}]: ${name}: Expansion limit exceeded for key: '${key}'`)
    }
  }

  async #followAll(attribute: string, values: readonly string[], depth: number): Promise<void> {
    const { query: { recursionLimit }, name } = this.#expansion
    if (depth >= recursionLimit) {
      const what = `${attribute}=${values[0] ?? ''}`
      this.#fail(`dict_ldap_get_values[${depth}]: ${name}: Recursion limit exceeded for special attribute ${what}`)
    }
    for (const value of values) await this.#follow(value, depth)
  }

  /** Looks at the entries that a name or a URL stands for. */
  async #follow(value: string, depth: number): Promise<void> {
    const { search, deadline, name } = this.#expansion
    const request = this.#requestFor(value, depth)
    if (request === undefined) return
    if (performance.now() > deadline) this.#fail(`dict_ldap_get_values[${depth}]: ${name}: the lookup takes too long`)
    const { status, entries } = await search(request)
    if (status === 0) await this.add(entries, depth + 1)
    // The entry is gone: as if it were there and empty.
    else if (status === NO_SUCH_OBJECT) log.warning(`dict_ldap_get_values[${depth}]: DN ${value} not found, skipping `)
    else this.#fail(`dict_ldap_get_values[${depth}]: search error ${status}: ${resultText(status)} `)
  }

  #requestFor(value: string, depth: number): SearchRequest | undefined {
    const { query: { attributes: { all }, dereference, sizeLimit, timeoutSeconds: timeLimit } } = this.#expansion
    const common = { dereference, sizeLimit, timeLimit }
    if (!isLdapUrl(value)) return { ...common, base: value, scope: SCOPE.base, filter: ANY_ENTRY, attributes: all }
    const url = parseLdapUrl(value)
    if (url === undefined) {
      return this.#fail(`dict_ldap_get_values[${depth}]: malformed URL ${value}: ${resultText(-1)}`)
    }
    const attributes = urlAttributes(url.attributes, all)
    if (attributes.length === 0) {
      if (log.verbose) log.debug(`dict_ldap_get_values[${depth}]: skipping URL ${value}: no pertinent attributes`)
      return undefined
    }
    try {
      return { ...common, base: url.base, scope: url.scope, filter: encodeFilter(url.filter), attributes }
    } catch (error) {
      if (!(error instanceof FilterError)) throw error
      return this.#fail(`dict_ldap_get_values[${depth}]: search error -7: ${error.message} `)
    }
  }

  #fail(text: string): never {
    log.warning(text)
    throw new ExpansionFailed(text)
  }
}
