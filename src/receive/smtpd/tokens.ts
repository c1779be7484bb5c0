/**
 * The words of a command line.
 *
 * Blanks separate words; `<…>` and `"…"` protect them. A colon ends a word only
 * in `to:` and `from:`, so that `MAIL FROM:<a>` and `MAIL FROM: <a>` are equal.
 *
 * Source: RFC 5321 §4.1.1; RFC 5321 §4.1.2 (quoted strings).
 */
import { equalsIgnoreCase } from '#util/ascii.ts'

/** A word as it was written. `broken`: a quote or a bracket is not closed. */
export type CommandToken = { readonly text: string; readonly broken: boolean }

/** Deepest nesting of brackets; deeper ones count as broken, so that no input costs stack. */
const NESTING_MAX = 32

function isBlank(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13)
}

/** The words of `line`; empty for a blank line. */
export function commandTokens(line: string): CommandToken[] {
  const tokens: CommandToken[] = []
  for (let at = 0; ;) {
    while (at < line.length && isBlank(line.charCodeAt(at))) at++
    if (at === line.length) return tokens
    const { end, broken } = scanToken(line, at)
    tokens.push({ text: line.slice(at, end), broken })
    at = end
  }
}

function scanToken(line: string, start: number): { readonly end: number; readonly broken: boolean } {
  for (let at = start; at < line.length;) {
    const c = line.charAt(at)
    if (isBlank(line.charCodeAt(at))) return { end: at, broken: false }
    at++
    if (c === '<' || c === '"') {
      const end = skipQuoted(line, at, c)
      if (end < 0) return { end: line.length, broken: true }
      at = end
    } else if (c === ':' && isAddressKeyword(line.slice(start, at))) {
      return { end: at, broken: false }
    }
  }
  return { end: line.length, broken: false }
}

function isAddressKeyword(word: string): boolean {
  return word.length <= 5 && (equalsIgnoreCase(word, 'to:') || equalsIgnoreCase(word, 'from:'))
}

/** Where the text opened by `opener` is closed; -1 when it is not. */
function skipQuoted(line: string, start: number, opener: '<' | '"'): number {
  const stack: string[] = [opener]
  for (let at = start; at < line.length; at++) {
    const c = line.charAt(at)
    if (c === '\\') at++
    else if (c === '"' && stack.at(-1) !== '"') stack.push(c)
    else if (c === '<' && stack.at(-1) === '<') stack.push(c)
    else if ((c === '>' && stack.at(-1) === '<') || c === '"') stack.pop()
    if (stack.length === 0) return at + 1
    if (stack.length > NESTING_MAX) return -1
  }
  return -1
}
