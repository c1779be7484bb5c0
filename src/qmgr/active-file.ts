/**
 * The queue file of an active message: reading it, the marks in it, and the logs that go with it.
 *
 * @module
 */
import { errnoText, isErrno } from '#system/errno.ts'
import { files, O_RDWR } from '#system/files.ts'
import type { Logger } from '#system/log.ts'
import { readEnvelope, readRecipients, type Envelope, type EnvelopeRecipient } from '#queue/envelope.ts'
import { QueueFileError } from '#queue/record.ts'
import { removeLog } from '#queue/logs.ts'
import { setWarned, unfinishedRecipients } from '#queue/mark.ts'
import { isReady, queuePath, statFile, type LogName, type QueueId, type Spool } from '#queue/spool.ts'

/** What reading files of the active queue needs. */
export type FileTools = { readonly spool: Spool; readonly log: Logger; readonly recipientsAtOnce: number }

/** What became of reading a file. `locked`: an agent of an earlier qmgr still works on it. */
export type Loaded =
  | { readonly kind: 'loaded'; readonly envelope: Envelope; readonly forceExpired: boolean; readonly flush: boolean }
  | { readonly kind: 'gone' | 'locked' | 'damaged' }

/** Group read: somebody asked to try this message now (`postqueue -i`). */
const MODE_FLUSH = 0o040
/** Group execute: `postsuper -e`. */
const MODE_FORCE_EXPIRE = 0o010
const MODE_BITS = 0o7777

/**
 * Reads the envelope of a message in active/, under an exclusive lock.
 *
 * @param before An envelope that was read in part: only its next recipients are read.
 * @throws {NodeJS.ErrnoException} When it is there and cannot be read.
 */
export function loadFile(tools: FileTools, id: QueueId, before?: Envelope): Loaded {
  const fd = openActive(tools.spool, id)
  if (fd === undefined) return { kind: 'gone' }
  try {
    if (!files.flock(fd, 'exclusive', false)) return { kind: 'locked' }
    const facts = files.fstat(fd)
    if (!isReady(facts)) return { kind: 'damaged' }
    const flush = (facts.mode & MODE_FLUSH) !== 0
    if (flush) files.fchmod(fd, facts.mode & ~MODE_FLUSH & MODE_BITS)
    const envelope = readWhole(fd, id, before, tools.recipientsAtOnce)
    return { kind: 'loaded', envelope, flush, forceExpired: (facts.mode & MODE_FORCE_EXPIRE) !== 0 }
  } catch (error) {
    if (!(error instanceof QueueFileError)) throw error
    tools.log.warning(`${id}: ${error.message}`)
    return { kind: 'damaged' }
  } finally {
    files.close(fd)
  }
}

function openActive(spool: Spool, id: QueueId): number | undefined {
  try {
    return files.open(queuePath(spool, 'active', id), O_RDWR)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

function readWhole(fd: number, id: QueueId, before: Envelope | undefined, recipientLimit: number): Envelope {
  if (before?.more === undefined) return readEnvelope(fd, { id, recipientLimit })
  const { recipients, more } = readRecipients(fd, before, before.more, { id, recipientLimit })
  return { ...before, recipients, more }
}

/** Like unfinishedRecipients(). All, where that can't be read: a recipient too many is found done by the next attempt. */
export function openRecipients(
  spool: Spool, log: Logger, id: QueueId, recipients: EnvelopeRecipient[],
): EnvelopeRecipient[] {
  try {
    return unfinishedRecipients(spool, id, recipients)
  } catch (error) {
    log.warning(`${id}: cannot read its recipients: ${errnoText(error)}`)
    return recipients
  }
}

/** Notes in the file that the delay warning was sent. */
export function markWarned(spool: Spool, id: QueueId, { warnOffset }: Envelope): void {
  if (warnOffset === undefined) return
  const fd = files.open(queuePath(spool, 'active', id), O_RDWR)
  try {
    setWarned(fd, warnOffset)
  } finally {
    files.close(fd)
  }
}

/** Whether a log of the message exists and says something; an empty one is removed. */
export function hasLog(spool: Spool, log: LogName, id: QueueId): boolean {
  const facts = statFile(spool, log, id)
  if (facts?.size === 0) removeLog(spool, log, id)
  return facts !== undefined && facts.size > 0
}

/** Whether the file is whole: agents take that mark from one that they cannot read. A file that is gone is. */
export function isWhole(spool: Spool, id: QueueId): boolean {
  const facts = statFile(spool, 'active', id)
  return facts === undefined || isReady(facts)
}

/** Whether a delivery agent holds its lock on the file. */
export function isInUse(spool: Spool, id: QueueId): boolean {
  const fd = openActive(spool, id)
  if (fd === undefined) return false
  try {
    return !files.flock(fd, 'exclusive', false)
  } finally {
    files.close(fd)
  }
}
