/**
 * The file system as the queue sees it: a small interface that a test can
 * replace, to fail one call at a time or to keep a whole disk in memory.
 *
 * Calls that touch only the page cache are synchronous: measured cheaper than a
 * trip through the thread pool. Calls that wait for a device return promises.
 *
 * @module
 */
import fs from 'node:fs'
import { isErrno } from './errno.ts'
import { pageCacheId } from './page-cache.ts'
import { flock, type LockMode } from './posix.ts'

/** What the queue needs to know about one file. Times are milliseconds since 1970. */
export type FileFacts = {
  readonly mode: number
  readonly inode: number | bigint
  readonly device: number
  readonly links: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtimeMs: number
  readonly atimeMs: number
  readonly isFile: boolean
  readonly isDirectory: boolean
}

/** Names in one directory, one at a time, without `.` and `..`, in the order of the directory. */
export type DirectoryReader = {
  /** The next name; `undefined` at the end. */
  read(): string | undefined
  close(): void
}

/**
 * Every file operation of the queue. Errors are those of Node (`code` is the
 * errno name), but for the calls that say `undefined` or `false` for ENOENT.
 */
export type FileSystem = {
  open(path: string, flags: number, mode?: number): number
  close(fd: number): void
  /** Bytes read; 0 at the end of the file. */
  read(fd: number, into: Uint8Array, offset: number, length: number, position: number): number
  /** Writes all of it: a short write is continued until it ends or fails. `position` null appends. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number, position: number | null): void
  fstat(fd: number): FileFacts
  /** Facts without following a symbolic link; `undefined` when there is no such file. */
  lstat(path: string): FileFacts | undefined
  rename(from: string, to: string): void
  /** `false` when there was no such file. */
  unlink(path: string): boolean
  /** The same without holding up the loop: an unlink can wait for the journal of the file system. */
  unlinkAsync(path: string): Promise<boolean>
  /** Makes one directory; `false` when it existed. */
  mkdir(path: string, mode: number): boolean
  rmdir(path: string): void
  chmod(path: string, mode: number): void
  fchmod(fd: number, mode: number): void
  chown(path: string, uid: number, gid: number): void
  fchown(fd: number, uid: number, gid: number): void
  /** As `flock()` of posix.ts: `false` when another has the lock and `wait` is not set. */
  flock(fd: number, mode: LockMode, wait: boolean): boolean
  /** Sets both time stamps, in seconds since 1970. */
  utimes(path: string, atime: number, mtime: number): void
  ftruncate(fd: number, length: number): void
  openDirectory(path: string): DirectoryReader
  fsync(fd: number): Promise<void>
  /** Like fsync, but only what is needed to read the bytes again. */
  fdatasync(fd: number): Promise<void>
  /** Bytes that an unprivileged process may still write to the file system of `path`. */
  freeBytes(path: string): Promise<number>
  /** As `pageCacheId()` of page-cache.ts. */
  pageCacheId(path: string): Uint8Array
}

/** Flag words of `FileSystem.open()`. */
export const {
  O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK,
} = fs.constants

/** Directory entries fetched by one system call; the memory a scan holds. */
const DIRECTORY_BUFFER_ENTRIES = 64

function facts(stats: fs.Stats, inode: number | bigint): FileFacts {
  return {
    mode: stats.mode,
    inode,
    device: stats.dev,
    links: stats.nlink,
    uid: stats.uid,
    gid: stats.gid,
    size: stats.size,
    mtimeMs: stats.mtimeMs,
    atimeMs: stats.atimeMs,
    isFile: stats.isFile(),
    isDirectory: stats.isDirectory(),
  }
}

/** Inode numbers beyond 2^53 exist (XFS, network file systems): those are read again as bigint. */
function exactInode(stats: fs.Stats, again: () => bigint): number | bigint {
  return Number.isSafeInteger(stats.ino) ? stats.ino : again()
}

function fstat(fd: number): FileFacts {
  const stats = fs.fstatSync(fd)
  return facts(stats, exactInode(stats, () => fs.fstatSync(fd, { bigint: true }).ino))
}

function lstat(path: string): FileFacts | undefined {
  const stats = fs.lstatSync(path, { throwIfNoEntry: false })
  return stats && facts(stats, exactInode(stats, () => fs.lstatSync(path, { bigint: true }).ino))
}

function write(fd: number, bytes: Uint8Array, offset: number, length: number, position: number | null): void {
  let done = fs.writeSync(fd, bytes, offset, length, position)
  while (done < length) {
    const at = position === null ? null : position + done
    done += fs.writeSync(fd, bytes, offset + done, length - done, at)
  }
}

/** Runs `call`; `false` for the one error that `code` names. */
function unlessErrno(code: string, call: () => void): boolean {
  try {
    call()
    return true
  } catch (error) {
    if (isErrno(error, code)) return false
    throw error
  }
}

function openDirectory(path: string): DirectoryReader {
  const directory = fs.opendirSync(path, { bufferSize: DIRECTORY_BUFFER_ENTRIES })
  return {
    read: () => directory.readSync()?.name,
    close: () => directory.closeSync(),
  }
}

function fsync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fsync(fd, (error) => (error ? reject(error) : resolve()))
  })
}

function fdatasync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()))
  })
}

function unlinkAsync(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    fs.unlink(path, (error) => {
      if (error && error.code !== 'ENOENT') reject(error)
      else resolve(!error)
    })
  })
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await fs.promises.statfs(path)
  return bavail * bsize
}

/** The real file system. */
export const nodeFileSystem: FileSystem = {
  open: (path, flags, mode) => fs.openSync(path, flags, mode),
  close: (fd) => fs.closeSync(fd),
  read: (fd, into, offset, length, position) => fs.readSync(fd, into, offset, length, position),
  write,
  fstat,
  lstat,
  rename: (from, to) => fs.renameSync(from, to),
  unlink: (path) => unlessErrno('ENOENT', () => fs.unlinkSync(path)),
  unlinkAsync,
  mkdir: (path, mode) => unlessErrno('EEXIST', () => fs.mkdirSync(path, mode)),
  rmdir: (path) => fs.rmdirSync(path),
  chmod: (path, mode) => fs.chmodSync(path, mode),
  fchmod: (fd, mode) => fs.fchmodSync(fd, mode),
  chown: (path, uid, gid) => fs.chownSync(path, uid, gid),
  fchown: (fd, uid, gid) => fs.fchownSync(fd, uid, gid),
  flock,
  utimes: (path, atime, mtime) => fs.utimesSync(path, atime, mtime),
  ftruncate: (fd, length) => fs.ftruncateSync(fd, length),
  openDirectory,
  fsync,
  fdatasync,
  freeBytes,
  pageCacheId,
}

/** The file system that this process uses. */
export let files: FileSystem = nodeFileSystem

/** Puts `substitute` in place of the file system, for tests, until the result is disposed of. */
export function substituteFiles(substitute: FileSystem): Disposable {
  const before = files
  files = substitute
  return { [Symbol.dispose]: () => { files = before } }
}
