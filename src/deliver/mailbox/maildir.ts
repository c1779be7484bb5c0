/**
 * Delivery to a Maildir: written and synced in tmp/, then moved to new/ under a name that no other delivery has.
 *
 * Source: https://cr.yp.to/proto/maildir.html; the file names are Postfix's.
 *
 * @module
 */
import fs from 'node:fs'
import { hostname } from 'node:os'
import { asUser, type Identity } from '#system/as-user.ts'
import { isErrno } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { mailboxError, tooLarge, writeError, type MailboxError } from './error.ts'

const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600
const SUBDIRECTORIES = ['tmp', 'cur', 'new'] as const

/** Largest message in bytes, 0 for any; and the DSN status of what is wrong with the Maildir. */
export type MaildirOptions = { readonly sizeMax: number; readonly status: string }

/** Part of every file's name. */
const HOST = hostname()

let sequence = 0

/**
 * Writes one message; durable when this resolves.
 *
 * @param path The Maildir, with or without a slash at its end; its parts are made when missing.
 * @param chunks The message.
 * @param options `sizeMax`: bytes a message may have, 0 is no limit; `status`: code for what is wrong with the Maildir.
 * @throws {MailboxError} It cannot be written; nothing is left in new/ then, unless the sync of new/ has failed.
 */
export async function deliverMaildir(
  path: string, chunks: Iterable<Uint8Array>, owner: Identity, { sizeMax, status }: MaildirOptions,
): Promise<void> {
  const folder = path.replace(/\/+$/, '')
  const temporary = temporaryPath(folder)
  const fd = openTemporary(folder, temporary, owner, status)
  try {
    await writeAll(fd, chunks, sizeMax)
    await syncDirectory(publish(fd, folder, temporary, owner))
  } catch (error) {
    removeQuietly(temporary, owner)
    throw error
  } finally {
    fs.closeSync(fd)
  }
}

/** `tmp/SECONDS.P<pid>.HOST`; the counter keeps deliveries of one process and second apart. */
function temporaryPath(folder: string): string {
  sequence += 1
  return `${folder}/tmp/${Math.trunc(Date.now() / 1000)}.P${process.pid}Q${sequence}.${HOST}`
}

function openTemporary(folder: string, temporary: string, owner: Identity, status: string): number {
  const open = (): number => asUser(owner, () => fs.openSync(temporary, 'wx', FILE_MODE))
  try {
    return open()
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw cannotCreate(temporary, owner, error, status)
  }
  try {
    asUser(owner, () => {
      for (const name of SUBDIRECTORIES) fs.mkdirSync(`${folder}/${name}`, { recursive: true, mode: DIRECTORY_MODE })
    })
    return open()
  } catch (error) {
    throw cannotCreate(temporary, owner, error, status)
  }
}

/** Users cannot make folders everywhere: somebody has to. */
function cannotCreate(path: string, { uid, gid }: Identity, error: unknown, status: string): MailboxError {
  const problem = mailboxError(`create maildir file ${path}`, error, status)
  if (isErrno(error, 'EACCES')) {
    log.warning(`maildir access problem for UID/GID=${uid}/${gid}: ${problem.message}`)
    log.warning('perhaps you need to create the maildirs in advance')
  }
  return problem
}

async function writeAll(fd: number, chunks: Iterable<Uint8Array>, sizeMax: number): Promise<void> {
  let size = 0
  for (const chunk of chunks) {
    size += chunk.length
    if (sizeMax > 0 && size > sizeMax) throw tooLarge()
    try {
      for (let at = 0; at < chunk.length;) at += fs.writeSync(fd, chunk, at)
    } catch (error) {
      throw writeError(error)
    }
  }
  await new Promise<void>((resolve, reject) => {
    fs.fsync(fd, (error) => (error ? reject(writeError(error)) : resolve()))
  })
}

/**
 * `new/SECONDS.V<device>I<inode>M<microseconds>.HOST`: unique while the file exists, so that the move replaces nothing.
 *
 * @returns A descriptor of new/.
 */
function publish(fd: number, folder: string, temporary: string, owner: Identity): number {
  const { dev, ino } = fs.fstatSync(fd, { bigint: true })
  const now = process.hrtime.bigint() % 1_000_000n
  const directory = `${folder}/new`
  const path = `${directory}/${Math.trunc(Date.now() / 1000)}.V${dev.toString(16)}I${ino.toString(16)}M${now}.${HOST}`
  // One change of identity for both: each costs a handful of system calls.
  return asUser(owner, () => {
    // Opened first: once the file has moved, nothing but its sync may fail.
    const directoryFd = openDirectory(directory)
    try {
      fs.renameSync(temporary, path)
      return directoryFd
    } catch (error) {
      fs.closeSync(directoryFd)
      throw error
    }
  })
}

function openDirectory(path: string): number {
  try {
    return fs.openSync(path, 'r')
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
    fs.mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE })
    return fs.openSync(path, 'r')
  }
}

/** The entry in new/ must survive a crash too: the queue file is removed right after. @param fd Is closed. */
async function syncDirectory(fd: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => fs.fsync(fd, (error) => (error ? reject(error) : resolve())))
  } finally {
    fs.closeSync(fd)
  }
}

function removeQuietly(path: string, owner: Identity): void {
  try {
    asUser(owner, () => fs.rmSync(path, { force: true }))
  } catch {
    // It stays in tmp/, where mail readers remove what is older than a day and a half.
  }
}
