/**
 * Tokens of addresses: text to tokens and back, in external and internal form.
 *
 * Besides the special characters of RFC 5322, `|`, `%` and `!` are operators:
 * alias files and routed addresses need them. Nothing is thrown away, so that
 * even what makes no sense can be written back. 8-bit characters are ordinary.
 *
 * Source: RFC 5322 §3.2 (lexical tokens), §4.4 (obsolete routes).
 */
import { externalAddress } from './address.ts'

/** One token. `comment` keeps its parentheses and escapes; the other texts are without quotes or brackets. */
export type Token =
  | { readonly kind: 'atom' | 'quoted' | 'literal' | 'comment'; readonly text: string }
  | { readonly kind: 'operator'; readonly text: string }

/** How tokens are put together: `spaced` keeps a blank between two words that stand side by side. */
export type Spacing = 'spaced' | 'joined'

const OPERATORS = '|%!()<>@,;:\\".[]'
const WHITE_SPACE = ' \t\r\n'

const isWhite = (c: string): boolean => WHITE_SPACE.includes(c)
const isOperator = (c: string): boolean => OPERATORS.includes(c)

/** Whether a token is the operator `text`. */
export function isOperatorToken(token: Token | undefined, text: string): boolean {
  return token !== undefined && token.kind === 'operator' && token.text === text
}

/** Position after a scanned piece of text, and its content. */
type Scan = { readonly text: string; readonly end: number }

/**
 * Cuts external form into tokens, from left to right.
 *
 * @param limit Number of tokens after which the rest is left out; 0 for no limit.
 */
export function scanTokens(text: string, limit = 0): Token[] {
  const tokens: Token[] = []
  for (let i = 0; i < text.length; ) {
    if (isWhite(text.charAt(i))) {
      i++
      continue
    }
    const { token, end } = scanToken(text, i)
    tokens.push(token)
    i = end
    if (limit > 0 && tokens.length >= limit) break
  }
  return tokens
}

function scanToken(text: string, start: number): { readonly token: Token; readonly end: number } {
  const c = text.charAt(start)
  if (c === '(') {
    const { text: comment, end } = scanComment(text, start)
    return { token: { kind: 'comment', text: comment }, end }
  }
  if (c === '[' || c === '"') {
    const close = c === '[' ? ']' : '"'
    const { text: content, end } = collect(text, start + 1, (d) => d === close)
    return { token: { kind: c === '[' ? 'literal' : 'quoted', text: content }, end: Math.min(end + 1, text.length) }
  }
  if (c !== '\\' && isOperator(c)) return { token: { kind: 'operator', text: c }, end: start + 1 }
  const { text: word, end } = collect(text, start, (d) => isWhite(d) || isOperator(d))
  return { token: { kind: needsQuotes(word) ? 'quoted' : 'atom', text: word }, end }
}

/** Text up to a character for which `stops` holds; a backslash takes away the meaning of the next character. */
function collect(text: string, start: number, stops: (c: string) => boolean): Scan {
  let out = ''
  let i = start
  for (; i < text.length; i++) {
    let c = text.charAt(i)
    if (c === '\\') {
      if (++i === text.length) break
      c = text.charAt(i)
    } else if (stops(c)) {
      break
    }
    out += isWhite(c) ? ' ' : c
  }
  return { text: out, end: i }
}

/** Comments nest; they are kept as written, since only escapes tell their parentheses apart. */
function scanComment(text: string, start: number): Scan {
  let level = 0
  let i = start
  while (i < text.length) {
    const c = text.charAt(i++)
    if (c === '(') level++
    else if (c === ')' && --level === 0) break
    else if (c === '\\' && i < text.length) i++
  }
  return { text: text.slice(start, i), end: i }
}

/** Whether a word that came without quotes has to have them when written: it had escaped characters. */
function needsQuotes(word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    const code = word.charCodeAt(i)
    if (code <= 32 || code === 127 || isOperator(word.charAt(i))) return true
  }
  return false
}

const escape = (text: string, regexp: RegExp): string => text.replaceAll(regexp, String.raw`\$&`)

/** One token in external form. */
export function externalToken(token: Token): string {
  if (token.kind === 'quoted') return `"${escape(token.text, /["\\\r\n]/g)}"`
  if (token.kind === 'literal') return `[${escape(token.text, /[\\\r\n]/g)}]`
  return token.text
}

/** One token in internal form: without quotes. */
export function internalToken(token: Token): string {
  return token.kind === 'literal' ? `[${token.text}]` : token.text
}

function joinTokens(tokens: readonly Token[], spacing: Spacing, write: (token: Token) => string): string {
  let out = ''
  tokens.forEach((token, i) => {
    out += write(token)
    const next = tokens[i + 1]
    if (spacing === 'spaced' && next !== undefined && blankBetween(token, next)) out += ' '
  })
  return out
}

function blankBetween(token: Token, next: Token): boolean {
  if (isOperatorToken(token, ',') || isOperatorToken(next, '<')) return true
  return token.kind !== 'operator' && next.kind !== 'operator'
}

/** Tokens in external form, each one by itself: quoted words stay quoted, others stay bare. */
export function externalTokens(tokens: readonly Token[], spacing: Spacing): string {
  return joinTokens(tokens, spacing, externalToken)
}

/** Tokens in internal form. */
export function internalTokens(tokens: readonly Token[], spacing: Spacing): string {
  return joinTokens(tokens, spacing, internalToken)
}

/** The tokens of one address in external form, with the local part quoted as a whole where it has to be. */
export function externalAddressOf(tokens: readonly Token[], spacing: Spacing): string {
  const internal = internalTokens(tokens, spacing)
  // An address of nothing but quotes is the null address, which must not vanish from a header.
  return internal === '' ? '""' : externalAddress(internal)
}
