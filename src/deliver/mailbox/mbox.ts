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
import { fcntlLock, flock } from '#system/posix.ts'

export type LockSettings = {
  /** `fcntl`, `flock`, `dotlock`. */
  readonly styles: ReadonlySet<string>
  readonly attempts: number
  readonly delayMs: number
  /** Age at which a lock file is taken to be forgotten, in milliseconds. */
  readonly staleMs: number
}

/** Why a mailbox can't be used; the text is for the delivery line. */
export class MailboxError extends Error {
  override name = 'MailboxError'
  /** Enhanced status code: class 4 is tried again. */
  readonly status: string

  constructor(status: string, message: string) {
    super(message)
    this.status = status
  }
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
}

const FILE_MODE = 0o600

/**
 * Appends one message; durable when this resolves.
 *
 * @throws {MailboxError} For what delivery lines have words for; {NodeJS.ErrnoException} for all else.
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
  // A device is no mailbox: there is nothing to lock, and nothing to keep.
  const isDevice = path.startsWith('/dev/')
  const dotlock = locks.styles.has('dotlock') && !isDevice ? await takeDotlock(`${path}.lock`, maker, options) : undefined
  try {
    const fd = asUser(maker, () => (isDevice ? fs.openSync(path, DEVICE_FLAGS) : openMailbox(path, options)))
    try {
      if (!isDevice) await lockFile(fd, path, locks)
      await appendAll(fd, chunks, sizeMax)
    } finally {
      fs.closeSync(fd)
    }
  } finally {
    if (dotlock !== undefined) asUser(maker, () => fs.rmSync(dotlock, { force: true }))
  }
}

const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = fs.constants
const DEVICE_FLAGS = O_WRONLY | O_APPEND | O_NONBLOCK
/** The file itself, never what a link in its place points to. */
const MAILBOX_FLAGS = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK

function openMailbox(path: string, { owner, maker, strictOwner }: MboxOptions): number {
  const fd = maker ? openOrGive(path, owner) : fs.openSync(path, MAILBOX_FLAGS | O_CREAT, FILE_MODE)
  const { uid, mode, nlink } = fs.fstatSync(fd)
  const refuse = (text: string): never => {
    fs.closeSync(fd)
    throw new MailboxError('5.2.0', text)
  }
  if ((mode & fs.constants.S_IFMT) !== fs.constants.S_IFREG) refuse(`destination ${path} is not a regular file`)
  if (nlink !== 1) refuse(`file ${path} should not have multiple links`)
  if ((mode & 0o111) !== 0) refuse(`file is executable`)
  if (strictOwner && uid !== owner.uid) throw notOwner(fd, path)
  return fd
}

/** Opens a mailbox; a new one becomes the owner's, who could not have made it there. */
function openOrGive(path: string, owner: Identity): number {
  try {
    return fs.openSync(path, MAILBOX_FLAGS)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
  const fd = fs.openSync(path, MAILBOX_FLAGS | O_CREAT | O_EXCL, FILE_MODE)
  fs.fchownSync(fd, owner.uid, owner.gid)
  return fd
}

function notOwner(fd: number, path: string): MailboxError {
  fs.closeSync(fd)
  return new MailboxError('4.2.0', `destination ${path} is not owned by recipient`)
}

/** The path of the lock file; undefined: none can be made, and none is needed. */
async function takeDotlock(
  path: string, maker: Identity, { locks, lockFileOptional }: MboxOptions,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      fs.closeSync(asUser(maker, () => fs.openSync(path, 'wx', FILE_MODE)))
      return path
    } catch (error) {
      if (isErrno(error, 'EACCES') && lockFileOptional === true) return undefined
      if (!isErrno(error, 'EEXIST')) throw error
    }
    if (attempt >= locks.attempts) {
      throw new MailboxError('4.2.0', `unable to lock for exclusive access: lock file ${path} exists`)
    }
    if (isStale(path, locks.staleMs)) asUser(maker, () => fs.rmSync(path, { force: true }))
    else await delay(locks.delayMs)
  }
}

function isStale(path: string, staleMs: number): boolean {
  const stats = fs.statSync(path, { throwIfNoEntry: false })
  return stats !== undefined && Date.now() - stats.ctimeMs > staleMs
}

async function lockFile(fd: number, path: string, locks: LockSettings): Promise<void> {
  const wanted = [
    ...(locks.styles.has('fcntl') ? [() => fcntlLock(fd, 'exclusive', false)] : []),
    ...(locks.styles.has('flock') ? [() => flock(fd, 'exclusive', false)] : []),
  ]
  for (const take of wanted) {
    for (let attempt = 1; !take(); attempt += 1) {
      if (attempt >= locks.attempts) throw new MailboxError('4.2.0', `unable to lock ${path} for exclusive access`)
      await delay(locks.delayMs)
    }
  }
}

async function appendAll(fd: number, chunks: Iterable<Uint8Array>, sizeMax: number): Promise<void> {
  const { size } = fs.fstatSync(fd)
  const regular = fs.fstatSync(fd).isFile()
  try {
    let total = size
    for (const chunk of chunks) {
      total += chunk.length
      if (sizeMax > 0 && total > sizeMax) throw new MailboxError('5.2.2', 'mailbox size limit exceeded')
      for (let at = 0; at < chunk.length;) at += fs.writeSync(fd, chunk, at)
    }
    if (regular) {
      await new Promise<void>(
        (resolve, reject) => fs.fsync(fd, (error) => (error ? reject(error) : resolve()))
      )
    }
  } catch (error) {
    if (regular) fs.ftruncateSync(fd, size)
    throw error
  }
}
