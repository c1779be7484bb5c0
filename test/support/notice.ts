/** Delivery status notifications as a mail reader sees them. */
import assert from 'node:assert/strict'
import { simpleParser, type ParsedMail } from 'mailparser'

/** Fields of one group of a report, names in lower case. RFC 3464 §2.1. */
export type Fields = Readonly<Record<string, string>>

export type NoticeText = {
  readonly mail: ParsedMail
  readonly subject: string
  readonly from: string
  readonly to: string
  /** The part for people. */
  readonly text: string
  readonly message: Fields
  readonly recipients: readonly Fields[]
  /** Content type and text of the returned message, or of its header. */
  readonly originalType: string
  readonly original: string
  /** Return-Path: of the copy in the mailbox. */
  readonly returnPath: string
}

function parseGroup(text: string): Fields {
  const unfolded = text.replaceAll(/\r?\n[ \t]+/g, ' ')
  return Object.fromEntries(unfolded.split('\n').map((line) => {
    const at = line.indexOf(':')
    return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()]
  }))
}

/** Reads a notice; fails when it has not the three parts of RFC 3462. */
export async function readNotice(source: string): Promise<NoticeText> {
  const mail = await simpleParser(source, { skipHtmlToText: true, keepDeliveryStatus: true })
  const [report, original] = mail.attachments
  assert.ok(report && original && mail.attachments.length === 2, `not a report with an original: ${source}`)
  assert.equal(report.contentType, 'message/delivery-status')
  const [message = '', ...recipients] = report.content.toString().trim().split(/\r?\n\r?\n/)
  return {
    mail, subject: mail.subject ?? '', from: mail.from?.text ?? '', to: mail.to?.text ?? '', text: mail.text ?? '',
    message: parseGroup(message), recipients: recipients.map(parseGroup),
    originalType: original.contentType, original: original.content.toString(),
    returnPath: /^Return-Path: (.*)$/m.exec(source)?.[1] ?? '',
  }
}
