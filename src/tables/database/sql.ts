/**
 * What the SQL types have in common: the settings of query and result, and lookups on servers.
 *
 * Source: mysql_table(5), pgsql_table(5), sqlite_table(5).
 *
 * @module
 */
import { SqlRefusal, type SqlAnswer, type SqlConnection, type SqlTimeouts } from '#network/database/connection.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { ABSENT, failed, found, TableOpenError, type Lookup, type OpenRequest } from '#tables/table.ts'
import type { Charset } from '#util/charset.ts'
import type { Servers, Attempt } from './servers.ts'
import { queryExpansions, quoteSql, type QuoteStyle } from './quote.ts'
import type { Settings } from './settings.ts'
import { expandTemplate, joinResults, parseTemplate, templateContext, type Template, type TemplateContext } from './template.ts'

/** Nothing waits for ever on a database; the real one does. */
export const SQL_TIMEOUTS: SqlTimeouts = { connectMs: 10_000, queryMs: 30_000 }

/** Most connections of a process to the servers of one login. */
export const SQL_CONNECTIONS_MAX = 4

/** Query and result of a table. */
export type SqlTemplates = {
  readonly type: string
  /** What log lines call the table: its file, or its name in main.cf. */
  readonly name: string
  readonly queryText: string
  readonly query: Template
  readonly result: Template
  /** Most results of one lookup; 0: any number. */
  readonly expansionLimit: number
  /** Expansions stand between `"`. */
  readonly doubleQuotes: boolean
}

/** The query of the settings that were there before `query`. @throws {TableOpenError} */
function legacyQuery(settings: Settings): string {
  const text = (name: string): string => settings.str(name, '', { min: 1 })
  const [table, field, where] = [text('table'), text('select_field'), text('where_field')]
  return `SELECT ${field} FROM ${table} WHERE ${where}='%s' ${settings.str('additional_conditions', '')}`
}

/**
 * Reads the settings of query and result.
 *
 * @param charset In which the bytes of the query are taken.
 * @throws {TableOpenError}
 */
export function sqlTemplates(settings: Settings, { spec, name }: OpenRequest, charset?: Charset): SqlTemplates {
  const type = spec.slice(0, spec.length - name.length - 1)
  const format = settings.str('result_format', '%s', { min: 1 })
  const expansionLimit = settings.int('expansion_limit', 0)
  const procedure = type === 'pgsql' ? settings.optional('select_function') : undefined
  const fallback = (): string => (procedure === undefined ? legacyQuery(settings) : `SELECT ${procedure}('%s')`)
  const asWritten = settings.optional('query') ?? fallback()
  const queryText = charset === undefined ? asWritten : charset.read(asWritten)
  if (queryText === undefined) throw new TableOpenError(`${name}: the query is not text of the table's character set`)
  const context: TemplateContext = templateContext(type, name)
  const query = parseTemplate(context, queryText, 'query')
  const result = parseTemplate(context, format, 'result')
  const doubleQuotes = queryExpansions(queryText).some(({ inside }) => inside === '"')
  return { type, name, queryText, query, result, expansionLimit, doubleQuotes }
}

/** The lookup's answer from the values of a query, in their order. */
export function answerFrom(templates: SqlTemplates, key: string, values: Iterable<string | null>, warning: string): Lookup {
  const { result, expansionLimit, name } = templates
  function* results(): Generator<string | undefined> {
    for (const value of values) yield expandTemplate(result, key, value)
  }
  const joined = joinResults(results(), expansionLimit)
  if (joined === undefined) {
    log.warning(warning)
    return failed(`${name}: expansion limit exceeded`)
  }
  return joined === '' ? ABSENT : found(joined)
}

/** What differs between the types with servers. */
export type SqlServerTable = {
  readonly templates: SqlTemplates
  readonly dialect: QuoteStyle['dialect']
  readonly servers: Servers<SqlConnection>
  readonly charset: Charset | undefined
  /** The values of an answer, or why it is none; `host` is its name. */
  readonly valuesOf: (answer: SqlAnswer, host: string) => (string | null)[] | { readonly refusal: string }
  /** The line for a query that failed. */
  readonly failure: (host: string, reason: string) => string
}

/** Asks one server. */
async function attempt(table: SqlServerTable, connection: SqlConnection, host: string, key: string): Promise<Attempt<(string | null)[]>> {
  const { templates, dialect } = table
  const style: QuoteStyle = { dialect, escapes: connection.escapes, doubleQuotes: templates.doubleQuotes }
  const text = expandTemplate(templates.query, key, undefined, (part) => quoteSql(part, style))
  if (text === undefined) return { kind: 'done', value: [] }
  try {
    if (log.verbose) log.debug(`${templates.type}:${templates.name}: host ${host}: ${text}`)
    const values = table.valuesOf(await connection.query(text), host)
    if (Array.isArray(values)) return { kind: 'done', value: values }
    log.warning(values.refusal)
    return { kind: 'refused' }
  } catch (error) {
    log.warning(table.failure(host, errnoText(error)))
    return { kind: error instanceof SqlRefusal ? 'refused' : 'lost' }
  }
}

/** The values in the character set of the table; `undefined`: it lacks one of their characters. */
function written(values: readonly (string | null)[], charset: Charset | undefined): (string | null)[] | undefined {
  if (charset === undefined) return [...values]
  const all: (string | null)[] = []
  for (const value of values) {
    const text = value === null ? null : charset.write(value)
    if (text === undefined) return undefined
    all.push(text)
  }
  return all
}

/** Looks a key up on the servers. Never rejects. */
export async function lookupOnServers(table: SqlServerTable, key: string): Promise<Lookup> {
  const { templates, servers, charset } = table
  const { type, name } = templates
  const asked = charset === undefined ? key : charset.read(key)
  if (asked === undefined) {
    log.warning(`${type}:${name}: cannot escape input string: invalid multibyte character`)
    return failed(`${type}:${name}: the key is not text of its character set`)
  }
  // Without what the templates want there is nothing to connect for.
  if (expandTemplate(templates.query, asked) === undefined) return ABSENT
  const answer = await servers.run((connection, host) => attempt(table, connection, host, asked))
  if (answer === undefined) return failed(`${type}:${name}: no server has answered`)
  const values = written(answer, charset)
  if (values === undefined) {
    log.warning(`${type}:${name}: a result has no equivalent in its character set`)
    return failed(`${type}:${name}: a result has no equivalent in its character set`)
  }
  return answerFrom(templates, key, values, `dict_${type}_lookup: ${name}: Expansion limit exceeded for key: '${key}'`)
}

/** `idle_interval` and `retry_interval`, in milliseconds. @throws {TableOpenError} */
export function intervals(settings: Settings): { readonly idleMs: number; readonly retryMs: number } {
  const [retry, idle] = [settings.int('retry_interval', 60, { min: 1 }), settings.int('idle_interval', 60, { min: 1 })]
  return { idleMs: idle * 1000, retryMs: retry * 1000 }
}
