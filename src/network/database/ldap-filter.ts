/**
 * Search filters of LDAP: text to bytes, as OpenLDAP's library reads them.
 *
 * More is allowed than the standard says: white space between the parts, and a single comparison without its
 * parentheses. What is escaped by `\XX` is never taken for a part of the filter.
 *
 * Source: RFC 4515; RFC 4511 §4.5.1.7.
 */
import { encodeRaw } from '#util/raw-text.ts'
import { BER, element } from './ber.ts'

/** A filter that cannot be understood. */
export class FilterError extends Error {
  override readonly name = 'FilterError'
}

/** Filters inside filters, at most. */
const DEPTH_MAX = 100

// RFC 4511 §4.5.1: tags of the choices of Filter.
const TAG = {
  and: 0xa0, or: 0xa1, not: 0xa2, equal: 0xa3, substrings: 0xa4, atLeast: 0xa5, atMost: 0xa6, present: 0x87, approximate: 0xa8, extensible: 0xa9,
} as const

const DESCRIPTION_REGEXP = /^(?:[a-z][a-z0-9-]*|\d+(?:\.\d+)*)(?:;[a-z0-9-]+)*$/i
const SPACE_REGEXP = /[ \t\n]/

/** Text with `\XX` for bytes, to bytes. RFC 4515 §3; the old `\*` is known too. */
function unescape(text: string): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [whole, hex, old] of text.matchAll(/\\([\da-f]{2})|\\([()*\\])|[^\\]+|\\/gi)) {
    if (whole === '\\') throw new FilterError('Bad search filter')
    parts.push(hex === undefined ? encodeRaw(old ?? whole) : Uint8Array.of(Number.parseInt(hex, 16)))
  }
  return Buffer.concat(parts)
}

function octets(bytes: Uint8Array | string, tag: number = BER.octets): Uint8Array {
  return element(tag, typeof bytes === 'string' ? encodeRaw(bytes) : bytes)
}

/** Value parts between the stars that are no escaped ones. */
function splitAtStars(value: string): string[] {
  const parts = ['']
  for (const [token] of value.matchAll(/\\[^]|[^]/g)) {
    if (token === '*') parts.push('')
    else parts[parts.length - 1] += token
  }
  return parts
}

function described(attribute: string): Uint8Array {
  if (!DESCRIPTION_REGEXP.test(attribute)) throw new FilterError('Bad search filter')
  return octets(attribute)
}

/** `attribute=value`, with or without stars. */
function equality(attribute: string, value: string): Uint8Array {
  const type = described(attribute)
  if (value === '*') return octets(attribute, TAG.present)
  const [initial = '', ...rest] = splitAtStars(value)
  const final = rest.pop()
  if (final === undefined) return element(TAG.equal, type, octets(unescape(initial)))
  const parts = [
    ...(initial === '' ? [] : [octets(unescape(initial), 0x80)]),
    ...rest.filter((part) => part !== '').map((part) => octets(unescape(part), 0x81)),
    ...(final === '' ? [] : [octets(unescape(final), 0x82)]),
  ]
  if (parts.length === 0) throw new FilterError('Bad search filter')
  return element(TAG.substrings, type, element(BER.sequence, ...parts))
}

/** `attribute:dn:rule:=value`; attribute, `dn` and rule may be missing, not all. */
function extensible(left: string, value: string): Uint8Array {
  const [attribute = '', ...words] = left.split(':')
  const dn = words[0]?.toLowerCase() === 'dn'
  const [rule, ...more] = dn ? words.slice(1) : words
  if (more.length > 0 || (attribute === '' && (rule ?? '') === '')) throw new FilterError('Bad search filter')
  const named = rule === undefined || rule === '' ? [] : [described(rule) && octets(rule, 0x81)]
  const typed = attribute === '' ? [] : [described(attribute) && octets(attribute, 0x82)]
  return element(TAG.extensible, ...named, ...typed, octets(unescape(value), 0x83), ...(dn ? [octets(Uint8Array.of(0xff), 0x84)] : []))
}

/** One comparison, without its parentheses. */
function comparison(text: string): Uint8Array {
  const at = text.indexOf('=')
  if (at < 0) throw new FilterError('Bad search filter')
  const value = text.slice(at + 1)
  const left = text.slice(0, at - 1)
  const kind = at === 0 ? '' : text.charAt(at - 1)
  if (kind === ':') return extensible(left, value)
  const ordering = { '<': TAG.atMost, '>': TAG.atLeast, '~': TAG.approximate }[kind]
  if (ordering === undefined) return equality(text.slice(0, at), value)
  return element(ordering, described(left), octets(unescape(value)))
}

/** Reads a filter from left to right. */
class FilterReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): Uint8Array {
    this.#skipSpace()
    const bytes = this.#peek() === '(' ? this.#parenthesized(0) : comparison(this.#text.slice(this.#at))
    if (this.#text.startsWith('(', this.#at)) throw new FilterError('Bad search filter')
    return bytes
  }

  #peek(): string {
    return this.#text.charAt(this.#at)
  }

  #skipSpace(): void {
    while (SPACE_REGEXP.test(this.#peek())) this.#at++
  }

  #parenthesized(depth: number): Uint8Array {
    if (this.#peek() !== '(' || depth > DEPTH_MAX) throw new FilterError('Bad search filter')
    this.#at++
    this.#skipSpace()
    const operator = this.#peek()
    if (operator !== '&' && operator !== '|' && operator !== '!') return this.#comparison()
    this.#at++
    const members: Uint8Array[] = []
    for (this.#skipSpace(); this.#peek() === '('; this.#skipSpace()) members.push(this.#parenthesized(depth + 1))
    if (this.#peek() !== ')' || (operator === '!' && members.length !== 1)) throw new FilterError('Bad search filter')
    this.#at++
    return element(operator === '&' ? TAG.and : operator === '|' ? TAG.or : TAG.not, ...members)
  }

  /** Up to the parenthesis that closes it; an escaped one does not, nor one that was opened in the value. */
  #comparison(): Uint8Array {
    const start = this.#at
    for (let balance = 1; balance > 0; this.#at++) {
      const c = this.#peek()
      if (c === '') throw new FilterError('Bad search filter')
      if (c === '\\') this.#at++
      else if (c === '(') balance++
      else if (c === ')') balance--
    }
    return comparison(this.#text.slice(start, this.#at - 1))
  }
}

/**
 * The bytes of a filter.
 *
 * @param text `(&(mail=%s)(active=1))` with its keys filled in, or a single `mail=...`.
 * @throws {FilterError}
 */
export function encodeFilter(text: string): Uint8Array {
  return new FilterReader(text).whole()
}
