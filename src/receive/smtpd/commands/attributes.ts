/**
 * Attributes of XCLIENT and XFORWARD: `NAME=value`, the value in xtext.
 *
 * Source: XCLIENT_README, XFORWARD_README.
 */
import { isIP } from 'node:net'
import { decodeXtext } from '#mail/xtext.ts'
import { canonicalAddress, isValidHostname } from '#network/dns/hostname.ts'
import { presentAddress } from '#receive/smtpd/network-of.ts'
import type { CommandToken } from '#receive/smtpd/tokens.ts'
import { asciiUpper } from '#util/ascii.ts'
import { printable } from '#util/printable.ts'

/** Longest decoded value, in characters. */
const VALUE_CHARACTERS_MAX = 255

/** A value that the upstream has none for, for good or for now. */
export type AttributeValue =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'unavailable' | 'tempUnavailable' }

export type Attribute = { readonly name: string; readonly value: AttributeValue; readonly text: string }

/** The attributes of a command line, or the reply to a malformed one. */
export function readAttribute(word: CommandToken): Attribute | string {
  const equals = word.text.indexOf('=')
  if (equals < 1 || equals === word.text.length - 1) return '501 5.5.4 Error: attribute=value expected'
  const raw = word.text.slice(equals + 1)
  const decoded = decodeXtext(raw)
  if (decoded === undefined) return '501 5.5.4 Error: malformed attribute value encoding'
  if (decoded.length > VALUE_CHARACTERS_MAX) return '501 5.5.4 Error: attribute value too long'
  const text = printable(decoded)
  return { name: asciiUpper(word.text.slice(0, equals)), value: valueOf(text), text }
}

function valueOf(text: string): AttributeValue {
  const word = asciiUpper(text)
  if (word === '[UNAVAILABLE]') return { kind: 'unavailable' }
  if (word === '[TEMPUNAVAIL]') return { kind: 'tempUnavailable' }
  return { kind: 'text', text }
}

/** An address as attributes hold it, IPv6 with a prefix; `undefined` when it is none. */
export function attributeAddress(text: string): string | undefined {
  const plain = /^ipv6:/i.test(text) ? text.slice(5) : text
  const family = isIP(plain)
  if (family === 0 || (plain !== text && family === 4)) return undefined
  return presentAddress(canonicalAddress(plain))
}

/** RFC 5321 §4.1.3 form of an address. */
export function rfcAddressOf(address: string): string {
  return address.includes(':') ? `IPv6:${address}` : address
}

/** Whether `text` can be a host name. */
export function isHostname(text: string): boolean {
  return isValidHostname(text)
}

/** Whether `text` has the form of a port number. */
export function isPort(text: string): boolean {
  return /^[0-9]{1,5}$/.test(text)
}
