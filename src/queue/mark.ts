/**
 * Marks made in place in a queue file: one byte, or one number of fixed width.
 *
 * Nothing moves, so that others may hold offsets into the file, and several agents
 * may mark different recipients at the same time. A crash leaves the old or the new mark.
 *
 * @module
 */
import { isErrno } from '#system/errno.ts'
import { files, O_RDONLY } from '#system/files.ts'
import type { EnvelopeRecipient } from './envelope-types.ts'
import { NUMBER_WIDTH, paddedNumber, QueueFileError, RECORD } from './record.ts'
import { queuePath, type QueueId, type Spool } from './spool.ts'

/** Value of the warning time once the warning was sent. */
const WARNED = -1

function readBytes(fd: number, offset: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  const got = files.read(fd, bytes, 0, count, offset)
  return bytes.subarray(0, got)
}

/** Changes the type byte of a record; refuses when it is not one of `from` (or already `to`). */
function changeType(fd: number, offset: number, from: number, to: number): void {
  const [type] = readBytes(fd, offset, 1)
  if (type === to) return
  if (type !== from) throw new QueueFileError(`no record of type ${from} at offset ${offset}, but ${type ?? 'the end'}`)
  files.write(fd, Uint8Array.of(to), 0, 1, offset)
}

/**
 * Marks a recipient as delivered or bounced.
 *
 * @param offset Of its recipient record, as the envelope reader gave it.
 * @throws {QueueFileError} When there is no recipient at `offset`: nothing is changed then.
 */
export function markDone(fd: number, offset: number): void {
  changeType(fd, offset, RECORD.recipient, RECORD.done)
}

/** Takes the mark of a recipient back: it is to be tried again. @throws {QueueFileError} */
export function markOpen(fd: number, offset: number): void {
  changeType(fd, offset, RECORD.done, RECORD.recipient)
}

/** The recipients whose record still says "to do"; none when the file is gone from active/. */
export function unfinishedRecipients(
  spool: Spool, id: QueueId, recipients: readonly EnvelopeRecipient[],
): EnvelopeRecipient[] {
  const type = new Uint8Array(1)
  try {
    const fd = files.open(queuePath(spool, 'active', id), O_RDONLY)
    try {
      return recipients.filter(({ offset }) => files.read(fd, type, 0, 1, offset) === 1 && type[0] === RECORD.recipient)
    } finally {
      files.close(fd)
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

/** Marks the request for a delivery report as fulfilled. @throws {QueueFileError} */
export function killTrace(fd: number, offset: number): void {
  changeType(fd, offset, RECORD.attribute, RECORD.killed)
}

/** Notes that the delay warning was sent. @throws {QueueFileError} */
export function setWarned(fd: number, offset: number): void {
  const [type, length] = readBytes(fd, offset, 2)
  if (type !== RECORD.warnTime || length !== NUMBER_WIDTH) {
    throw new QueueFileError(`no warning time record at offset ${offset}`)
  }
  files.write(fd, new TextEncoder().encode(paddedNumber(WARNED)), 0, NUMBER_WIDTH, offset + 2)
}
