/**
 * Delivery to a mailbox file: locked, appended, synced, and cut to its old length when that fails.
 *
 * Source: RFC 4155; postconf(5) mailbox_delivery_lock, deliver_lock_attempts, stale_lock_time.
 *
 * @module
 */
import fs from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { asUser, type Identity } from '#system/as-user.ts'
import { isErrno } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { fcntlLock, flock } from '#system/posix.ts'
import { MailboxError, mailboxError, tooLarge, writeError } from './error.ts'
import { openForAppending } from './safe-open.ts'

export type LockSettings = {
  /** `fcntl`, `flock`, `dotlock`. */
  readonly styles: ReadonlySet<string>
  readonly attempts: number
  readonly delayMs: number
  /** Age at which a lock file is taken to be forgotten, in milliseconds. */
  readonly staleMs: number
}

export type MboxOptions = {
  readonly owner: Identity
  /** Who makes the lock file and a new mailbox, where the folder is not the owner's; default: the owner. */
  readonly maker?: Identity
  /** Deliver without a lock file where none can be made. */
  readonly lockFileOptional?: boolean
  readonly locks: LockSettings
  /** Bytes the file may have; 0 is no limit. */
  readonly sizeMax: number
  /** Refuse a file that another user owns. */
  readonly strictOwner: boolean
  /** Status code for what is wrong with the mailbox itself. RFC 3463 §3.3. */
  readonly status: string
  /** It is a file that a list names, and no user's mailbox: anything but a program will do. */
  readonly anyFile?: boolean
}

const FILE_MODE = 0o600

/**
 * Appends one message; durable when this resolves.
 *
 * @throws {MailboxError} The mailbox cannot be used, or not now.
 */
export async function deliverMbox(path: string, chunks: Iterable<Uint8Array>, options: MboxOptions): Promise<void> {
  const before = busy.get(path) ?? Promise.resolve()
  const turn = before.then(() => deliverInTurn(path, chunks, options))
  // Those who wait only care that it is over.
  const over = turn.catch(() => undefined)
  busy.set(path, over)
  try {
    await turn
  } finally {
    if (busy.get(path) === over) busy.delete(path)
  }
}

/** fcntl locks do not hold off the process that has them, so deliveries of this process take turns. */
const busy = new Map<string, Promise<void>>()

async function deliverInTurn(path: string, chunks: Iterable<Uint8Array>, options: MboxOptions): Promise<void> {
  const { owner, locks, sizeMax } = options
  const maker = options.maker ?? owner
  const dotlock = locks.styles.has('dotlock') && mayBeLocked(path, maker)
    ? await takeDotlock(`${path}.lock`, maker, options)
    : undefined
  try {
    const fd = asUser(maker, () => openMailbox(path, options))
    try {
      if (fs.fstatSync(fd).isFile()) await lockFile(fd, locks)
      await appendAll(fd, chunks, sizeMax)
    } finally {
      fs.closeSync(fd)
    }
  } finally {
    if (dotlock !== undefined) asUser(maker, () => fs.rmSync(dotlock, { force: true }))
  }
}

/** A device or a folder is no mailbox: there is nothing to lock. */
function mayBeLocked(path: string, maker: Identity): boolean {
  try {
    return asUser(maker, () => fs.statSync(path)).isFile()
  } catch {
    return true
  }
}

function openMailbox(path: string, { owner, maker, strictOwner, anyFile, status }: MboxOptions): number {
  const fd = openForAppending(path, maker && owner, status)
  const stats = fs.fstatSync(fd)
  const isFile = stats.isFile()
  const refuse = (code: string, text: string): never => {
    fs.closeSync(fd)
    throw new MailboxError(code, text)
  }
  if (anyFile === true) {
    if (isFile && (stats.mode & EXECUTABLE) !== 0) refuse('5.7.1', 'file is executable')
    return fd
  }
  if (!isFile) refuse('5.2.0', `destination ${path} is not a regular file`)
  if (strictOwner && stats.uid !== owner.uid) {
    log.warning('specify "strict_mailbox_ownership = no" to ignore mailbox ownership mismatch')
    refuse('4.2.0', `destination ${path} is not owned by recipient`)
  }
  return fd
}

const EXECUTABLE = 0o111

/** The path of the lock file; undefined: none can be made, and none is needed. */
async function takeDotlock(
  path: string, maker: Identity, { locks, lockFileOptional, status }: MboxOptions,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    let failure: unknown
    try {
      fs.closeSync(asUser(maker, () => fs.openSync(path, 'wx', FILE_MODE)))
      return path
    } catch (error) {
      failure = error
    }
    const exists = isErrno(failure, 'EEXIST')
    const problem = mailboxError(`unable to create lock file ${path}`, failure, exists ? '4.2.0' : status)
    if (!exists && lockFileOptional === true) {
      log.warning(problem.message)
      return undefined
    }
    if (!exists || attempt >= locks.attempts) throw problem
    if (isStale(path, locks.staleMs)) asUser(maker, () => fs.rmSync(path, { force: true }))
    else await delay(locks.delayMs)
  }
}

function isStale(path: string, staleMs: number): boolean {
  const stats = fs.statSync(path, { throwIfNoEntry: false })
  return stats !== undefined && Date.now() - stats.ctimeMs > staleMs
}

async function lockFile(fd: number, locks: LockSettings): Promise<void> {
  const wanted = [
    ...(locks.styles.has('fcntl') ? [() => fcntlLock(fd, 'exclusive', false)] : []),
    ...(locks.styles.has('flock') ? [() => flock(fd, 'exclusive', false)] : []),
  ]
  for (const take of wanted) {
    for (let attempt = 1; !take(); attempt += 1) {
      if (attempt >= locks.attempts) {
        throw new MailboxError('4.2.0', 'unable to lock for exclusive access: Resource temporarily unavailable')
      }
      await delay(locks.delayMs)
    }
  }
}

async function appendAll(fd: number, chunks: Iterable<Uint8Array>, sizeMax: number): Promise<void> {
  const stats = fs.fstatSync(fd)
  const regular = stats.isFile()
  try {
    let total = regular ? stats.size : 0
    for (const chunk of chunks) {
      total += chunk.length
      if (regular && sizeMax > 0 && total > sizeMax) throw tooLarge()
      write(fd, chunk)
    }
    if (regular) await sync(fd)
  } catch (error) {
    if (regular) fs.ftruncateSync(fd, stats.size)
    throw error
  }
}

function write(fd: number, chunk: Uint8Array): void {
  try {
    for (let at = 0; at < chunk.length;) at += fs.writeSync(fd, chunk, at)
  } catch (error) {
    throw writeError(error)
  }
}

function sync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fsync(fd, (error) => (error ? reject(writeError(error)) : resolve()))
  })
}
