/**
 * Delivery status notifications: the text, the machine-readable report and the frame of the returned message.
 *
 * Pure: facts in, lines out. The caller puts the original message (or its headers) between `head` and `tail`.
 * The layout is the one that bounce readers know from Postfix; RFC 3462 (multipart/report), RFC 3464
 * (delivery-status), RFC 6533 (the same for UTF-8 addresses).
 *
 * @module
 */
import { isAscii } from '#util/ascii.ts'
import { printable } from '#util/printable.ts'
import { wrapLine } from './line-wrap.ts'

export type ReportKind = 'failure' | 'delay' | 'success' | 'verify'

/** What happened to one recipient. Addresses are in external form; an empty optional text counts as absent. */
export type ReportRecipient = {
  readonly recipient: string
  readonly original?: string
  readonly dsnOrcpt?: string
  readonly status: string
  readonly action: string
  readonly diagType?: string
  readonly diagText?: string
  readonly mtaType?: string
  readonly mtaName?: string
  readonly reason: string
}

/** Words of one kind of notice: built in, or from bounce_template_file. `text` is expanded already. */
export type ReportTemplate = {
  readonly charset: string
  readonly from: string
  readonly subject: string
  readonly postmasterSubject: string
  readonly text: readonly string[]
}

export type ReportFacts = {
  readonly kind: ReportKind
  /** A copy for postmaster leaves out the words meant for the sender. */
  readonly forPostmaster: boolean
  /** Address the notice goes to, external form. */
  readonly to: string
  readonly boundary: string
  readonly myhostname: string
  readonly mailName: string
  readonly queueId: string
  /** Sender of the original message, external form; MAILER-DAEMON's address for the null sender. */
  readonly sender: string
  readonly returnPath: string
  readonly envelopeId: string
  readonly arrivalDate: string
  /** Last day of retries, for a delay notice. */
  readonly retryUntil: string
  readonly recipients: readonly ReportRecipient[]
  readonly encoding: '' | '7bit' | '8bit'
  readonly smtputf8: boolean
  readonly headersOnly: boolean
  /** Message-ID of the original, for threaded notices; empty for none. */
  readonly threadId: string
  /** The original asked that TLS is not required (RFC 8689 §5). */
  readonly tlsOptional: boolean
}

/** A notice around the returned message: `head`, then the content of the original, then `tail`. */
export type Report = { readonly headers: string[]; readonly head: string[]; readonly tail: string[] }

const WRAP = { width: 79, indent: 4 } as const

/** Composes a notice. */
export function composeReport(facts: ReportFacts, template: ReportTemplate): Report {
  const boundary = `--${facts.boundary}`
  return {
    headers: reportHeaders(facts, template),
    head: [
      'This is a MIME-encapsulated message.',
      '', boundary, ...notificationPart(facts, template),
      '', boundary, ...statusPart(facts),
      '', boundary, ...originalPartHead(facts),
    ],
    tail: ['', `${boundary}--`],
  }
}

function reportHeaders(facts: ReportFacts, template: ReportTemplate): string[] {
  const thread = facts.threadId === '' ? [] : [`References: ${facts.threadId}`, `In-Reply-To: ${facts.threadId}`]
  const encoding = facts.encoding === '7bit' && !isAscii(template.text.join('')) ? '8bit' : facts.encoding
  return [
    `From: ${template.from}`,
    `Subject: ${facts.forPostmaster ? template.postmasterSubject : template.subject}`,
    `To: ${facts.to}`,
    ...thread,
    ...(facts.tlsOptional ? ['TLS-Required: no'] : []),
    // RFC 3834 §5: an answer to a message, or a report nobody's message asked for.
    `Auto-Submitted: ${facts.forPostmaster ? 'auto-generated' : 'auto-replied'}`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status;',
    `\tboundary="${facts.boundary}"`,
    ...(encoding === '' ? [] : [`Content-Transfer-Encoding: ${encoding}`]),
  ]
}

function notificationPart(facts: ReportFacts, template: ReportTemplate): string[] {
  const { encoding, forPostmaster, kind } = facts
  const plain = encoding === '8bit' ? 'utf-8' : 'us-ascii'
  const charset = template.charset.toLowerCase() === 'us-ascii' ? plain : template.charset
  const silent = forPostmaster && (kind === 'failure' || kind === 'delay')
  const unknown = facts.recipients.length === 0 && kind === 'failure' ? ['', '\t--- Delivery report unavailable ---'] : []
  return [
    'Content-Description: Notification',
    `Content-Type: text/plain; charset=${charset}`,
    ...(encoding === '8bit' ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    ...(silent ? [] : template.text),
    ...facts.recipients.flatMap((recipient) => ['', ...describeRecipient(recipient)]),
    ...unknown,
  ]
}

/** The sentence for people: who, and why. */
function describeRecipient({ recipient, original, reason }: ReportRecipient): string[] {
  const expanded = original === undefined || original === '' ? '' : ` (expanded from <${original}>)`
  return wrapText(`<${recipient}>${expanded}: ${reason}`)
}

function statusPart(facts: ReportFacts): string[] {
  const global = facts.smtputf8
  return [
    'Content-Description: Delivery report',
    `Content-Type: message/${global ? 'global-' : ''}delivery-status`,
    ...(global && facts.encoding === '8bit' ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    ...messageFields(facts),
    ...facts.recipients.flatMap((recipient) => ['', ...recipientFields(facts, recipient)]),
  ]
}

/** Fields about the message, RFC 3464 §2.2. */
function messageFields(facts: ReportFacts): string[] {
  // The product's name stands in field names; what is no letter or digit there becomes a dash.
  const product = facts.mailName.replaceAll(/[^A-Za-z0-9]/g, '-')
  return [
    `Reporting-MTA: dns; ${facts.myhostname}`,
    ...(facts.envelopeId === '' ? [] : [`Original-Envelope-Id: ${facts.envelopeId}`]),
    `X-${product}-Queue-ID: ${facts.queueId}`,
    `X-${product}-Sender: ${addressType(facts, facts.sender)}; ${facts.sender}`,
    `Arrival-Date: ${facts.arrivalDate}`,
  ]
}

/** Fields about one recipient, RFC 3464 §2.3. */
function recipientFields(facts: ReportFacts, r: ReportRecipient): string[] {
  const original = r.dsnOrcpt ? r.dsnOrcpt : r.original ? `${addressType(facts, r.original)}; ${r.original}` : ''
  const product = facts.mailName.replaceAll(/[^A-Za-z0-9]/g, '-')
  const diagnostic = r.diagType && r.diagText ? `${r.diagType}; ${r.diagText}` : `X-${product}; ${r.reason}`
  return [
    `Final-Recipient: ${addressType(facts, r.recipient)}; ${r.recipient}`,
    ...(original === '' ? [] : [`Original-Recipient: ${original}`]),
    `Action: ${facts.kind === 'failure' ? 'failed' : r.action}`,
    `Status: ${r.status}`,
    ...(r.mtaType && r.mtaName ? wrapText(`Remote-MTA: ${r.mtaType}; ${r.mtaName}`) : []),
    ...wrapText(`Diagnostic-Code: ${diagnostic}`),
    ...(facts.kind === 'delay' ? [`Will-Retry-Until: ${facts.retryUntil}`] : []),
  ]
}

/** RFC 6533 §3: a UTF-8 address has a type of its own, where such reports are allowed. */
function addressType({ smtputf8 }: ReportFacts, address: string): string {
  return smtputf8 && !isAscii(address) ? 'utf-8' : 'rfc822'
}

function originalPartHead(facts: ReportFacts): string[] {
  const undelivered = facts.kind === 'failure' || facts.kind === 'delay' ? 'Undelivered ' : ''
  const whole = facts.smtputf8 ? 'message/global' : 'message/rfc822'
  const headers = facts.smtputf8 ? 'message/global-headers' : 'text/rfc822-headers'
  return [
    `Content-Description: ${undelivered}Message${facts.headersOnly ? ' Headers' : ''}`,
    `Content-Type: ${facts.headersOnly ? headers : whole}`,
    ...(facts.encoding === '8bit' ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    `Return-Path: <${facts.returnPath}>`,
  ]
}

/** Breaks a line at blanks. Control characters become `?`, so that a foreign server's text can't add lines of its own. */
export function wrapText(text: string): string[] {
  return wrapLine(printable(text), WRAP)
}
