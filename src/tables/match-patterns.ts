/**
 * Match lists, with tables opened by the caller: tables too can have a match list
 * inside (the `domain` of database tables). Everybody else uses `match-list.ts`.
 *
 * Items, separated by commas or white space, are tried in order; the first that
 * matches decides, and after `!` it decides for "no match". An item is a name,
 * an address or `network/length`, `/file` (its lines are items), or `type:table`
 * (the key is there; the value is not looked at).
 *
 * Source: postconf(5), mynetworks, relay_domains, parent_domain_matches_subdomains, debug_peer_list.
 */
import { readFileSync } from 'node:fs'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { splitOutsideBraces } from '#util/split.ts'
import { foldKey } from './fold.ts'
import { addressItem, domainItem, stringItem, tableItem, type MatchItem, type MatchResult } from './match-items.ts'
import { TableOpenError, type Table, type TableOptions } from './table.ts'

/**
 * What a list is about. `string`: whole strings. `domain`: names and their sub-domains.
 * `address`: IP addresses. `host`: a name, an address, or both.
 */
export type MatchMode = 'string' | 'domain' | 'address' | 'host'

/** Options of a match list. */
export type MatchListOptions = TableOptions & {
  /** `example.com` covers its sub-domains; default: whether the title is in parent_domain_matches_subdomains. */
  readonly parent?: boolean
}

/** Files named in files named in files ...: an error beyond this depth. */
const FILE_DEPTH_MAX = 20

/** An item of the list: `result` is what its match means. */
type Entry = { readonly result: boolean; readonly item: MatchItem }

/** What a match list is made of. */
export type MatchListSource = {
  /** The parameter's name: for log lines and parent_domain_matches_subdomains. */
  readonly title: string
  /** The parameter's value. */
  readonly patterns: string
  readonly mode: MatchMode
  readonly options: MatchListOptions
  /** Opens the tables that are items. */
  readonly open: (spec: string) => Table
}

/** An opened match list. */
export class MatchList {
  /** The parameter's name, for log lines. */
  readonly title: string
  readonly #mode: MatchMode
  readonly #parent: boolean
  readonly #strict: boolean
  readonly #open: (spec: string) => Table
  readonly #entries: Entry[] = []
  readonly #tables: Table[] = []

  constructor({ title, patterns, mode, options, open }: MatchListSource) {
    this.title = title
    this.#mode = mode
    this.#parent = options.parent ?? options.config.list('parent_domain_matches_subdomains').includes(title)
    this.#open = open
    this.#strict = options.strict === true
    this.#parse(patterns, true, 0)
  }

  /** Whether nothing is listed. */
  get empty(): boolean {
    return this.#entries.length === 0
  }

  /**
   * Whether `value` is on the list; `error`: a table or file could not be read
   * before a match was found. `host` lists take the name first and the address second.
   */
  match(value: string, address?: string): MaybePromise<boolean | 'error'> {
    if (this.empty) return false
    const name = foldKey(value)
    return this.#matchFrom(0, this.#mode === 'host' ? [name, address?.toLowerCase()] : [name])
  }

  /** Reads changed tables again. Files named by `/path` are read once. */
  refresh(): void {
    for (const table of this.#tables) table.refresh?.()
  }

  /** Closes the tables. */
  close(): void {
    for (const table of this.#tables) table.close()
  }

  #matchFrom(start: number, values: readonly (string | undefined)[]): MaybePromise<boolean | 'error'> {
    for (let i = start; i < this.#entries.length; i++) {
      const entry = this.#entries[i]
      if (entry === undefined) break
      const matched = entry.item(values)
      if (matched instanceof Promise) {
        return matched.then((later) => this.#judge(entry, later) ?? this.#matchFrom(i + 1, values))
      }
      const result = this.#judge(entry, matched)
      if (result !== undefined) return result
    }
    return false
  }

  #judge({ result }: Entry, matched: MatchResult): boolean | 'error' | undefined {
    if (matched === true) return result
    if (matched === false) return undefined
    log.warning(`${this.title}: ${matched.error}`)
    return 'error'
  }

  #parse(patterns: string, positive: boolean, depth: number): void {
    for (const word of splitOutsideBraces(patterns)) {
      if (word.startsWith('#')) {
        log.warning(`${this.title}: comment at end of line is not supported: ${patterns.slice(patterns.indexOf(word))}`)
        return
      }
      const text = word.replace(/^!+/, '')
      const result = (word.length - text.length) % 2 === 0 ? positive : !positive
      if (text === '') log.warning(`${this.title}: no pattern after '!'`)
      else if (text.startsWith('/')) this.#parseFile(text, result, depth)
      else this.#entries.push({ result, item: this.#item(text) })
    }
  }

  #item(text: string): MatchItem {
    if (!text.startsWith('[') && text.includes(':')) {
      const table = this.#open(text)
      this.#tables.push(table)
      return tableItem(table, this.#mode, this.#parent)
    }
    const pattern = foldKey(text)
    if (this.#mode === 'string') return stringItem(pattern)
    if (this.#mode === 'domain') return domainItem(pattern, this.#parent)
    const address = addressItem(pattern, this.#mode === 'host' ? 1 : 0)
    if (this.#mode === 'address') return address
    const domain = domainItem(pattern, this.#parent)
    return (values) => (domain(values) === true ? true : address(values))
  }

  /** Lines of a file are items of this list; one that cannot be read is an item that always fails. */
  #parseFile(path: string, positive: boolean, depth: number): void {
    try {
      if (depth >= FILE_DEPTH_MAX) throw new Error('files are nested too deeply')
      for (const line of readFileSync(path, 'utf8').split('\n')) {
        if (!line.startsWith('#')) this.#parse(line, positive, depth + 1)
      }
    } catch (error) {
      const reason = `open file ${path}: ${errnoText(error)}`
      if (this.#strict) throw new TableOpenError(reason)
      log.error(reason)
      this.#entries.push({ result: positive, item: () => ({ error: `non-existent:${path}: table lookup problem` }) })
    }
  }
}
