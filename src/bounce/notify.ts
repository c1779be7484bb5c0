/**
 * Makes one notice: composes it, puts the original message (or its header) in, and queues it.
 *
 * @module
 */
import type { Cleanup } from '#cleanup/cleanup.ts'
import { externalAddress } from '#mail/address.ts'
import { rfc5322Date } from '#mail/date.ts'
import { isHeaderLine } from '#mail/header.ts'
import { composeReport, type ReportFacts } from '#mail/report.ts'
import { log } from '#system/log.ts'
import type { Envelope } from '#queue/envelope.ts'
import type { ContentPiece, OpenMessage } from '#queue/content.ts'
import type { NoticeMessage } from '#service/bounce-client.ts'
import { internalMail, MailDraft } from '#service/submit.ts'
import type { Notice } from './plan.ts'
import type { BounceSettings } from './settings.ts'

/** The original message, as far as it can still be read. */
export type Original = { readonly message: OpenMessage; readonly envelope: Envelope } | undefined

/** SMTPUTF8 was asked for: only then a notice may ask for it. That a header has UTF-8 in it is no reason. */
const SENDOPT_SMTPUTF8 = 1
const SENDOPT_TLS_OPTIONAL = 16
const BLANKS = [0x20, 0x09]

/** @throws {Error} When the notice could not be queued. */
export async function sendNotice(
  notice: Notice, about: NoticeMessage, original: Original, settings: BounceSettings, cleanup: Cleanup,
): Promise<void> {
  const { myhostname, mailName, queueService } = settings
  const start = {
    records: internalMail(notice.sender), recipients: [notice.recipient],
    flags: { map: true, smtputf8: (about.sendOptions & SENDOPT_SMTPUTF8) !== 0 },
  }
  const draft = new MailDraft(cleanup, { myhostname, mailName, queueService }, start)
  log.info(`${about.queueId}: ${notice.title}: ${draft.id}`, { queue_id: about.queueId, notice: draft.id })
  try {
    await writeNotice(draft, notice, about, original, settings)
  } catch (error) {
    draft.cancel()
    throw error
  }
  const { status, reason } = await draft.finish()
  if (status !== 0) throw new Error(reason)
}

async function writeNotice(
  draft: MailDraft, notice: Notice, about: NoticeMessage, original: Original, settings: BounceSettings,
): Promise<void> {
  const now = new Date()
  const report = composeReport(reportFacts(notice, about, original, settings, now), settings.templates[notice.kind])
  draft.line(`Date: ${rfc5322Date(now)}`)
  for (const line of [...report.headers, '', ...report.head]) draft.line(line)
  if (!original) {
    draft.line('\t--- Undelivered message unavailable ---')
    return
  }
  await copyOriginal(draft, original, notice.headersOnly)
  for (const line of report.tail) draft.line(line)
}

async function copyOriginal(
  draft: MailDraft, { message, envelope }: NonNullable<Original>, headersOnly: boolean,
): Promise<void> {
  let lineStarts = true
  for (const piece of message.contentRecords(envelope.dataOffset)) {
    if (headersOnly && lineStarts && !belongsToHeader(piece)) break
    draft.piece(piece)
    lineStarts = piece.type === 'N'
    const full = draft.writable()
    if (full) await full
  }
  // What ends without a line end would swallow the boundary.
  if (!lineStarts) draft.line('')
}

function belongsToHeader({ data }: ContentPiece): boolean {
  return BLANKS.includes(data[0] ?? 0) || isHeaderLine(Buffer.from(data).toString('latin1'))
}

function reportFacts(
  notice: Notice, about: NoticeMessage, original: Original, settings: BounceSettings, now: Date,
): ReportFacts {
  const { myhostname, mailName } = settings
  // The notice may go to someone else (the owner of a list); the report is about the message as it is.
  const sender = externalAddress(original?.envelope.sender ?? about.sender) || `MAILER-DAEMON@${settings.myhostname}`
  const arrival = new Date((original?.envelope.arrival.seconds ?? Math.trunc(now.getTime() / 1000)) * 1000)
  const known = about.encoding === '8bit' || about.encoding === '7bit' ? about.encoding : ''
  const encoding = settings.smtputf8 ? '8bit' : known
  return {
    kind: notice.kind, forPostmaster: notice.forPostmaster, to: externalAddress(notice.recipient),
    boundary: `${about.queueId}.${Math.trunc(now.getTime() / 1000)}/${myhostname}`,
    myhostname, mailName, queueId: about.queueId,
    sender, returnPath: sender,
    envelopeId: about.envelopeId, arrivalDate: rfc5322Date(arrival),
    retryUntil: rfc5322Date(new Date(arrival.getTime() + settings.lifetimeSeconds * 1000)),
    recipients: notice.records, encoding, smtputf8: (about.sendOptions & SENDOPT_SMTPUTF8) !== 0,
    headersOnly: notice.headersOnly,
    threadId: settings.threaded ? original?.envelope.attributes.get('message_id') ?? '' : '',
    tlsOptional: (about.sendOptions & SENDOPT_TLS_OPTIONAL) !== 0,
  }
}
