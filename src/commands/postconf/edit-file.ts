/**
 * Rewriting a configuration file: a new file beside it, locked and synced, renamed over it.
 *
 * Files are read and written as bytes (latin1 text), so that what is not edited stays as it is.
 *
 * @module
 */
import {
  closeSync, constants, fchmodSync, fchownSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, renameSync,
  statSync, writeSync,
} from 'node:fs'
import { ConfigError } from '#config/error.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { flock } from '#system/posix.ts'

/** A physical line of a file that is being edited. */
export type EditedLine = {
  readonly text: string
  /** `other`: comment or empty; `start` and `more`: first and further lines of an entry. */
  readonly kind: 'other' | 'start' | 'more'
}

/**
 * Replaces the text of `file` by what `edit` makes of it. Two editors wait for each other.
 *
 * @param edit Gets the lines; returns lines without their newlines.
 * @throws {ConfigError} A file cannot be opened, or `edit` throws; the old file stays.
 */
export function editFile(file: string, edit: (lines: readonly EditedLine[]) => readonly string[]): void {
  const temporary = `${file}.tmp`
  const fd = openLocked(temporary)
  try {
    const text = readOriginal(file)
    const lines = edit(splitLines(text))
    ftruncateSync(fd, 0)
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1')
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
    copyOwner(fd, file)
    fsyncSync(fd)
    renameSync(temporary, file)
  } finally {
    closeSync(fd)
  }
}

/** Text of a command line as it stands in a file. */
export function toFileText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

function readOriginal(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch (error) {
    throw new ConfigError(`open ${file} for reading: ${errnoText(error)}`)
  }
}

/** Opens and locks the new file; the one that was locked may have become the file meanwhile. */
function openLocked(path: string): number {
  for (;;) {
    let fd: number
    try {
      fd = openSync(path, constants.O_CREAT | constants.O_RDWR, 0o600)
    } catch (error) {
      throw new ConfigError(`open ${path}: ${errnoText(error)}`)
    }
    flock(fd, 'exclusive', true)
    if (isStill(fd, path)) return fd
    closeSync(fd)
  }
}

function isStill(fd: number, path: string): boolean {
  try {
    return fstatSync(fd).ino === statSync(path).ino
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

function copyOwner(fd: number, file: string): void {
  const { mode, uid, gid } = statSync(file)
  const own = fstatSync(fd)
  if (own.uid !== uid || own.gid !== gid) fchownSync(fd, uid, gid)
  fchmodSync(fd, mode & 0o7777)
}

function splitLines(text: string): EditedLine[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => ({ text: line, kind: kindOf(line) }))
}

function kindOf(line: string): EditedLine['kind'] {
  if (/^[ \t\r\v\f]*(?:#|$)/.test(line)) return 'other'
  return /^[ \t\r\v\f]/.test(line) ? 'more' : 'start'
}
