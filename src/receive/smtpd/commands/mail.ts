/**
 * MAIL FROM: the start of a mail transaction.
 *
 * Source: RFC 5321 §4.1.1.2; RFC 1870 (SIZE); RFC 6152 (BODY); RFC 3461 §4.3, §4.4 (RET, ENVID); RFC 4954 §5 (AUTH);
 * RFC 6531 (SMTPUTF8); RFC 8689 (REQUIRETLS); VERP_README (XVERP).
 */
import { extractAddress } from '#receive/smtpd/address.ts'
import { applyResult } from '#receive/smtpd/decisions.ts'
import { mailOption, type MailOptions } from '#receive/smtpd/mail-options.ts'
import { milterEvent, milterHolds } from '#receive/smtpd/milters.ts'
import { openMessage } from '#receive/smtpd/open-message.ts'
import { messageRate } from '#receive/smtpd/rates.ts'
import { accept, refuse, refuseFor, type Outcome, type Session } from '#receive/smtpd/session.ts'
import type { CommandToken } from '#receive/smtpd/tokens.ts'
import { wait, type Work } from '#receive/smtpd/work.ts'
import type { Fault } from '#service/error-notice.ts'
import { equalsIgnoreCase, isAscii } from '#util/ascii.ts'

/** MAIL FROM:<address> options */
export function mail(session: Session, words: readonly CommandToken[]): Work<Outcome> | Outcome {
  const { settings } = session
  if (settings.heloRequired && session.heloName === undefined) return refuseFor('policy', '503 5.5.1 Error: send HELO/EHLO first')
  if (session.inTransaction) return refuse('503 5.5.1 Error: nested MAIL command')
  if (session.inChunks) return refuse('503 5.5.1 Error: MAIL after BDAT')
  const [, keyword, address] = words
  if (keyword === undefined || address === undefined || !equalsIgnoreCase(keyword.text, 'from:')) {
    return refuse('501 5.5.4 Syntax: MAIL FROM:<address>')
  }
  return begin(session, address, words.slice(3))
}

function* begin(session: Session, address: CommandToken, options: readonly CommandToken[]): Work<Outcome> {
  const { settings, ports } = session
  const tooMuch = yield* messageRate(session)
  if (tooMuch !== undefined) return tooMuch
  // The option decides which addresses are possible: it counts before the others.
  const smtputf8 = settings.smtputf8 && !session.discarded.has('smtputf8')
    && options.some(({ text }) => equalsIgnoreCase(text, 'SMTPUTF8'))
  const rules = { allowEmpty: true, strict: settings.strictAddresses, smtputf8 }
  const sender = address.broken ? undefined : yield* extractAddress(session, address.text, rules)
  if (sender === undefined) return refuse('501 5.1.7 Bad sender address syntax')
  const read: MailOptions = { smtputf8 }
  for (const { text } of options) {
    const refusal = mailOption(session, read, text)
    if (refusal !== undefined) return refuseFor(refusal.startsWith('552') ? 'policy' : 'protocol', refusal)
  }
  const refusal = checkSize(session, sender, read.size ?? 0)
    ?? checkVerp(sender, read)
    ?? (yield* restrict(session, sender, read))
  if (refusal !== undefined) return refusal
  if (settings.strictSmtputf8 && !smtputf8 && !isAscii(sender)) {
    return refuseFor(undefined, '553 5.6.7 Must declare SMTPUTF8 to send unicode address')
  }
  const filtered = milterEvent(session, 'MAIL', sender)
  if (filtered !== undefined) return refuseFor('policy', filtered)
  const noSpace = checkSpace(session, sender)
  if (noSpace !== undefined) return noSpace
  enter(session, sender, read)
  if (!settings.delayOpen) {
    const failure = yield* openMessage(session)
    if (failure !== undefined) {
      session.resetTransaction()
      return failure
    }
  }
  ports.log.flush()
  return accept('250 2.1.0 Ok')
}

/** smtpd_sender_restrictions without delay, and how headers are rewritten. */
function* restrict(session: Session, sender: string, read: MailOptions): Work<Outcome | undefined> {
  const { settings, ports, accessState } = session
  if (session.standAlone) return undefined
  const facts = session.facts('MAIL', { sender, smtputf8: read.smtputf8, declaredSizeBytes: read.size ?? 0 })
  if (!settings.delayReject) {
    const refusal = applyResult(session, yield* wait(ports.access.check('sender', facts, accessState)))
    if (refusal !== undefined) return refusal
  }
  // Who is really connected decides on headers, also after XCLIENT.
  const context = yield* wait(
    ports.access.rewriteContext({ ...facts, client: { ...facts.client, address: session.origin.address } }),
  )
  if (context.kind === 'reject') return applyResult(session, context)
  session.transaction.context = context.context
  return undefined
}

function hex(n: number): string {
  return Math.trunc(n).toString(16)
}

function enter(session: Session, sender: string, read: MailOptions): void {
  const { transaction, ports } = session
  transaction.sender = sender
  transaction.hold = milterHolds(session)
  transaction.smtputf8 = read.smtputf8
  transaction.declaredSize = read.size ?? 0
  transaction.encoding = read.encoding
  transaction.requireTls = read.requireTls ?? false
  transaction.envelopeId = read.envelopeId
  transaction.returnFlags = read.returnFlags ?? 0
  transaction.verp = read.verp
  transaction.authSender = read.authSender === '' ? undefined : read.authSender
  transaction.arrival = ports.now()
  const milliseconds = transaction.arrival.getTime()
  transaction.instance = [
    hex(process.pid), hex(milliseconds / 1000), hex((milliseconds % 1000) * 1000), `${hex(ports.nextInstance())}.0`,
  ].join('.')
}

/** RFC 1870 §6.1: the limit for all messages. */
function checkSize(session: Session, sender: string, size: number): Outcome | undefined {
  const { messageBytesMax } = session.settings
  if (messageBytesMax === 0 || size <= messageBytesMax) return undefined
  return logged(session, sender, 'policy', '552 5.3.4 Message size exceeds fixed limit')
}

function checkVerp(sender: string, read: MailOptions): Outcome | undefined {
  return read.verp !== undefined && sender === ''
    ? refuseFor(undefined, '503 5.5.4 Error: XVERP requires non-null sender')
    : undefined
}

/** RFC 1870 §6.1 (2): room for one message of the largest size, and half as much again. */
function checkSpace(session: Session, sender: string): Outcome | undefined {
  const { settings, ports } = session
  if (session.standAlone) return undefined
  const free = ports.freeBytes()
  const { queueMinFree, messageBytesMax } = settings
  const scarce = queueMinFree > 0 && free <= queueMinFree
  const tight = messageBytesMax > 0 && free / 1.5 <= messageBytesMax
  if (!scarce && !tight) return undefined
  const refusal = logged(session, sender, 'resource', '452 4.3.1 Insufficient system storage')
  ports.log.warning(
    `not enough free space in mail queue: ${free} bytes < ${scarce ? 'minimum free space' : '1.5*message size limit'}`,
  )
  return refusal
}

function logged(session: Session, sender: string, fault: Fault, reply: string): Outcome {
  session.logAction('reject', 'MAIL', reply, { sender })
  return refuseFor(fault, reply)
}
