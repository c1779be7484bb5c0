/**
 * Case folding of keys, the same on build and on lookup.
 *
 * Source: DATABASE_README, "case folding"; SMTPUTF8_README; Unicode 16, 3.13 (default caseless matching).
 */
import type { TableOptions } from './table.ts'

const ASCII_ONLY = /^[\0-\x7f]*$/
const ASCII_UPPER = /[A-Z]+/g

/** Dotless i folds to itself, although its upper case is an ASCII letter. */
const DOTLESS_I = '\u0131'

function foldCodePoint(c: string): string {
  return c === DOTLESS_I ? c : c.toUpperCase().toLowerCase()
}

/**
 * Folds `key`: lower case for ASCII, Unicode case folding otherwise, code point
 * by code point, so that the place in a word (final sigma) makes no difference.
 */
export function foldKey(key: string): string {
  if (ASCII_ONLY.test(key)) return key.toLowerCase()
  return Array.from(key, foldCodePoint).join('')
}

/** Folds the letters A to Z only, as tables do while SMTPUTF8 support is off. */
export function foldAscii(key: string): string {
  if (ASCII_ONLY.test(key)) return key.toLowerCase()
  return key.replaceAll(ASCII_UPPER, (letters) => letters.toLowerCase())
}

/**
 * How texthash and inline tables fold the keys that they are made of: letters A to Z only, although keys to look up are
 * folded whole. So an entry whose key has other capital letters is never found, as in Postfix.
 */
export function entryFolder({ fold = true }: Pick<TableOptions, 'fold'>): (key: string) => string {
  return fold ? foldAscii : (key) => key
}

/** How a table opened with `options` folds its keys. */
export function keyFolder({ fold = true, config }: Pick<TableOptions, 'fold' | 'config'>): (key: string) => string {
  if (!fold) return (key) => key
  return config.bool('smtputf8_enable') ? foldKey : foldAscii
}
