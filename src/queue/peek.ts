/**
 * A queue file for somebody who only looks at it, without a lock: the message of that name, or nothing.
 *
 * As long as a file is open and read, its message may leave the queue, and another be written over it (queue/spare.ts).
 * So what could be used again is read at once, and counts when its name is still there afterwards.
 *
 * @module
 */
import { files } from '#system/files.ts'
import { locate } from './journal/survivors.ts'
import type { RecordSource } from './record-reader.ts'
import { isRetired, USED_BYTES_MAX } from './spare.ts'
import { openFileIfThere, queuePath, type QueueId, type QueueName, type Spool } from './spool.ts'

/** Where files are that are being written, over what they held before, or that wait for the next message. */
const CHANGING_QUEUES: readonly QueueName[] = ['incoming', 'active', 'hold']

/**
 * Runs `look` on the file of a message.
 *
 * @returns False: there is no such message in this queue, or not yet.
 * @throws {NodeJS.ErrnoException} When it can't be read.
 */
export function peekAt(spool: Spool, queue: QueueName, id: QueueId, look: (source: RecordSource) => void): boolean {
  const fd = openFileIfThere(queuePath(spool, queue, id))
  if (fd === undefined) return false
  try {
    const source = sourceOf(spool, queue, id, fd)
    if (source !== undefined) look(source)
    return source !== undefined
  } finally {
    files.close(fd)
  }
}

function sourceOf(spool: Spool, queue: QueueName, id: QueueId, fd: number): RecordSource | undefined {
  const facts = files.fstat(fd)
  if (CHANGING_QUEUES.includes(queue) && isRetired(facts)) return undefined
  if (!facts.isFile || facts.size > USED_BYTES_MAX) return fd
  const bytes = new Uint8Array(facts.size)
  const filled = files.read(fd, bytes, 0, bytes.length, 0)
  return locate(spool, id) === undefined ? undefined : bytes.subarray(0, filled)
}
