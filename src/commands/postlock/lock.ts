/**
 * Locks of a mailbox file, as mail readers take them: fcntl, flock, and a lock file beside it.
 *
 * @module
 */
import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '#config/config.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { fcntlLock, flock } from '#system/posix.ts'

/** A way to lock; `mailbox_delivery_lock` names them. */
export type LockStyle = 'fcntl' | 'flock' | 'dotlock'

/** A lock that could not be had; Postfix's words. */
export class MailboxLockError extends Error {
  override name = 'MailboxLockError'
}

const STYLES: readonly string[] = ['fcntl', 'flock', 'dotlock'] satisfies LockStyle[]
const FOLDER_MODE = 0o600
/** A lock file belongs to everybody's program that takes part. */
const LOCK_FILE_MODE = 0o444

function isStyle(word: string): word is LockStyle {
  return STYLES.includes(word)
}

/**
 * The styles in a list such as `fcntl, dotlock`.
 *
 * @throws {MailboxLockError} For an unknown word.
 */
export function lockStyles(list: string): LockStyle[] {
  return list.split(/[\s,]+/).filter((word) => word !== '').map((word) => {
    if (isStyle(word)) return word
    throw new MailboxLockError(`unknown mailbox_delivery_lock value "${word}" in "${list}"`)
  })
}

/** How long to try. Milliseconds. */
export type LockPatience = { readonly attempts: number; readonly delayMs: number; readonly staleMs: number }

/** The patience of delivery agents. */
export function lockPatience(config: Config): LockPatience {
  return {
    attempts: config.int('deliver_lock_attempts'),
    delayMs: config.time('deliver_lock_delay') * 1000,
    staleMs: config.time('stale_lock_time') * 1000,
  }
}

/** A locked folder. */
export type LockedFolder = Disposable & { readonly fd: number }

/**
 * Locks a folder, which is created when it is missing.
 *
 * @throws {MailboxLockError} When it cannot be opened, or stays locked by another program.
 */
export async function lockFolder(folder: string, styles: readonly LockStyle[], patience: LockPatience): Promise<LockedFolder> {
  const lockFile = styles.includes('dotlock') ? `${folder}.lock` : undefined
  if (lockFile !== undefined) await takeLockFile(lockFile, patience)
  let fd: number | undefined
  const release = (): void => {
    if (fd !== undefined) closeSync(fd)
    if (lockFile !== undefined) rmSync(lockFile, { force: true })
  }
  try {
    fd = openFolder(folder)
    await lockDescriptor(fd, styles, patience)
    return { fd, [Symbol.dispose]: release }
  } catch (error) {
    release()
    throw error
  }
}

function openFolder(folder: string): number {
  try {
    return openSync(folder, 'a+', FOLDER_MODE)
  } catch (error) {
    throw new MailboxLockError(`cannot open file: ${errnoText(error)}`)
  }
}

async function lockDescriptor(fd: number, styles: readonly LockStyle[], patience: LockPatience): Promise<void> {
  const calls = [
    ...(styles.includes('flock') ? [() => flock(fd, 'exclusive', false)] : []),
    ...(styles.includes('fcntl') ? [() => fcntlLock(fd, 'exclusive', false)] : []),
  ]
  for (const call of calls) {
    for (let attempt = 1; !call(); attempt++) {
      if (attempt >= patience.attempts) throw new MailboxLockError('unable to lock for exclusive access: Resource temporarily unavailable')
      await delay(patience.delayMs)
    }
  }
}

async function takeLockFile(path: string, patience: LockPatience): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      closeSync(openSync(path, 'wx', LOCK_FILE_MODE))
      return
    } catch (error) {
      const busy = isErrno(error, 'EEXIST')
      if (!busy || attempt >= patience.attempts) throw new MailboxLockError(`unable to create lock file ${path}: ${errnoText(error)}`)
    }
    if (isStale(path, patience.staleMs)) rmSync(path, { force: true })
    else await delay(patience.delayMs)
  }
}

function isStale(path: string, staleMs: number): boolean {
  const facts = statSync(path, { throwIfNoEntry: false })
  return facts !== undefined && Date.now() - facts.mtimeMs > staleMs
}
