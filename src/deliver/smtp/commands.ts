/**
 * The commands of one transaction.
 *
 * Addresses are text as queue/record reads it; `encodeRaw()` gives their bytes.
 *
 * Source: RFC 5321 §4.1.1; RFC 1870 §6, RFC 3461 §4, RFC 4954 §5, RFC 6152 §3, RFC 6531 §3.4, RFC 8689 §2.
 */
import { externalAddress, quoteLocal } from '#mail/address.ts'
import { formatNotify, RET } from '#mail/dsn-parameters.ts'
import { encodeXtext } from '#mail/xtext.ts'
import { isAscii } from '#util/ascii.ts'
import type { Capabilities } from './capabilities.ts'

/** Bits of DeliverRequest.sendOptions. */
export const SEND_OPTION = {
  smtpUtf8Requested: 1, smtpUtf8Header: 2, smtpUtf8Sender: 4, smtpUtf8Recipient: 8, tlsNotRequired: 16, requireTls: 32,
} as const

const SMTPUTF8_BITS = 15

/** What MAIL says about the message. */
export type MailFacts = {
  /** After smtp_generic_maps, internal form. */
  readonly sender: string
  readonly contentLength: number
  /** `7bit`, `8bit` or empty. */
  readonly encoding: string
  readonly envelopeId: string
  readonly retFlags: number
  readonly sendOptions: number
  /** The content will be converted to 7 bits on the way: its size is not known. */
  readonly downgrade: boolean
  /** smtp_send_dummy_mail_auth, on an authenticated session. */
  readonly dummyAuth: boolean
}

/** Whether addresses are quoted for the wire (smtp_quote_rfc821_envelope). */
export type Quote = boolean

/** `MAIL FROM:<…>` with the parameters that the server understands. */
export function mailCommand(facts: MailFacts, server: Capabilities, quote: Quote): string {
  let line = `MAIL FROM:<${wireAddress(facts.sender, quote)}>`
  if (server.size && !facts.downgrade) line += ` SIZE=${facts.contentLength}`
  if (server.eightBitMime) {
    if (facts.encoding === '8bit') line += ' BODY=8BITMIME'
    else if (facts.encoding === '7bit') line += ' BODY=7BIT'
  }
  if (server.dsn) {
    if (facts.envelopeId !== '') line += ` ENVID=${encodeXtext(facts.envelopeId)}`
    const requireTls = (facts.sendOptions & SEND_OPTION.requireTls) !== 0
    // RFC 8689 §5: no more of the content than necessary comes back over an unprotected way.
    if (requireTls && !server.requireTls) line += ' RET=HDRS'
    else if (facts.retFlags !== 0) line += ` RET=${facts.retFlags === RET.full ? 'FULL' : 'HDRS'}`
  }
  if (server.smtpUtf8 && (facts.sendOptions & SEND_OPTION.smtpUtf8Requested) !== 0) line += ' SMTPUTF8'
  if (server.requireTls && (facts.sendOptions & SEND_OPTION.requireTls) !== 0) line += ' REQUIRETLS'
  if (facts.dummyAuth) line += ' AUTH=<>'
  return line
}

/** What RCPT says about one recipient. */
export type RecipientFacts = {
  /** After smtp_generic_maps, internal form. */
  readonly address: string
  readonly original: string
  readonly dsnOrcpt: string
  readonly notify: number
}

/** `RCPT TO:<…>` with the parameters that the server understands. */
export function rcptCommand(facts: RecipientFacts, server: Capabilities, quote: Quote, sendOptions: number): string {
  let line = `RCPT TO:<${wireAddress(facts.address, quote)}>`
  if (!server.dsn) return line
  const orcpt = originalRecipient(facts, sendOptions)
  if (orcpt !== '') line += ` ORCPT=${orcpt}`
  if (facts.notify !== 0) line += ` NOTIFY=${formatNotify(facts.notify)}`
  return line
}

/** RFC 3461 §4.2: type and xtext of the address; what came with the mail goes on as it was. */
function originalRecipient({ dsnOrcpt, original }: RecipientFacts, sendOptions: number): string {
  if (dsnOrcpt !== '') return encodeOrcpt(dsnOrcpt)
  if (original === '') return ''
  const address = externalAddress(original)
  const utf8 = (sendOptions & SMTPUTF8_BITS) !== 0 && !isAscii(address)
  return encodeOrcpt(`${utf8 ? 'utf-8' : 'rfc822'};${address}`)
}

function encodeOrcpt(typeAndAddress: string): string {
  const semicolon = typeAndAddress.indexOf(';') + 1
  const address = typeAndAddress.slice(semicolon)
  const encoded = /^utf-8;/i.test(typeAndAddress) ? encodeUnicodeXtext(address) : encodeXtext(address)
  return typeAndAddress.slice(0, semicolon) + encoded
}

/** RFC 6533 §3, the form for SMTPUTF8 sessions: only ASCII that has a meaning of its own is encoded. */
function encodeUnicodeXtext(text: string): string {
  return text.replaceAll(/[\p{Cc} \\+=]/gu, (c) => {
    const hex = (c.codePointAt(0) ?? 0).toString(16).toUpperCase()
    return `\\x{${hex.padStart(2, '0')}}`
  })
}

/** An address in the form of RFC 5321 §4.1.2; quoted only when that is asked for. */
function wireAddress(address: string, quote: Quote): string {
  if (!quote || address === '') return address
  const at = address.lastIndexOf('@')
  const local = at < 0 ? address : address.slice(0, at)
  return quoteLocal(local) + (at < 0 ? '' : address.slice(at))
}

/** Who the mail came from, for XFORWARD. Empty and `unknown` values are not sent. */
export type ClientFacts = {
  readonly clientName: string
  readonly clientAddress: string
  readonly clientPort: string
  readonly protocolName: string
  readonly heloName: string
  readonly logIdent: string
  readonly rewriteContext: string
}

/** The two XFORWARD commands, each only when it says something. Source: XFORWARD_README. */
export function xforwardCommands(
  facts: ClientFacts, offered: ReadonlySet<string>,
): { address?: string; helo?: string } {
  const source = facts.rewriteContext === '' ? '' : facts.rewriteContext === 'local' ? 'LOCAL' : 'REMOTE'
  const address = xforward(offered, [
    ['NAME', known(facts.clientName)], ['ADDR', known(facts.clientAddress)], ['PORT', known(facts.clientPort)],
  ])
  const helo = xforward(offered, [
    ['PROTO', known(facts.protocolName)], ['HELO', facts.heloName], ['IDENT', facts.logIdent], ['SOURCE', source],
  ])
  return { ...(address === undefined ? {} : { address }), ...(helo === undefined ? {} : { helo }) }
}

/** `unknown` says nothing. */
function known(value: string): string {
  return value.toLowerCase() === 'unknown' ? '' : value
}

function xforward(offered: ReadonlySet<string>, values: readonly (readonly [string, string])[]): string | undefined {
  const words = values.filter(([name, value]) => value !== '' && offered.has(name))
  if (words.length === 0) return undefined
  return `XFORWARD ${words.map(([name, value]) => `${name}=${encodeXtext(value)}`).join(' ')}`
}
