/**
 * Whether a mail system runs on a queue directory: its master holds a lock for life.
 *
 * @module
 */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isErrno } from '#system/errno.ts'
import { flock } from '#system/posix.ts'

/** Where the process id of master is, below the queue directory. */
export const PID_FILE = 'pid/master.pid'

/**
 * The process id of the master that runs on this queue directory, or `undefined`
 * when none does: then nobody holds the lock.
 *
 * @throws {NodeJS.ErrnoException} When the file is there and cannot be opened.
 */
export function runningMaster(queueDirectory: string): number | undefined {
  const path = join(queueDirectory, PID_FILE)
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
  try {
    if (flock(fd, 'shared', false)) return undefined
    return Number(readFileSync(path, 'latin1').trim())
  } finally {
    closeSync(fd)
  }
}
