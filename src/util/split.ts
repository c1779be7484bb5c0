/**
 * Words of a configuration value: at separators, or at separators outside braces.
 *
 * Source: postconf(5), "{ name = value }" in lists.
 */

/** Comma and white space: what separates the items of most lists in main.cf. */
export const COMMA_SPACE = ', \t\r\n'

/** The non-empty words of `text` between any of the characters in `separators`. */
export function splitAtChars(text: string, separators = COMMA_SPACE): string[] {
  const words: string[] = []
  let start = -1
  for (let i = 0; i <= text.length; i++) {
    const ends = i === text.length || separators.includes(text.charAt(i))
    if (ends && start >= 0) words.push(text.slice(start, i))
    if (ends) start = -1
    else if (start < 0) start = i
  }
  return words
}

/**
 * Like `splitAtChars()`, but separators inside `{ }` do not count. The braces
 * stay part of the word. A closing brace too many counts as plain text, and an
 * opening one too many runs to the end of the text.
 */
export function splitOutsideBraces(text: string, separators = COMMA_SPACE): string[] {
  const words: string[] = []
  let start = -1
  let level = 0
  for (let i = 0; i <= text.length; i++) {
    const c = text.charAt(i)
    const ends = i === text.length || (level === 0 && separators.includes(c))
    if (ends && start >= 0) words.push(text.slice(start, i))
    if (ends) {
      start = -1
      continue
    }
    if (start < 0) start = i
    if (c === '{') level++
    else if (c === '}' && level > 0) level--
  }
  return words
}

/** Where the `{` at `start` of `text` is closed: the index of its `}`, or `undefined` without one. */
export function balancedBraces(text: string, start = 0): number | undefined {
  let level = 0
  for (let i = start; i < text.length; i++) {
    const c = text.charAt(i)
    if (c === '{') level++
    else if (c === '}' && --level === 0) return i
  }
  return undefined
}

/** What a `{ … }` item holds, trimmed, or why it is malformed. */
export type BraceText =
  | { readonly kind: 'ok'; readonly text: string }
  | { readonly kind: 'error'; readonly reason: string }

/** Strips the outer braces of `item`, which starts with `{`. */
export function stripBraces(item: string): BraceText {
  const end = balancedBraces(item)
  if (end === undefined) return { kind: 'error', reason: `missing '}' in "${item}"` }
  if (item.slice(end + 1).trim() !== '') return { kind: 'error', reason: `syntax error after '}' in "${item}"` }
  return { kind: 'ok', text: item.slice(1, end).trim() }
}
