/**
 * The syntax of one rule of a regexp or pcre table.
 *
 * `/expression/options result`, with `!` before it for "does not match"; regexp
 * rules may have a second expression that must not match: `/a/!/b/ result`.
 * `if /expression/` ... `endif` around rules.
 *
 * Source: regexp_table(5), pcre_table(5).
 */

/** An expression as written. */
export type PatternText = {
  readonly negated: boolean
  readonly expression: string
  /** Option letters; each may stand several times, since each toggles. */
  readonly options: string
}

/** What a line says; `problem` is what to report. */
export type RuleText =
  | { readonly kind: 'rule'; readonly patterns: readonly PatternText[]; readonly result: string }
  | { readonly kind: 'if'; readonly pattern: PatternText; readonly extra: string }
  | { readonly kind: 'endif'; readonly extra: string }
  | { readonly kind: 'problem'; readonly problem: string }

/** What differs between the types. */
export type RuleDialect = {
  readonly options: string
  /** `/a/!/b/` is allowed. */
  readonly second: boolean
  /** How the report of a missing delimiter ends. */
  readonly skipping: string
}

type Cursor = { readonly text: string; at: number }

/** Reads `!`s, the delimiter, the expression and the options; a string is the problem. */
function readPattern(cursor: Cursor, dialect: RuleDialect): PatternText | string {
  const { text } = cursor
  let negated = false
  for (; /[!\s]/.test(text.charAt(cursor.at)); cursor.at++) {
    if (text.charAt(cursor.at) === '!') negated = !negated
  }
  if (cursor.at >= text.length) return 'no regexp: skipping this rule'
  const delimiter = text.charAt(cursor.at)
  const start = cursor.at + 1
  let end = start
  while (end < text.length && text.charAt(end) !== delimiter) end += text.charAt(end) === '\\' ? 2 : 1
  if (end >= text.length) return `no closing regexp delimiter "${delimiter}": ${dialect.skipping} this rule`
  let at = end + 1
  while (at < text.length && !/\s/.test(text.charAt(at)) && !(dialect.second && text.charAt(at) === '!')) {
    const option = text.charAt(at)
    if (!dialect.options.includes(option)) return `unknown regexp option "${option}": skipping this rule`
    at++
  }
  cursor.at = at
  return { negated, expression: text.slice(start, end), options: text.slice(end + 1, at) }
}

function parseIf(text: string, dialect: RuleDialect): RuleText {
  const cursor = { text, at: 2 }
  const pattern = readPattern(cursor, dialect)
  if (typeof pattern === 'string') return { kind: 'problem', problem: pattern }
  return { kind: 'if', pattern, extra: text.slice(cursor.at).trim() }
}

/** Reads one line. */
export function parseRule(line: string, dialect: RuleDialect): RuleText {
  const text = line.trimEnd()
  if (/^endif(?![a-z\d])/i.test(text)) return { kind: 'endif', extra: text.slice(5).trim() }
  if (/^if(?![a-z\d])/i.test(text)) return parseIf(text, dialect)
  if (/^[a-z\d]/i.test(text)) return { kind: 'problem', problem: 'ignoring unrecognized request' }
  const cursor = { text, at: 0 }
  const patterns: PatternText[] = []
  do {
    const pattern = readPattern(cursor, dialect)
    if (typeof pattern === 'string') return { kind: 'problem', problem: pattern }
    patterns.push(pattern)
  } while (dialect.second && patterns.length < 2 && text.charAt(cursor.at) === '!')
  return { kind: 'rule', patterns, result: text.slice(cursor.at).trim() }
}

/** The options that are on: `defaults`, each toggled by every occurrence in `letters`. */
export function toggledOptions(defaults: string, letters: string): ReadonlySet<string> {
  const on = new Set(defaults)
  for (const letter of letters) {
    if (!on.delete(letter)) on.add(letter)
  }
  return on
}
