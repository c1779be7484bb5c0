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
  const name = fullName.replaceAll(/[\r\n]/g, ' ').trim()
  if (name === '') return start + address
  if (format === 'obsolete') return fold(start + address, `(${commentText(name, charset)})`)
  return fold(start + phraseText(name, charset), `<${address}>`)
}

function fold(first: string, second: string): string {
  const lastLine = first.length - first.lastIndexOf('\n') - 1
  return `${first}${lastLine + 1 + second.length > FOLD_WIDTH ? '\n' : ' '}${second}`
}

function phraseText(name: string, charset: string): string {
  if (!isAscii(name)) return encodedWords(name, charset)
  if (SPECIALS_REGEXP.test(name)) return `"${name.replaceAll(/["\\]/g, String.raw`\$&`)}"`
  return name.replaceAll(/\s+/g, ' ')
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

/** RFC 2047 §4.2, §5 (3): the Q encoding for phrases. Each word is on a line of its own. */
function encodedWords(text: string, charset: string): string {
  const start = `=?${charset}?Q?`
  const room = ENCODED_WORD_LENGTH_MAX - start.length - 2
  const words: string[] = []
  let word = ''
  // Postfix cuts between any two bytes, also of one character; so that both write the same, so does this.
  for (const byte of encodeRaw(text)) {
    const encoded = encodedByte(byte)
    if (word.length + encoded.length > room) {
      words.push(word)
      word = ''
    }
    word += encoded
  }
  return [...words, word].map((part) => `${start}${part}?=`).join('\n')
}

function encodedByte(byte: number): string {
  const c = String.fromCharCode(byte)
  if (c === ' ') return '_'
  return /[A-Za-z0-9!*+/-]/.test(c) ? c : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
