/**
 * What lookups in databases have in common before the database is asked: keys that are not
 * UTF-8 are in none, case is folded, and the table's `domain` setting leaves out other domains.
 *
 * Source: mysql_table(5), domain; likewise in the pages of the other types.
 *
 * @module
 */
import { log } from '#system/log.ts'
import { keyFolder } from '#tables/fold.ts'
import { MatchList } from '#tables/match-patterns.ts'
import { ABSENT, failed, type Lookup, type OpenRequest, type Table } from '#tables/table.ts'
import { whenReady, type MaybePromise } from '#util/maybe.ts'
import type { Settings } from './settings.ts'

/** A byte that was not UTF-8, as `decodeRaw()` has it. */
const ESCAPED_BYTE_REGEXP = /[\ud800-\udfff]/u

/** Ends the text of a query in all drivers and servers: a key with one is in no database. */
const NUL = '\0'

/** Which keys are looked up at all. */
export type DomainFilter = {
  /** Whether the domain of the address `key` is listed; a key without a domain or a local part is not. */
  match(key: string): MaybePromise<boolean | 'error'>
  refresh(): void
  close(): void
}

/**
 * The `domain` setting of a table: names, `/file`s and `type:table`s.
 *
 * @returns `undefined`: it is not set, and every key is looked up.
 * @throws {TableOpenError} With `strict`: one of its tables cannot be opened.
 */
export function domainFilter(settings: Settings, { options, open }: Pick<OpenRequest, 'options' | 'open'>): DomainFilter | undefined {
  const patterns = settings.str('domain', '')
  if (patterns === '') return undefined
  const list = new MatchList({ title: settings.name, patterns, mode: 'string', options, open })
  return {
    match(key) {
      const at = key.lastIndexOf('@')
      return at < 1 || at === key.length - 1 ? false : list.match(key.slice(at + 1))
    },
    refresh: () => list.refresh(),
    close: () => list.close(),
  }
}

/** What one type of database adds. */
export type DatabaseParts = {
  readonly filter: DomainFilter | undefined
  /** Asks the database. The key is folded, UTF-8 and not filtered out. Never throws, never rejects. */
  readonly ask: (key: string) => MaybePromise<Lookup>
  readonly close: () => void
}

/** Makes the table; only whole keys and their parts as callers ask for them, as with indexed files. */
export function databaseTable({ spec, options }: OpenRequest, name: string, { filter, ask, close }: DatabaseParts): Table {
  const fold = keyFolder(options)
  const isUtf8 = options.config.bool('smtputf8_enable')
  const skip = (key: string): Lookup => {
    if (log.verbose) log.debug(`${name}: Skipping lookup of '${key}'`)
    return ABSENT
  }
  const checked = (key: string, answer: Lookup): Lookup => {
    if (!isUtf8 || answer.kind !== 'found' || !ESCAPED_BYTE_REGEXP.test(answer.value)) return answer
    const reason = `${spec}: key "${key}": non-UTF-8 value "${answer.value}": malformed UTF-8 or invalid codepoint`
    log.warning(reason)
    return failed(reason)
  }
  const askFor = (key: string): MaybePromise<Lookup> => whenReady(ask(key), (answer) => checked(key, answer))
  return {
    name: spec,
    pattern: false,
    lookup(text) {
      if (ESCAPED_BYTE_REGEXP.test(text)) {
        if (isUtf8) log.warning(`${spec}: non-UTF-8 key "${text}": malformed UTF-8 or invalid codepoint`)
        return ABSENT
      }
      if (text.includes(NUL)) return skip(text)
      const key = fold(text)
      if (filter === undefined) return askFor(key)
      return whenReady(filter.match(key), (listed) => {
        if (listed === 'error') return failed(`${spec}: cannot tell whether its domain list has ${key}`)
        return listed ? askFor(key) : skip(key)
      })
    },
    refresh: () => filter?.refresh(),
    close() {
      filter?.close()
      close()
    },
  }
}
