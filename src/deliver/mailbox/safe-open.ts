/**
 * Opens mailboxes without following what others may have put in their place.
 *
 * @module
 */
import fs from 'node:fs'
import { dirname } from 'node:path'
import type { Identity } from '#system/as-user.ts'
import { isErrno } from '#system/errno.ts'
import { MailboxError, mailboxError } from './error.ts'

const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NONBLOCK } = fs.constants
const FLAGS = O_WRONLY | O_APPEND | O_NONBLOCK
const FILE_MODE = 0o600

/**
 * Opens a file for appending, and makes it when there is none. Call it with the rights of who may do that.
 *
 * @param owner Who a new file is given to; undefined: it is the opener's.
 * @param status For errors without a code of their own.
 * @throws {MailboxError}
 */
export function openForAppending(path: string, owner: Identity | undefined, status: string): number {
  return openExisting(path, status) ?? create(path, owner, status) ?? openExisting(path, status) ?? gone(status)
}

function gone(status: string): never {
  throw new MailboxError(status, 'cannot open file: No such file or directory')
}

/** Undefined: there is no such file. */
function openExisting(path: string, status: string): number | undefined {
  let fd: number
  try {
    fd = fs.openSync(path, FLAGS)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw mailboxError('cannot open file', error, status)
  }
  const problem = problemOf(path, fs.fstatSync(fd))
  if (problem === undefined) return fd
  fs.closeSync(fd)
  throw new MailboxError(status, problem)
}

/** Undefined: somebody else has made one meanwhile. */
function create(path: string, owner: Identity | undefined, status: string): number | undefined {
  try {
    const fd = fs.openSync(path, FLAGS | O_CREAT | O_EXCL, FILE_MODE)
    if (owner !== undefined) fs.fchownSync(fd, owner.uid, owner.gid)
    return fd
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return undefined
    throw mailboxError('cannot create file exclusively', error, status)
  }
}

/** A name more, or a link, lets another user have a say in where mail goes. */
function problemOf(path: string, { nlink, ino, dev }: fs.Stats): string | undefined {
  if (nlink === 0) return 'file has been removed'
  if (nlink !== 1) return `file has ${nlink} hard links`
  const found = fs.lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 'file has been removed'
  if (found.isSymbolicLink()) return isSystemLink(path, found) ? undefined : 'file is a symbolic link'
  return found.ino === ino && found.dev === dev ? undefined : 'file status changed unexpectedly'
}

/** The administrator's own links are as good as the file. */
function isSystemLink(path: string, link: fs.Stats): boolean {
  return link.uid === 0 && fs.statSync(dirname(path), { throwIfNoEntry: false })?.uid === 0
}
