/**
 * A list of tables that is asked as one: the first that knows the key answers.
 *
 * Source: postconf(5), parameters of type "lookup tables"; DATABASE_README.
 */
import { log } from '#system/log.ts'
import { splitOutsideBraces } from '#util/split.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { openTable } from './open.ts'
import type { Lookup, Table, TableOptions } from './table.ts'

/** The answer of a list of tables; `table` is the one that gave it, as the admin wrote it. */
export type MapsResult =
  | { readonly kind: 'found'; readonly value: string; readonly table: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'error'; readonly reason: string; readonly table: string }

const ABSENT: MapsResult = { kind: 'absent' }

/** The tables of one parameter. */
export class Maps {
  /** The parameter's name, for log lines. */
  readonly title: string
  readonly #tables: readonly Table[]

  constructor(title: string, tables: readonly Table[]) {
    this.title = title
    this.#tables = tables
  }

  /** Whether there is no table at all. */
  get empty(): boolean {
    return this.#tables.length === 0
  }

  /**
   * Asks the tables in order. The first error ends the search, with a warning
   * in the log. The empty key is in no table.
   *
   * @param partial `key` is a part of the real key: pattern tables are not asked.
   */
  find(key: string, partial = false): MaybePromise<MapsResult> {
    return key === '' ? ABSENT : this.#findFrom(0, key, partial)
  }

  /** Reads changed files again; tables also look by themselves once a second. */
  refresh(): void {
    for (const table of this.#tables) table.refresh?.()
  }

  /** Closes all tables. */
  close(): void {
    for (const table of this.#tables) table.close()
  }

  #findFrom(start: number, key: string, partial: boolean): MaybePromise<MapsResult> {
    for (let i = start; i < this.#tables.length; i++) {
      const table = this.#tables[i]
      if (table === undefined || (partial && table.pattern)) continue
      const answer = table.lookup(key)
      if (answer instanceof Promise) {
        return answer.then((later) => this.#judge(table, key, later) ?? this.#findFrom(i + 1, key, partial))
      }
      const result = this.#judge(table, key, answer)
      if (result !== undefined) return result
    }
    return ABSENT
  }

  #judge(table: Table, key: string, answer: Lookup): MapsResult | undefined {
    if (answer.kind === 'absent') return undefined
    if (answer.kind === 'error') {
      log.warning(`${table.name} lookup error for "${key}"`)
      return { ...answer, table: table.name }
    }
    if (answer.value !== '') return { ...answer, table: table.name }
    log.warning(`${this.title} lookup of ${key} returns an empty string result`)
    log.warning(`${this.title} should return NO RESULT in case of NOT FOUND`)
    return { kind: 'error', reason: 'empty lookup result', table: table.name }
  }
}

/**
 * Opens the tables of a parameter's value.
 *
 * @param title The parameter's name.
 * @param specs `type:name` words, separated by commas or white space outside braces.
 */
export function openMaps(title: string, specs: string, options: TableOptions): Maps {
  return new Maps(title, splitOutsideBraces(specs).map((spec) => openTable(spec, options)))
}
