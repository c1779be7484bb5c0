/**
 * The end of a message: the last checks, the way into the queue, the reply.
 *
 * Source: RFC 5321 §4.2.5, §6.1: with the 250 the message is ours.
 *
 * @module
 */
import { STATUS } from '#cleanup/status.ts'
import { NOTIFY } from '#mail/dsn-parameters.ts'
import { parseStatus } from '#mail/status.ts'
import { RECORD } from '#queue/record.ts'
import { errnoText } from '#system/errno.ts'
import { applyResult } from './decisions.ts'
import type { Message, MessageResult } from './ports.ts'
import { accept, refuse, refuseFor, type Outcome, type Session } from './session.ts'
import { wait, type Work } from './work.ts'

const WRITE_ERROR = refuseFor('resource', '451 4.3.0 Error: queue file write error')
const TOO_BIG = refuseFor('bounce', '552 5.3.4 Error: message file too big')

/** After the final dot, or the last chunk. The transaction is over in any case. */
export function* finishMessage(session: Session): Work<Outcome> {
  session.where = 'END-OF-MESSAGE'
  const { message } = session
  const outcome = message === undefined
    ? WRITE_ERROR
    : yield* conclude(session, message)
  if (outcome.ok) {
    session.errorCount = 0
    session.junkCommands = 0
    // Whatever the client did wrong before, it has got its message through.
    session.faults = 0
  }
  session.message = undefined
  session.resetTransaction()
  return outcome
}

function* conclude(session: Session, message: Message): Work<Outcome> {
  const { settings, decoder } = session
  if (decoder?.bareNewlines === true && settings.bareNewline.note) session.bareNewlineNoted = true
  if (decoder?.bareNewlines === true && settings.bareNewline.action === 'reject' && !session.bareNewlinesExcluded) {
    message.cancel()
    session.logAction('reject', 'END-OF-MESSAGE', 'bare <LF> received', { recipient: onlyRecipient(session) })
    return refuse(bareNewlineReply(session))
  }
  if (decoder?.tooBig === true) {
    session.ports.log.warning(`${message.id}: queue file size limit exceeded`)
    message.cancel()
    return TOO_BIG
  }
  if (!session.standAlone) {
    const facts = session.facts('END-OF-MESSAGE')
    const refusal = applyResult(
      session, yield* wait(session.ports.access.check('end_of_data', facts, session.accessState)),
    )
    if (refusal !== undefined) {
      message.cancel()
      return refusal
    }
  }
  message.endContent()
  writeDecisions(session, message)
  return yield* queueUp(session, message)
}

function onlyRecipient({ transaction }: Session): string | undefined {
  return transaction.recipientCount === 1 ? transaction.firstRecipient : undefined
}

/** The reply to a client that ends lines with a bare LF, where that is refused. */
export function bareNewlineReply({ settings }: Session): string {
  return `${settings.bareNewlineCode} 5.5.2 ${settings.myhostname} Error: bare <LF> received`
}

/** What access tables and policies have decided about the message. */
function writeDecisions({ transaction }: Session, message: Message): void {
  if (transaction.filter !== undefined) message.extracted(RECORD.filter, transaction.filter)
  if (transaction.redirect !== undefined) message.extracted(RECORD.redirect, transaction.redirect)
  for (const address of transaction.bcc) {
    // Nobody but us knows of this recipient: the sender is told nothing. Postfix means the same, but writes it behind.
    message.extracted(RECORD.attribute, `notify_flags=${NOTIFY.never}`)
    message.extracted(RECORD.recipient, address)
  }
  const bits = (transaction.hold ? HOLD_BIT : 0) | (transaction.discard ? DISCARD_BIT : 0)
  if (bits !== 0) message.extracted(RECORD.flags, String(bits))
}

/** Bits of the flags in the protocol of cleanup. */
const HOLD_BIT = 4
const DISCARD_BIT = 8

function* queueUp(session: Session, message: Message): Work<Outcome> {
  const { ports, inChunks, decoder } = session
  let result: MessageResult
  try {
    result = yield* wait(message.finish())
  } catch (error) {
    ports.log.warning(`${message.id}: queue file write error: ${errnoText(error)}`)
    return WRITE_ERROR
  }
  if (result.status !== 0) return failure(result)
  ports.accepted(message.id)
  return accept(`250 2.0.0 Ok: ${inChunks ? `${decoder?.sizeBytes ?? 0} bytes ` : ''}queued as ${message.id}`)
}

/** Replies by what cleanup says, the most important first. */
function failure({ status, reason }: MessageResult): Outcome {
  // A filter gave a whole reply.
  if (/^[245]\d\d[ -]/.test(reason)) return refuseFor('policy', reason, /^[45]21/.test(reason) ? 'close' : undefined)
  if ((status & STATUS.defer) !== 0) {
    return refuseFor('policy', `451 ${withStatus('4.7.1', reason, 'Error: service unavailable')}`)
  }
  if ((status & STATUS.bad) !== 0) return refuseFor('software', `451 4.3.0 Error: internal error ${status}`)
  if ((status & STATUS.size) !== 0) return TOO_BIG
  if ((status & STATUS.hops) !== 0) return refuseFor('bounce', '554 5.4.0 Error: too many hops')
  if ((status & STATUS.content) !== 0) {
    return refuseFor('policy', `550 ${withStatus('5.7.1', reason, 'Error: message content rejected')}`)
  }
  if ((status & (STATUS.write | STATUS.proxy)) !== 0) return WRITE_ERROR
  return refuseFor('software', `451 4.3.0 Error: internal error ${status}`)
}

function withStatus(status: string, reason: string, fallback: string): string {
  const text = reason === '' ? fallback : reason
  return parseStatus(text) === undefined ? `${status} ${text}` : text
}
