/**
 * The two locks that keep a second master away: one for the queue directory, one
 * for the data directory. Both are flock(2), and hold the process id as text,
 * as Postfix's tools expect it.
 *
 * @module
 */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { PID_FILE } from '#service/instance.ts'
import { errnoText } from '#system/errno.ts'
import { flock } from '#system/posix.ts'
import { isRoot, type User } from '#system/users.ts'

const LOCK_FILE = 'master.lock'
/** Postfix pads the number to four times the bytes of a long. */
const PID_COLUMNS = 32

/** A lock that another process holds, or a file that cannot be opened; Postfix's words. */
export class LockError extends Error {
  override name = 'LockError'
}

function lockFile(path: string): number {
  let fd: number
  try {
    fd = openSync(path, constantsReadWriteCreate, 0o600)
  } catch (error) {
    throw new LockError(`open lock file ${path}: cannot open file: ${errnoText(error)}`)
  }
  if (flock(fd, 'exclusive', false)) return fd
  closeSync(fd)
  throw new LockError(`open lock file ${path}: unable to set exclusive lock: Resource temporarily unavailable`)
}

/** O_RDWR | O_CREAT: what is in the file stays until the lock is ours. */
const constantsReadWriteCreate = 0o2 | 0o100

function writePid(fd: number): void {
  ftruncateSync(fd)
  writeSync(fd, `${String(process.pid).padStart(PID_COLUMNS)}\n`, 0)
}

/** Runs `work` as the mail owner, when this process is root: files it creates belong to that user. */
function asUser<T>(owner: User, work: () => T): T {
  if (!isRoot()) return work()
  process.setegid?.(owner.gid)
  process.seteuid?.(owner.uid)
  try {
    return work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}

/**
 * Takes both locks for the life of this process, and writes the process id.
 * The working directory is the queue directory.
 *
 * @throws {LockError}
 */
export function lockInstance(config: Config, owner: User): void {
  writePid(lockFile(PID_FILE))
  const path = join(config.str('data_directory'), LOCK_FILE)
  asUser(owner, () => writePid(lockFile(path)))
}
