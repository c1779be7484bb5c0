/**
 * Fuzz target: the settings of database tables, their templates, and what keys do in queries. The first line is a key, all
 * others are the file of a table, an option file of MySQL, and items of `hosts`.
 */
import { pgTarget } from '#network/database/pgsql-target.ts'
import { queryExpansions, quoteSql, type QuoteStyle } from '#tables/database/quote.ts'
import { parseOptionFile } from '#tables/database/mysql-options.ts'
import { parseSettings, type Settings } from '#tables/database/settings.ts'
import { expandTemplate, joinResults, parseTemplate, templateContext } from '#tables/database/template.ts'
import { TableOpenError } from '#tables/table.ts'
import { openCharset } from '#util/charset.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { setLog } from '#system/log.ts'
import { silentLog } from '#test/support/silent-log.ts'

setLog(silentLog)

const STYLES: readonly QuoteStyle[] = [
  { dialect: 'mysql', escapes: 'backslash', doubleQuotes: false }, { dialect: 'standard', escapes: 'quotes', doubleQuotes: true },
  { dialect: 'standard', escapes: 'backslash', doubleQuotes: false },
]
const LOGIN = { user: 'u', password: 'p', database: 'd', environment: {} }

/** Whether text stays inside the quotes around it. */
function staysInside(text: string, { escapes }: QuoteStyle): boolean {
  const rest = text.replaceAll(escapes === 'backslash' ? /\\[^]|''/g : /''/g, '')
  return !rest.includes("'") && !(escapes === 'backslash' && rest.includes('\\'))
}

/** Runs a reader; what it may throw is no fault. */
function trying<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof TableOpenError || error instanceof RangeError) return undefined
    throw error
  }
}

function expand(settings: Settings, key: string): void {
  const context = templateContext('pgsql', 'x')
  const text = settings.str('query', '%s')
  queryExpansions(text)
  const query = parseTemplate(context, text, 'query')
  const result = parseTemplate(context, settings.str('result_format', '%s'), 'result')
  for (const style of STYLES) {
    expandTemplate(query, key, undefined, (part) => {
      const quoted = quoteSql(part, style)
      if (!staysInside(quoted, style)) throw new Error(`leaves its quotes: ${quoted}`)
      return quoted
    })
  }
  joinResults([expandTemplate(result, key, key), expandTemplate(result, key, null)], settings.int('expansion_limit', 0))
  settings.bool('require_result_set', true)
}

/** Reads settings and expands their templates with the key. */
export function target(bytes: Uint8Array): void {
  const [key = '', ...lines] = decodeRaw(bytes).split('\n')
  const text = lines.join('\n')
  const settings = trying(() => parseSettings(text, '/x.cf'))
  if (settings !== undefined) trying(() => expand(settings, key))
  for (const line of parseOptionFile(text)) if (line.kind === 'option' && line.name.includes('_')) throw new Error('a name with _')
  for (const word of [key, ...text.split(/\s+/)]) trying(() => pgTarget(word, LOGIN))
  for (const label of ['latin1', 'gbk', 'shift_jis']) {
    const charset = openCharset(label)
    const characters = charset?.read(key)
    if (characters !== undefined && characters.replaceAll(/[^']/gu, '') !== key.replaceAll(/[^']/gu, '')) throw new Error('a quote is lost or found')
  }
}
