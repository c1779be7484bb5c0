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
/** Shorter names are always written in the Q encoding. */
const BASE64_BYTES_MIN = 20
const BLANK = 32

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
  // eslint-disable-next-line no-control-regex
  const name = fullName.replaceAll(/[\u0000-\u0020\u007f]+/g, ' ').trim()
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
  return SPECIALS_REGEXP.test(name) ? `"${name.replaceAll(/["\\]/g, String.raw`\$&`)}"` : name
}

/** Parentheses in a comment have to be balanced: one that closes nothing goes, one that is not closed is. */
function commentText(name: string, charset: string): string {
  if (!isAscii(name)) return encodedWords(name, charset)
  let level = 0
  let out = ''
  for (let i = 0; i < name.length; i++) {
    const c = name.charAt(i)
    if (c === '\\') {
      // What it escapes does not count; at the end it escapes nothing.
      if (i + 1 < name.length) out += c + name.charAt(++i)
      continue
    }
    if (c === ')' && level === 0) continue
    if (c === '(') level++
    if (c === ')') level--
    out += c
  }
  return out + ')'.repeat(level)
}

/** RFC 2047 §4: base64 where much has to be encoded, otherwise Q, which people can read. Each word has a line. */
function encodedWords(text: string, charset: string): string {
  const bytes = encodeRaw(text)
  const special = bytes.filter((byte) => !isPlain(byte)).length
  const base64 = bytes.length >= BASE64_BYTES_MIN && special >= Math.trunc(bytes.length / 2)
  const start = `=?${charset}?${base64 ? 'B' : 'Q'}?`
  const room = ENCODED_WORD_LENGTH_MAX - start.length - 2
  const words = base64 ? base64Words(bytes, room) : quotedWords(bytes, room)
  return words.map((word) => `${start}${word}?=`).join('\n')
}

function base64Words(bytes: Uint8Array, room: number): string[] {
  const size = Math.trunc(room / 4) * 3
  const words: string[] = []
  for (let at = 0; at < bytes.length; at += size) words.push(Buffer.from(bytes.subarray(at, at + size)).toString('base64'))
  return words
}

/** Postfix cuts between any two bytes, also of one character; so that both write the same, so does this. */
function quotedWords(bytes: Uint8Array, room: number): string[] {
  const words: string[] = []
  let word = ''
  for (const byte of bytes) {
    const encoded = quotedByte(byte)
    if (word.length + encoded.length > room) {
      words.push(word)
      word = ''
    }
    word += encoded
  }
  return [...words, word]
}

/** RFC 2047 §5 (3): what may stand for itself in a phrase. */
function isPlain(byte: number): boolean {
  return /[A-Za-z0-9!*+/-]/.test(String.fromCharCode(byte))
}

function quotedByte(byte: number): string {
  if (byte === BLANK) return '_'
  return isPlain(byte) ? String.fromCharCode(byte) : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
