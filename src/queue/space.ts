/**
 * Free space for new messages.
 *
 * Source: postconf(5) queue_minfree, message_size_limit.
 *
 * @module
 */
import { files } from '#system/files.ts'
import type { Spool } from './spool.ts'

/** A message needs more than its size: records, logs, and room for others. Postfix's factor. */
export const SPACE_FACTOR = 1.5

/** Bytes that may still be written to the file system of the queue. */
export function freeSpace(spool: Spool): Promise<number> {
  return files.freeBytes(spool.path)
}

/**
 * Whether a message may be taken in.
 *
 * @param free Bytes free now.
 * @param minimum queue_minfree, in bytes; 0: no minimum.
 * @param messageBytes Size the client announced, or 0.
 */
export function hasSpace(free: number, minimum: number, messageBytes: number): boolean {
  return free > minimum && free / SPACE_FACTOR > messageBytes
}
