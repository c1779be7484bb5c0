/**
 * Whether a queue file still holds what was committed.
 *
 * Only marks that delivery makes in place may differ, and only where their records are: a file may hold another message
 * that was in it before (queue/spare.ts), and two messages of one sender often differ in a few digits.
 *
 * @module
 */
import { files, O_RDONLY } from '#system/files.ts'
import { readEnvelope } from '#queue/envelope.ts'
import type { QueueId } from '#queue/id.ts'
import { NUMBER_WIDTH, QueueFileError, RECORD } from '#queue/record.ts'

const READY_MODE = 0o700
/** Of a record of less than 128 bytes: its type and its length. */
const RECORD_HEAD_BYTES = 2

/** `whole`: the message, but for its marks; `torn`: parts of it, where the rest is missing or zero; `other`: something else. */
export type Comparison = 'whole' | 'torn' | 'other'

/** Compares the file at `path` with what was committed. @throws {NodeJS.ErrnoException} When it can't be read. */
export function compareFile(path: string, id: QueueId, expected: Uint8Array): Comparison {
  const fd = files.open(path, O_RDONLY)
  try {
    const { mode, size } = files.fstat(fd)
    const bytes = Buffer.alloc(expected.length)
    files.read(fd, bytes, 0, bytes.length, 0)
    takeMarksBack(bytes, expected, id)
    // The last byte is a zero: without it the rest looks the same.
    if (size === expected.length && (mode & READY_MODE) === READY_MODE && bytes.equals(expected)) return 'whole'
    return size <= expected.length && bytes.every((byte, i) => byte === 0 || byte === expected[i]) ? 'torn' : 'other'
  } finally {
    files.close(fd)
  }
}

/** Recipients that are done or canceled, a struck-out trace request, the digits of a warning time become as they were. */
function takeMarksBack(bytes: Buffer, expected: Uint8Array, id: QueueId): void {
  if (bytes.equals(expected)) return
  const { recipients, warnOffset, traceOffset } = marksOf(expected, id)
  const restore = (offset: number, marks: readonly number[]): void => {
    if (marks.includes(bytes[offset] ?? 0)) bytes[offset] = expected[offset] ?? 0
  }
  for (const { offset } of recipients) restore(offset, [RECORD.done, RECORD.canceled])
  if (traceOffset !== undefined) restore(traceOffset, [RECORD.killed])
  if (warnOffset === undefined) return
  const [start, end] = [warnOffset + RECORD_HEAD_BYTES, warnOffset + RECORD_HEAD_BYTES + NUMBER_WIDTH]
  if (/^ *-?\d+$/.test(bytes.toString('latin1', start, end))) bytes.set(expected.subarray(start, end), start)
}

type Marks = Pick<ReturnType<typeof readEnvelope>, 'recipients' | 'warnOffset' | 'traceOffset'>

function marksOf(expected: Uint8Array, id: QueueId): Marks {
  try {
    return readEnvelope(expected, { id })
  } catch (error) {
    if (error instanceof QueueFileError) return { recipients: [], warnOffset: undefined, traceOffset: undefined }
    throw error
  }
}
