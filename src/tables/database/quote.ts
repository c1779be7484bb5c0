/**
 * Making keys safe to stand inside the quotes of an SQL query, and finding those that stand outside.
 *
 * Source: PostgreSQL, "String Constants"; MySQL, "String Literals"; SQLite, "Literal Values"; sqlite_table(5), query.
 *
 * @module
 */
import type { SqlEscapes } from '#network/database/connection.ts'

/** How a query is written, as far as quoting needs to know. */
export type QuoteStyle = {
  /** What MySQL does with a backslash, or what PostgreSQL and SQLite do. */
  readonly dialect: 'mysql' | 'standard'
  readonly escapes: SqlEscapes
  /** Expansions stand between `"` too: then these are doubled as well. */
  readonly doubleQuotes: boolean
}

/** What MySQL's own escaping changes besides quotes and backslashes. */
const MYSQL_ESCAPES: Readonly<Record<string, string>> = { '\0': '\\0', '\n': '\\n', '\r': '\\r' }
const CONTROL_Z = '\u001a'

function escapeForMysql(text: string): string {
  return text.replaceAll(/[\0\n\r\\'"]/g, (c) => MYSQL_ESCAPES[c] ?? `\\${c}`).replaceAll(CONTROL_Z, String.raw`\Z`)
}

/** `text`, for a place between quotes. */
export function quoteSql(text: string, { dialect, escapes, doubleQuotes }: QuoteStyle): string {
  if (dialect === 'mysql' && escapes === 'backslash') return escapeForMysql(text)
  const single = text.replaceAll("'", "''")
  const both = doubleQuotes ? single.replaceAll('"', '""') : single
  return escapes === 'backslash' ? both.replaceAll('\\', '\\\\') : both
}

/** One expansion of a query, `%s`, and the quotes around it. */
export type QueryExpansion = { readonly text: string; readonly inside: "'" | '"' | '' }

/** The expansions of a query template, in order. A backslash means nothing, as in standard SQL. */
export function queryExpansions(query: string): QueryExpansion[] {
  const expansions: QueryExpansion[] = []
  let inside: QueryExpansion['inside'] = ''
  for (const [text] of query.matchAll(/%[^]|['"]/gu)) {
    if (text === "'" || text === '"') {
      if (inside === '') inside = text
      else if (inside === text) inside = ''
    } else if (text !== '%%') expansions.push({ text, inside })
  }
  return expansions
}
