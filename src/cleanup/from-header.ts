/**
 * The From header of mail that has none: the envelope sender with its full name.
 *
 * Source: RFC 5322 §3.4 (phrase, comment), RFC 2047 §5 (encoded words in both); postconf(5)
 * header_from_format, full_name_encoding_charset.
 *
 * @module
 */
import { encodeRaw } from '#util/raw-text.ts'
import { isAscii } from '#util/ascii.ts'
import type { HeaderFromFormat } from './settings.ts'

/** A phrase with one of these is written as a quoted string. */
const SPECIALS_REGEXP = /[%!()<>@,;:\\".[\]]/
/** Columns after which the address goes to the next line. */
const FOLD_WIDTH = 70
/** RFC 2047 §2: an encoded word has at most 75 characters. */
const ENCODED_WORD_LENGTH_MAX = 75

/**
 * The header, with `\n` where it is folded.
 *
 * @param prefix `Resent-`, or nothing.
 * @param address External form.
 * @param fullName May be empty.
 */
export function fromHeader(
  prefix: string,
  address: string,
  fullName: string,
  format: HeaderFromFormat,
  charset: string,
): string {
  const start = `${prefix}From: `
  const name = fullName.replaceAll(/[\r\n]/g, ' ')
  if (name === '') return start + address
  if (format === 'obsolete') return fold(start + address, `(${commentText(name, charset)})`)
  return fold(start + phraseText(name, charset), `<${address}>`)
}

function fold(first: string, second: string): string {
  const lastLine = first.length - first.lastIndexOf('\n') - 1
  return `${first}${lastLine + 1 + second.length > FOLD_WIDTH ? '\n' : ''} ${second}`
}

function phraseText(name: string, charset: string): string {
  if (!isAscii(name)) return encodedWords(name, charset)
  return SPECIALS_REGEXP.test(name) ? `"${name.replaceAll(/["\\]/g, String.raw`\$&`)}"` : name
}

/** Parentheses in a comment have to be balanced. */
function commentText(name: string, charset: string): string {
  if (!isAscii(name)) return encodedWords(name, charset)
  let level = 0
  let out = ''
  for (const c of name) {
    if (c === '(') level++
    if (c === ')' && --level < 0) {
      out = `(${out}`
      level = 0
    }
    out += c
  }
  return out + ')'.repeat(level)
}

/** RFC 2047 §4.2, §5 (3): the Q encoding for phrases. Words are joined by a line end and a blank. */
function encodedWords(text: string, charset: string): string {
  const start = `=?${charset}?Q?`
  const room = ENCODED_WORD_LENGTH_MAX - start.length - 2
  const words: string[] = []
  let word = ''
  for (const c of text) {
    const encoded = encodedCharacter(c)
    if (word.length + encoded.length > room) {
      words.push(word)
      word = ''
    }
    word += encoded
  }
  return [...words, word].map((part) => `${start}${part}?=`).join('\n ')
}

function encodedCharacter(c: string): string {
  if (c === ' ') return '_'
  if (/[A-Za-z0-9!*+/-]/.test(c)) return c
  return Array.from(encodeRaw(c), (byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}
