/**
 * DATA and BDAT: how the content of a message starts, and what comes after it.
 *
 * Source: RFC 5321 §4.1.1.4; RFC 3030 (BDAT).
 */
import { DataDecoder } from '#receive/smtpd/data.ts'
import { applyResult } from '#receive/smtpd/decisions.ts'
import { finishMessage } from '#receive/smtpd/finish.ts'
import { writeReceived } from '#receive/smtpd/top-headers.ts'
import { accept, refuse, refuseFor, type Outcome, type Session } from '#receive/smtpd/session.ts'
import type { CommandToken } from '#receive/smtpd/tokens.ts'
import { wait, type Work } from '#receive/smtpd/work.ts'
import { equalsIgnoreCase, isDigits } from '#util/ascii.ts'
import { printable } from '#util/printable.ts'

/** DATA */
export function data(session: Session, words: readonly CommandToken[]): Work<Outcome> | Outcome {
  if (session.inChunks) return refuse('503 5.5.1 Error: DATA after BDAT')
  const missing = withoutRecipients(session)
  if (missing !== undefined) return missing
  if (words.length !== 1) return refuse('501 5.5.4 Syntax: DATA')
  return startData(session)
}

/** RFC 5321 §4.1.1.4: 503 without recipients; 554 when they were all refused. */
function withoutRecipients(session: Session): Outcome | undefined {
  if (session.transaction.recipientCount > 0) return undefined
  // A client that pipelines sends this before it knows that all were refused.
  if (session.inTransaction) return refuseFor(undefined, '554 5.5.1 Error: no valid recipients')
  return refuse('503 5.5.1 Error: need RCPT command')
}

function* startData(session: Session): Work<Outcome> {
  const refusal = yield* checkData(session, 'DATA')
  if (refusal !== undefined) return refusal
  startContent(session, 'data')
  return accept('354 End data with <CR><LF>.<CR><LF>', 'data')
}

function* checkData(session: Session, where: 'DATA' | 'BDAT'): Work<Outcome | undefined> {
  if (session.standAlone) return undefined
  return applyResult(
    session, yield* wait(session.ports.access.check('data', session.facts(where), session.accessState)),
  )
}

function startContent(session: Session, mode: 'data' | 'bdat'): void {
  const { settings, message } = session
  const { lineBytesMax, messageBytesMax } = settings
  const bareNewline = session.bareNewlinesExcluded ? 'accept' : settings.bareNewline.action
  session.decoder = new DataDecoder(
    mode, { lineBytesMax, messageBytesMax, bareNewline }, (records) => message?.content(records),
  )
  writeReceived(session)
}

/** After the final dot: the reply to the message. */
export function* endOfData(session: Session): Work<Outcome> {
  const outcome = yield* finishMessage(session)
  return outcome
}

/** BDAT count [LAST] */
export function bdat(session: Session, words: readonly CommandToken[], line: string): Work<Outcome> | Outcome {
  const { transaction, ports } = session
  if (session.discarded.has('chunking')) return refuse('521 5.5.1 Error: command not implemented', 'close')
  const [, count, last] = words
  const size = count !== undefined && isDigits(count.text) ? Number(count.text) : -1
  if (
    words.length > 3
    || !Number.isSafeInteger(size)
    || size < 0
    || (last !== undefined && !equalsIgnoreCase(last.text, 'LAST'))
  ) {
    transaction.bdat = 'failed'
    ports.log.warning(
      `${named(session)}: malformed BDAT command syntax from ${session.clientLabel}: ${printable(line).slice(0, 100)}`,
    )
    return refuse('521 5.5.4 Syntax: BDAT count [LAST]', 'close')
  }
  session.chunkSize = size
  session.chunkBytes = size
  session.chunkLast = last !== undefined
  session.chunkRefusal = undefined
  return startChunk(session)
}

function named(session: Session): string {
  return session.queueId ?? 'NOQUEUE'
}

function startChunk(session: Session): Work<Outcome> | Outcome {
  const { transaction, chunkSize, chunkLast, ports } = session
  if (chunkSize === 0 && !chunkLast) {
    ports.log.warning(`${named(session)}: null BDAT request from ${session.clientLabel}`)
    return skipChunk(session, refuseFor(undefined, '551 5.7.1 Null BDAT request'))
  }
  if (transaction.bdat === 'failed') {
    return skipChunk(session, refuseFor(undefined, `551 5.0.0 Discarded ${chunkSize} bytes after earlier error`))
  }
  const missing = withoutRecipients(session)
  if (missing !== undefined) return skipChunk(session, missing)
  return takeChunk(session)
}

function* takeChunk(session: Session): Work<Outcome> {
  const { settings, ports, transaction, chunkSize } = session
  if (transaction.bdat === 'none') {
    const refusal = yield* checkData(session, 'BDAT')
    if (refusal !== undefined) return skipChunk(session, refusal)
    startContent(session, 'bdat')
    transaction.bdat = 'ok'
  }
  const sizeSoFar = session.decoder?.sizeBytes ?? 0
  if (settings.messageBytesMax > 0 && settings.messageBytesMax - sizeSoFar < chunkSize) {
    ports.log.warning(`${named(session)}: BDAT request from ${session.clientLabel} exceeds message size limit`)
    return skipChunk(session, refuseFor('policy', '552 5.3.4 Chunk exceeds message size limit'))
  }
  return accept('', 'chunk')
}

/** The chunk is read and thrown away, then `refusal` is the reply. */
function skipChunk(session: Session, refusal: Outcome): Outcome {
  const { settings, transaction, ports, chunkSize } = session
  transaction.bdat = 'failed'
  if (refusal.next === 'close') return refusal
  // More than any message may have: the client would be busy for long without sense.
  if (settings.messageBytesMax > 0 && chunkSize > settings.messageBytesMax) {
    ports.log.warning(`${named(session)}: too much BDAT content -- disabling further input from ${session.clientLabel}`)
    endFailedChunks(session)
    return { ...refusal, next: 'close' }
  }
  session.chunkRefusal = refusal
  return accept('', 'chunk')
}

/** After the last failed chunk the transaction is over. */
function endFailedChunks(session: Session): void {
  if (session.chunkLast) session.resetTransaction()
}

/** After all bytes of a chunk: its reply. */
export function endOfChunk(session: Session): Work<Outcome> | Outcome {
  const { chunkRefusal, chunkLast, chunkSize, decoder } = session
  if (chunkRefusal !== undefined) {
    session.chunkRefusal = undefined
    endFailedChunks(session)
    return chunkRefusal
  }
  if (!chunkLast) return accept(`250 2.0.0 Ok: ${chunkSize} bytes`)
  decoder?.finish()
  return finishMessage(session)
}
