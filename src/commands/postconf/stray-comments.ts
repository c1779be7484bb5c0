/**
 * A `#` within a value: it starts no comment there, though whoever wrote it most likely thought so.
 *
 * Source: postconf(1) of Postfix 3.11, found by trying.
 *
 * @module
 */
import { COMMA_SPACE, stripBraces } from '#util/split.ts'

/** How much is shown of what follows the word with the `#`. */
const SHOWN_MAX = 20

/** Tables whose rules may hold a `#` of their own. */
const PATTERN_TYPES: ReadonlySet<string> = new Set(['pcre', 'regexp'])

/** Texts of warnings about each word of a list that starts with `#`, also within braces and inline tables. */
export function strayComments(value: string): string[] {
  return value.includes('#') ? commentsIn(value, true) : []
}

function commentsIn(text: string, descend: boolean): string[] {
  const warnings: string[] = []
  for (const { word, rest } of wordsOf(text)) {
    // What follows belongs to the comment.
    if (word.startsWith('#')) return [...warnings, `#comment after other text is not allowed: ${word} ${rest.slice(0, SHOWN_MAX)}...`]
    const [, type, list] = /^(?:(?:proxy:|debug:)*([^:{]*):)?(\{.*)$/s.exec(word) ?? []
    if (list === undefined || (type === undefined && !descend)) continue
    warnings.push(...insideBraces(list, !PATTERN_TYPES.has(type ?? '')))
  }
  return warnings
}

function insideBraces(list: string, descend: boolean): string[] {
  const stripped = stripBraces(list)
  const warnings = stripped.kind === 'ok' ? [] : [stripped.reason]
  return [...warnings, ...commentsIn(withoutBraces(list), descend)]
}

/** What stands between the first brace and the one that closes it, or the end. */
function withoutBraces(list: string): string {
  let level = 0
  for (let i = 0; i < list.length; i++) {
    if (list[i] === '{') level++
    else if (list[i] === '}' && --level === 0) return list.slice(1, i)
  }
  return list.slice(1)
}

/** The words between commas and white space outside braces, each with the text after it. */
function* wordsOf(text: string): Generator<{ word: string; rest: string }> {
  let start = -1
  let level = 0
  for (let i = 0; i <= text.length; i++) {
    const c = text.charAt(i)
    const ends = i === text.length || (level === 0 && COMMA_SPACE.includes(c))
    if (ends && start >= 0) yield { word: text.slice(start, i), rest: text.slice(i + 1) }
    if (ends) start = -1
    else if (start < 0) start = i
    if (ends) continue
    if (c === '{') level++
    else if (c === '}' && level > 0) level--
  }
}
