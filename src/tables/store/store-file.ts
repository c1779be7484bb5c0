/**
 * Changing the files of a table: all entries in memory, then new files in place of the old.
 *
 * A new file is written beside the old one, synced and renamed, under a lock
 * on the old one, so that a reader sees the old content or the new, and two
 * processes at once do not undo each other's work. Of two files the one that
 * is locked comes last.
 */
import { chmodSync, closeSync, fchownSync, fstatSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { isErrno } from '#system/errno.ts'
import { fcntlLock, flock } from '#system/posix.ts'
import { byteTextOf } from './byte-text.ts'
import type { StoreFormat } from './store.ts'

/** Who a file belongs to and who may use it. */
export type FileTraits = { readonly uid: number; readonly gid: number; readonly mode: number }

const LOCK_ATTEMPTS_MAX = 100

/** Takes the lock of a format on an open file. Elsewhere than on Linux there is no Postfix to take turns with. */
export function lockStore(fd: number, kind: StoreFormat['lock'], mode: 'shared' | 'exclusive'): void {
  if (process.platform !== 'linux') return
  if (kind === 'flock') flock(fd, mode, true)
  if (kind === 'fcntl') fcntlLock(fd, mode, true)
}

/**
 * Opens the file that `path` names and locks it; `undefined` when there is none.
 *
 * @throws {NodeJS.ErrnoException}
 */
export function openLocked(path: string, kind: StoreFormat['lock'], mode: 'shared' | 'exclusive'): number | undefined {
  for (let i = 0; i < LOCK_ATTEMPTS_MAX; i++) {
    let fd: number | undefined
    try {
      fd = openSync(path, mode === 'shared' ? 'r' : 'r+')
      lockStore(fd, kind, mode)
      // It may have been replaced while this process waited.
      if (statSync(path).ino === fstatSync(fd).ino) return fd
    } catch (error) {
      if (fd !== undefined) closeSync(fd)
      if (isErrno(error, 'ENOENT')) return undefined
      throw error
    }
    closeSync(fd)
  }
  throw new Error('the file is replaced again and again')
}

/** A table's files, locked against other writers until `close()`. */
export class StoreFile implements Disposable {
  /** Values by key, as text of bytes without NULs at the end. */
  readonly entries = new Map<string, string>()
  readonly #name: string
  readonly #format: StoreFormat
  readonly #lockFd: number | undefined
  /** Whether the entries that were read have a NUL behind; `undefined` when there were none. */
  trailingNul: boolean | undefined

  /**
   * @param name The table's name, without the suffix of its files.
   * @throws {NodeJS.ErrnoException} It cannot be opened or locked.
   */
  constructor(name: string, format: StoreFormat) {
    this.#name = name
    this.#format = format
    // A format without a lock is never changed in place: the old file need not even be readable.
    this.#lockFd = format.lock === 'none' ? undefined : openLocked(this.#lockPath, format.lock, 'exclusive')
  }

  /** Whether there was a file. */
  get exists(): boolean {
    return this.#lockFd !== undefined
  }

  /** Owner and mode of the old file; `undefined` when there is none. */
  get traits(): FileTraits | undefined {
    return this.#lockFd === undefined ? undefined : fstatSync(this.#lockFd)
  }

  get #lockPath(): string {
    return this.#name + (this.#format.suffixes.at(-1) ?? '')
  }

  /**
   * Fills `entries` with what the files hold.
   *
   * @throws {DamagedStore} @throws {NodeJS.ErrnoException}
   */
  read(): void {
    const fd = this.#lockFd
    if (fd === undefined) return
    // By the descriptor that holds the lock: another one would wait for it, or lose it when closed.
    const { suffixes } = this.#format
    const files = suffixes.map((suffix, i) => (i === suffixes.length - 1 ? readFileSync(fd) : readFileSync(this.#name + suffix)))
    for (const [key, value] of this.#format.read(files).entries()) {
      this.trailingNul = this.trailingNul !== false && key.at(-1) === 0
      this.entries.set(withoutNul(key), withoutNul(value))
    }
  }

  /**
   * Replaces the files by those of `entries`.
   *
   * @throws {RangeError} Too big for the format. @throws {NodeJS.ErrnoException}
   */
  save(traits: FileTraits, options: { readonly mapSize: number; readonly trailingNul: boolean }): void {
    const files = this.#format.write(this.entries, { mapSize: options.mapSize, tail: options.trailingNul ? 1 : 0 })
    this.#format.suffixes.forEach((suffix, i) => replaceFile(this.#name + suffix, files[i] ?? Buffer.alloc(0), traits))
    syncDirectory(dirname(this.#name))
  }

  /** Lets others change the files. */
  close(): void {
    if (this.#lockFd !== undefined) closeSync(this.#lockFd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function withoutNul(bytes: Uint8Array): string {
  return byteTextOf(bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes)
}

/** Writes a file beside the old one, and puts it in its place. */
function replaceFile(path: string, bytes: Uint8Array, { uid, gid, mode }: FileTraits): void {
  const temporary = `${path}.${randomUUID()}.tmp`
  const fd = openSync(temporary, 'wx', 0o600)
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    const { uid: ownUid, gid: ownGid } = fstatSync(fd)
    if (uid !== ownUid || gid !== ownGid) fchownSync(fd, uid, gid)
    chmodSync(temporary, mode & 0o777)
    fsyncSync(fd)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
