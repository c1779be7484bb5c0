/**
 * Logs of delivery status: what became of each recipient of one message, for the notices.
 *
 * A log is text: records of `name=value` lines, an empty line before and after each.
 * Writers: bounce (services bounce, defer, trace), cleanup (expanded aliases). Readers: bounce, showq.
 * After a crash in the middle of a record, that record is discarded by the readers.
 *
 * Recipients in bounce and trace logs are marked as done in the queue file: the name of such a log is made durable
 * with its first record. Those in defer logs are not: when a crash takes the log, they are tried again all the same.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { log } from '#system/log.ts'
import { files, O_APPEND, O_CREAT, O_WRONLY } from '#system/files.ts'
import { encodeRaw } from '#util/raw-text.ts'
import type { QueueId } from './id.ts'
import { formatStatus, parseStatus, type StatusRecord } from './log-record.ts'
import { readLines } from './lines.ts'
import { giveFile } from './owner.ts'
import { foldersAbove, openFileIfThere, queuePath, relativePath, syncFolder, withParents, type LogName, type Spool } from './spool.ts'

export type { StatusRecord } from './log-record.ts'

const LOG_MODE = 0o600
/** Tries to get the lock that another process holds, and the wait between two of them. */
const LOCK_ATTEMPTS_MAX = 400
const LOCK_WAIT_MS = 50

/** Appends of this process that are at work, by path: one at a time, since its own locks compete too. */
const busy = new Map<string, Promise<void>>()

async function lockFile(fd: number, path: string): Promise<void> {
  for (let attempt = 0; !files.flock(fd, 'exclusive', false); attempt++) {
    if (attempt >= LOCK_ATTEMPTS_MAX) throw new Error(`Cannot lock "${path}": another process holds the lock`)
    await delay(LOCK_WAIT_MS)
  }
}

/** Writes and syncs, when the file is new its `folders` too; cuts the file to its old size when that fails. */
async function writeDurably(fd: number, bytes: Uint8Array, folders: readonly string[]): Promise<void> {
  const { size } = files.fstat(fd)
  try {
    files.write(fd, bytes, 0, bytes.length, null)
    await files.fsync(fd)
    if (size === 0) for (const folder of folders) await syncFolder(folder)
  } catch (error) {
    files.ftruncate(fd, size)
    throw error
  }
}

async function appendBytes(spool: Spool, name: LogName, path: string, bytes: Uint8Array): Promise<void> {
  const fd = withParents(spool, path, () => files.open(path, O_WRONLY | O_APPEND | O_CREAT, LOG_MODE))
  try {
    giveFile(fd, path.slice(0, path.lastIndexOf('/')))
    await lockFile(fd, path)
    await writeDurably(fd, bytes, name === 'defer' ? [] : foldersAbove(spool, path))
  } finally {
    files.close(fd)
  }
}

/** Runs `task` after all others of the same path. */
async function inTurn(path: string, task: () => Promise<void>): Promise<void> {
  const before = busy.get(path)
  const turn = before ? before.then(task, task) : task()
  busy.set(path, turn)
  try {
    await turn
  } finally {
    if (busy.get(path) === turn) busy.delete(path)
  }
}

/** Settings of the writer. */
export type AppendOptions = {
  /** Write the line `<address>: reason` too (backwards_bounce_logfile_compatibility). Default: yes. */
  readonly compatible?: boolean
}

/**
 * Appends records to a log of a message and makes them durable. Several at once cost one sync.
 *
 * @throws {NodeJS.ErrnoException} When it cannot be written; the log is then as before.
 */
export async function appendLog(
  spool: Spool, name: LogName, id: QueueId, records: StatusRecord | readonly StatusRecord[],
  options: AppendOptions = {},
): Promise<void> {
  const list = Array.isArray(records) ? records : [records]
  const text = list.map((record: StatusRecord) => formatStatus(record, options.compatible ?? true)).join('')
  const path = queuePath(spool, name, id)
  await inTurn(path, () => appendBytes(spool, name, path, encodeRaw(text)))
}

/**
 * The records of a log, one at a time; none when there is no log.
 *
 * @param isLikely Whether there is one, as far as the caller knows: an open that fails costs more than a look before.
 * @throws {NodeJS.ErrnoException} Any file error but ENOENT.
 */
export function* readLog(spool: Spool, name: LogName, id: QueueId, isLikely = true): Generator<StatusRecord, void> {
  const path = queuePath(spool, name, id)
  if (!isLikely && files.lstat(path) === undefined) return
  const fd = openFileIfThere(path)
  if (fd === undefined) return
  const warn = (text: string): void => log.warning(`${relativePath(spool, name, id)}: ${text}`)
  try {
    yield* parseStatus(readLines(fd), name, warn)
  } finally {
    files.close(fd)
  }
}

/** Size of a log in bytes; `undefined` when there is none. */
export function logSize(spool: Spool, name: LogName, id: QueueId): number | undefined {
  return files.lstat(queuePath(spool, name, id))?.size
}

/** Removes a log. `false`: there was none. */
export function removeLog(spool: Spool, name: LogName, id: QueueId): boolean {
  const path = queuePath(spool, name, id)
  // Most messages have none, and an error costs more than a look.
  return files.lstat(path) !== undefined && files.unlink(path)
}
