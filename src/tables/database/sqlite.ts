/**
 * sqlite: lookups in an SQLite database file, which is only read.
 *
 * A lookup blocks the process, but not for long: another process that writes is waited for
 * no longer than a moment, and a result has a limited number of rows.
 *
 * Reads:         the file of `dbpath`; again when another has taken its place.
 * Diagnostics:   warnings for queries that fail; the lookup is then an error.
 * Source:        sqlite_table(5).
 *
 * @module
 */
import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { ABSENT, failed, TableOpenError, type Lookup, type OpenRequest, type Table } from '#tables/table.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { databaseTable, domainFilter } from './database-table.ts'
import { queryExpansions, quoteSql } from './quote.ts'
import { openSettings } from './settings.ts'
import { answerFrom, sqlTemplates, type SqlTemplates } from './sql.ts'
import { expandTemplate } from './template.ts'

/** How long a lookup waits for a process that changes the file. */
const BUSY_MS = 250
/** How often the file's place is looked at. */
const CHECK_MS = 1000
/** Rows of one result: nobody means more, and all of them are in memory. */
const ROWS_MAX = 100_000
/** Digits of a number with a fraction, as SQLite writes it. */
const FLOAT_DIGITS = 15

/** An open file, and which one it was. */
type OpenFile = { readonly database: DatabaseSync; readonly identity: string }

/** Number and device of the file at `path`; empty: there is none. */
function identityOf(path: string): string {
  const facts = statSync(path, { throwIfNoEntry: false })
  return facts === undefined ? '' : `${facts.dev}:${facts.ino}`
}

/** Opens the file. @throws {Error} */
function openFile(path: string): OpenFile {
  const identity = identityOf(path)
  // Loaded here: a site without such tables has no use for it.
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS })
  return { database, identity }
}

/** Why a file cannot be opened, in Postfix's words. */
function openReason(path: string, error: unknown): string {
  try {
    statSync(path)
    return errnoText(error)
  } catch (missing) {
    return `unable to open database file: ${errnoText(missing)}`
  }
}

function realText(value: number): string {
  const text = String(Number(value.toPrecision(FLOAT_DIGITS)))
  if (/[.a-z]/i.test(text)) return text
  return `${text}.0`
}

/** A column as SQLite gives it as text, up to a NUL; `null` for NULL. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return realText(value)
  const text = value instanceof Uint8Array ? decodeRaw(value) : typeof value === 'string' ? value : ''
  const nul = text.indexOf('\0')
  return nul < 0 ? text : text.slice(0, nul)
}

/** The first column of each row. @throws {Error} Of SQLite. */
function* valuesOf(database: DatabaseSync, query: string): Generator<string | null> {
  const statement = database.prepare(query)
  statement.setReadBigInts(true)
  statement.setReturnArrays(true)
  let count = 0
  for (const row of statement.iterate()) {
    if (count++ === ROWS_MAX) throw new Error('too many rows')
    yield textOf(Array.isArray(row) ? row[0] : undefined)
  }
}

/** The database behind a table. */
class SqliteFile {
  readonly #path: string
  #file: OpenFile
  #checkAt = 0

  /** @throws {Error} */
  constructor(path: string) {
    this.#path = path
    this.#file = openFile(path)
  }

  /** The open database; another file at the same place has been opened. @throws {Error} */
  current(): DatabaseSync {
    if (performance.now() >= this.#checkAt) this.refresh()
    return this.#file.database
  }

  /** Opens the file again when it is another one; one that is gone stays open. */
  refresh(): void {
    this.#checkAt = performance.now() + CHECK_MS
    const identity = identityOf(this.#path)
    if (identity === '' || identity === this.#file.identity) return
    const file = openFile(this.#path)
    this.close()
    this.#file = file
  }

  close(): void {
    this.#file.database.close()
  }
}

function lookup(file: SqliteFile, templates: SqlTemplates, key: string): Lookup {
  const { query: template, doubleQuotes, name } = templates
  const query = expandTemplate(template, key, undefined, (part) => quoteSql(part, { dialect: 'standard', escapes: 'quotes', doubleQuotes }))
  if (query === undefined) return ABSENT
  if (log.verbose) log.debug(`dict_sqlite_lookup: ${name}: Searching with query ${query}`)
  try {
    const values = valuesOf(file.current(), query)
    return answerFrom(templates, key, values, `dict_sqlite_lookup: ${name}: Expansion limit exceeded for key '${key}'`)
  } catch (error) {
    const reason = `dict_sqlite_lookup: ${name}: SQL failed for query '${query}': ${errnoText(error)}`
    log.warning(reason)
    return failed(reason)
  }
}

/** Expansions that SQLite may take for something else than text. */
function warnAboutQuotes(spec: string, { queryText }: SqlTemplates): void {
  for (const { text, inside } of queryExpansions(queryText)) {
    if (inside !== "'") log.warning(`${spec}: query >${queryText}< contains >${text}< without the recommended '' quotes`)
  }
}

/**
 * Opens `sqlite:/file` or `sqlite:name`.
 *
 * @throws {TableOpenError} The settings cannot be read or used, or the database file cannot be opened.
 */
export function openSqlite(request: OpenRequest): Table {
  const { name, spec, options } = request
  const settings = openSettings(name, options.config)
  const path = settings.str('dbpath', '', { min: 1 })
  const templates = sqlTemplates(settings, request)
  warnAboutQuotes(spec, templates)
  const filter = domainFilter(settings, request)
  let file: SqliteFile
  try {
    file = new SqliteFile(path)
  } catch (error) {
    throw new TableOpenError(`${spec}: open database ${path}: ${openReason(path, error)}`)
  }
  const table = databaseTable(request, name, { filter, ask: (key) => lookup(file, templates, key), close: () => file.close() })
  return { ...table, refresh: () => { table.refresh?.(); file.refresh() } }
}
