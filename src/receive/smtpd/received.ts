/**
 * The Received: header that smtpd puts on top of each message.
 *
 * Source: RFC 5321 §4.4; RFC 3848 (the words after `with`); RFC 6531 §4.3 (UTF8SMTP).
 */

import { printable } from '#util/printable.ts'

/** What is known of the TLS session, in the words of the header. */
export type ReceivedTls = {
  readonly protocol: string
  readonly cipher: string
  readonly usedBits: number
  readonly algorithmBits: number
  /** `key-exchange X25519 server-signature …`; empty when not known. */
  readonly exchange: string
  /** `client-signature …`; empty without a client certificate. */
  readonly clientSignature: string
  /** `(Client CN "…", Issuer "…" (verified OK))` or why there is none. */
  readonly certificate: string
}

/** What the header tells. */
export type ReceivedFacts = {
  readonly heloName: string
  readonly clientName: string
  /** `192.0.2.1` or `IPv6:2001:db8::1` */
  readonly clientAddress: string
  /** Undefined without TLS, or without smtpd_tls_received_header. */
  readonly tls: ReceivedTls | undefined
  /** The login name; undefined without smtpd_sasl_authenticated_header. */
  readonly authenticated: string | undefined
  readonly hostname: string
  readonly mailName: string
  readonly protocol: string
  readonly overTls: boolean
  readonly login: boolean
  readonly smtputf8: boolean
  /** Undefined where no queue file is written. */
  readonly queueId: string | undefined
  /** The one recipient, in external form; undefined with several. */
  readonly recipient: string | undefined
  readonly date: string
  /** smtpd_hide_client_session: nothing about the client. */
  readonly hidden: boolean
}

/** The lines of the header, without line ends. */
export function receivedHeader(facts: ReceivedFacts): string[] {
  const lines: string[] = []
  if (!facts.hidden) {
    const helo = facts.heloName === '' ? facts.clientName : facts.heloName
    lines.push(`Received: from ${helo} (${facts.clientName} [${facts.clientAddress}])`)
    if (facts.tls !== undefined) lines.push(...tlsLines(facts.tls))
    if (facts.authenticated !== undefined) lines.push(`\t(Authenticated sender: ${commentText(facts.authenticated)})`)
  }
  const start = facts.hidden ? 'Received: ' : '\t'
  const id = facts.queueId === undefined ? '' : ` id ${facts.queueId}`
  const via = facts.hidden ? '' : ` with ${transmissionType(facts)}`
  const by = `${start}by ${facts.hostname} (${facts.mailName})${via}${id}`
  if (facts.recipient === undefined) lines.push(`${by};`, `\t${facts.date}`)
  else lines.push(by, `\tfor <${facts.recipient}>; ${facts.date}`)
  return lines
}

/** RFC 3848: ESMTP, with S for TLS and A for a login. RFC 6531 §4.3: UTF8SMTP instead. */
function transmissionType({ protocol, overTls, login, smtputf8 }: ReceivedFacts): string {
  if (protocol !== 'ESMTP') return protocol
  return `${smtputf8 ? 'UTF8SMTP' : 'ESMTP'}${overTls ? 'S' : ''}${login ? 'A' : ''}`
}

function tlsLines(tls: ReceivedTls): string[] {
  const lines = [`\t(using ${tls.protocol} with cipher ${tls.cipher} (${tls.usedBits}/${tls.algorithmBits} bits)`]
  if (tls.exchange !== '') lines.push(`\t ${tls.exchange}`)
  if (tls.clientSignature !== '') lines.push(`\t ${tls.clientSignature}`)
  const last = lines.length - 1
  return [...lines.slice(0, last), `${lines[last]})`, `\t${tls.certificate}`]
}

/** Text that may stand in a comment of a header: no parentheses, quotes or escapes, nothing invisible. */
export function commentText(text: string): string {
  return printable(text).replaceAll(/[()\\"<>]/g, '?')
}
