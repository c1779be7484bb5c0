/**
 * Templates of database tables: `query`, `result_format` and their kin, with `%` expansions.
 *
 * `%s` is the whole key, `%u` its local part and `%d` its domain; in the format of a result
 * these are parts of the value, and `%S %U %D` parts of the key. `%1` is the last label of
 * the key's domain (`com`), `%2` the one before it, up to `%9`. `%%` is a percent sign.
 *
 * What a key lacks suppresses the lookup: with `%d` in a template, `user` is not asked for.
 * All templates of a table count: a result format with `%D` suppresses the query too.
 *
 * Diagnostics: warnings about empty keys and empty values, which are skipped.
 * Source: mysql_table(5), query, result_format; likewise in the pages of the other types.
 *
 * @module
 */
import { log } from '#system/log.ts'
import { TableOpenError } from '#tables/table.ts'

/** What a template makes: a query from the key, or a result from a value (and the key). */
export type TemplateKind = 'query' | 'result'

/** What the templates of one table need: filled by `parseTemplate()`. Make one for each table. */
export type TemplateContext = {
  /** `pgsql` */
  readonly type: string
  /** The text after `type:`. */
  readonly name: string
  keyUser: boolean
  keyDomain: boolean
  valueUser: boolean
  valueDomain: boolean
  /** How many labels the key's domain must have. */
  labels: number
}

/** A piece of a template: text as it is, or a part of the key or the value; a number is a label of the key's domain. */
type Piece = string | { readonly of: 'key' | 'value'; readonly part: 'whole' | 'user' | 'domain' | number }

/** A template that was parsed. */
export type Template = {
  readonly kind: TemplateKind
  readonly context: TemplateContext
  readonly pieces: readonly Piece[]
  /** Whether it depends on the key or the value at all. */
  readonly dynamic: boolean
}

/** Makes text safe to stand in a query; it is given each expansion, never the text of the template. */
export type Quote = (text: string) => string

/** A context without templates, for a table `type:name`. */
export function templateContext(type: string, name: string): TemplateContext {
  return { type, name, keyUser: false, keyDomain: false, valueUser: false, valueDomain: false, labels: 0 }
}

const PARTS: Readonly<Record<string, 'whole' | 'user' | 'domain'>> = { s: 'whole', u: 'user', d: 'domain' }

/** The piece for the letter or digit behind a `%`; `undefined` for one that means nothing. */
function pieceFor(letter: string, kind: TemplateKind): Piece | undefined {
  if (letter === '%') return '%'
  if (/^[1-9]$/.test(letter)) return { of: 'key', part: Number(letter) }
  const part = PARTS[letter.toLowerCase()]
  if (part === undefined) return undefined
  return { of: kind === 'result' && letter === letter.toLowerCase() ? 'value' : 'key', part }
}

function noteNeeds(context: TemplateContext, piece: Piece): void {
  if (typeof piece === 'string') return
  const { of, part } = piece
  if (part === 'user') context[of === 'key' ? 'keyUser' : 'valueUser'] = true
  else if (part === 'domain') context[of === 'key' ? 'keyDomain' : 'valueDomain'] = true
  else if (part !== 'whole') {
    context.keyDomain = true
    context.labels = Math.max(context.labels, part)
  }
}

/**
 * Parses a template and adds what it needs to the context of its table. All templates
 * of a table have to be parsed before the first is expanded.
 *
 * @throws {TableOpenError} A `%` with something behind it that means nothing.
 */
export function parseTemplate(context: TemplateContext, format: string, kind: TemplateKind): Template {
  const pieces = format.split(/(%[^]?)/u).flatMap((text): Piece[] => {
    if (!text.startsWith('%')) return text === '' ? [] : [text]
    const piece = pieceFor(text.slice(1), kind)
    if (piece === undefined) throw new TableOpenError(`db_common_parse: ${context.name}: Invalid ${kind} template: ${format}`)
    noteNeeds(context, piece)
    return [piece]
  })
  return { kind, context, pieces, dynamic: pieces.some((piece) => typeof piece !== 'string') }
}

/** An address and where its last `@` is: -1 without one. */
type Parsed = { readonly text: string; readonly at: number }

function parseAddress(text: string): Parsed {
  return { text, at: text.lastIndexOf('@') }
}

function hasDomain({ text, at }: Parsed): boolean {
  return at >= 0 && at < text.length - 1
}

/** Whether the parts that templates want are there: a domain, and a local part in front of an `@`. */
function hasParts(parsed: Parsed, user: boolean, domain: boolean): boolean {
  return (!domain || hasDomain(parsed)) && (!user || parsed.at !== 0)
}

function domainOf({ text, at }: Parsed): string {
  return text.slice(at + 1)
}

/** Labels of the key's domain, the last one first; empty ones do not count. */
function labelsOf(key: Parsed): string[] {
  return domainOf(key).split('.').filter((label) => label !== '').toReversed()
}

function partOf(parsed: Parsed, labels: readonly string[], part: 'whole' | 'user' | 'domain' | number): string {
  if (part === 'whole') return parsed.text
  if (part === 'user') return parsed.at < 0 ? parsed.text : parsed.text.slice(0, parsed.at)
  return part === 'domain' ? domainOf(parsed) : (labels[part - 1] ?? '')
}

/** The value of a result template, if it is one to use. */
function usableValue({ context }: Template, key: string, value: string | null | undefined): Parsed | undefined {
  if (value === null || value === undefined) return undefined
  if (value === '') {
    log.warning(`table "${context.type}:${context.name}": empty lookup result for: "${key}" -- ignored`)
    return undefined
  }
  const parsed = parseAddress(value)
  return hasParts(parsed, context.valueUser, context.valueDomain) ? parsed : undefined
}

/** The key, if the templates of the table can be expanded with it. */
function usableKey({ kind, context }: Template, key: string): Parsed | undefined {
  if (key === '' && kind === 'query') {
    log.warning(`table "${context.type}:${context.name}": empty query string -- ignored`)
    return undefined
  }
  const parsed = parseAddress(key)
  return hasParts(parsed, context.keyUser, context.keyDomain) ? parsed : undefined
}

/**
 * Expands a template.
 *
 * @param key The key that is looked up.
 * @param value For results: what the database has, `null` for its NULL. Queries have none.
 * @param quote Applied to each expansion; default: as it is.
 * @returns `undefined`: key or value lack what the templates of the table need, so there is nothing to ask or no result.
 */
export function expandTemplate(template: Template, key: string, value?: string | null, quote: Quote = (text) => text): string | undefined {
  const values = template.kind === 'result' ? usableValue(template, key, value) : undefined
  if (template.kind === 'result' && values === undefined) return undefined
  const keys = usableKey(template, key)
  if (keys === undefined) return undefined
  const { labels: wanted } = template.context
  const labels = wanted > 0 ? labelsOf(keys) : []
  if (labels.length < wanted) return undefined
  const parts = template.pieces.map((piece) => {
    if (typeof piece === 'string') return piece
    return quote(partOf(piece.of === 'value' ? (values ?? keys) : keys, labels, piece.part))
  })
  return parts.join('')
}

/**
 * Joins the results of a lookup with commas; those that are `undefined` are skipped.
 *
 * @param limit The most results that may be there (expansion_limit); 0: any number.
 * @returns `undefined`: there are more, and the lookup fails. An empty text: there is none.
 */
export function joinResults(results: Iterable<string | undefined>, limit: number): string | undefined {
  const joined: string[] = []
  for (const result of results) {
    if (result === undefined) continue
    if (limit > 0 && joined.length === limit) return undefined
    joined.push(result)
  }
  return joined.join(',')
}
