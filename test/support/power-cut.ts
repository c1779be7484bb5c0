/**
 * A file system that remembers every change, and can tell what a disk may hold after a power cut at any moment.
 *
 * Names are those of a journaling file system: after a cut the changes of directories are there up to some point, in
 * order, and a synced directory has at least its own. Bytes and mode bits that were not synced are there or not, each
 * block by itself; a file may be longer than what was written of it, and is zero there.
 */
import { chmodSync, closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFileSystem, O_CREAT, substituteFiles, type FileSystem } from '#system/files.ts'

/** A file, whatever its name. */
type Inode = { readonly number: number }

type NameChange =
  | { readonly kind: 'create'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  | { readonly kind: 'unlink' | 'mkdir'; readonly path: string }

type Change =
  | NameChange
  | { readonly kind: 'write'; readonly inode: Inode; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly inode: Inode; readonly length: number }
  | { readonly kind: 'chmod'; readonly inode: Inode; readonly mode: number }
  /** All changes before number `upTo` are on disk: of the file (`data`: its bytes only), or of the directory. */
  | { readonly kind: 'sync'; readonly target: Inode | string; readonly upTo: number; readonly data: boolean }

/** Whole numbers below `limit`. */
export type Random = (limit: number) => number

const BLOCK_BYTES = 512

/** All changes below `root` since it was made. */
export class Recorder {
  readonly changes: Change[] = []
  readonly #root: string
  readonly #names = new Map<string, Inode>()
  readonly #open = new Map<number, Inode | string>()
  #inodes = 0

  /** @param root What it holds so far are directories that are on disk. */
  constructor(root: string) {
    this.#root = root
  }

  /** Records from now on, until the result is disposed of. */
  start(): Disposable {
    return substituteFiles({ ...nodeFileSystem, ...this.#namesCalls(), ...this.#fileCalls() })
  }

  #relative(path: string): string {
    return path.slice(this.#root.length + 1)
  }

  #inode(fd: number): Inode {
    const inode = this.#open.get(fd)
    if (inode === undefined || typeof inode === 'string') throw new Error(`no file is open as ${fd}`)
    return inode
  }

  #namesCalls(): Partial<FileSystem> {
    const { changes } = this
    return {
      rename: (from, to) => {
        nodeFileSystem.rename(from, to)
        const [path, target] = [this.#relative(from), this.#relative(to)]
        changes.push({ kind: 'rename', path, to: target })
        const inode = this.#names.get(path)
        this.#names.delete(path)
        if (inode) this.#names.set(target, inode)
      },
      unlink: (path) => {
        const done = nodeFileSystem.unlink(path)
        if (done) changes.push({ kind: 'unlink', path: this.#relative(path) })
        return done
      },
      mkdir: (path, mode) => {
        const done = nodeFileSystem.mkdir(path, mode)
        if (done) changes.push({ kind: 'mkdir', path: this.#relative(path) })
        return done
      },
      open: (path, flags, mode) => {
        const fd = nodeFileSystem.open(path, flags, mode)
        this.#open.set(fd, (flags & O_CREAT) === 0 ? this.#names.get(this.#relative(path)) ?? this.#relative(path) : this.#create(path))
        return fd
      },
    }
  }

  #create(path: string): Inode {
    const inode = { number: this.#inodes++ }
    this.#names.set(this.#relative(path), inode)
    this.changes.push({ kind: 'create', path: this.#relative(path), inode })
    return inode
  }

  #fileCalls(): Partial<FileSystem> {
    const { changes } = this
    const sync = async (fd: number, data: boolean): Promise<void> => {
      const target = this.#open.get(fd) ?? ''
      const upTo = changes.length
      // What comes meanwhile is not covered.
      await new Promise((resolve) => setImmediate(resolve))
      changes.push({ kind: 'sync', target, upTo, data })
    }
    return {
      write: (fd, bytes, offset, length, position) => {
        nodeFileSystem.write(fd, bytes, offset, length, position)
        changes.push({ kind: 'write', inode: this.#inode(fd), at: position ?? 0, bytes: Uint8Array.from(bytes.subarray(offset, offset + length)) })
      },
      ftruncate: (fd, length) => {
        nodeFileSystem.ftruncate(fd, length)
        changes.push({ kind: 'truncate', inode: this.#inode(fd), length })
      },
      fchmod: (fd, mode) => {
        nodeFileSystem.fchmod(fd, mode)
        changes.push({ kind: 'chmod', inode: this.#inode(fd), mode })
      },
      fsync: async (fd) => sync(fd, false),
      fdatasync: async (fd) => sync(fd, true),
    }
  }
}

type DiskFile = { readonly bytes: Buffer; readonly mode: number }

/** Puts into `root`, an empty directory, what a cut after `count` changes may leave. */
export function restart(root: string, changes: readonly Change[], count: number, random: Random): void {
  const past = changes.slice(0, count)
  const disk = namesOf(past, random)
  for (const [path, inode] of disk) {
    if (inode === undefined) mkdirSync(join(root, path), { recursive: true })
    else writeSparse(join(root, path), contentOf(inode, past, random))
  }
}

function isNameChange(change: Change): change is NameChange {
  return ['create', 'rename', 'unlink', 'mkdir'].includes(change.kind)
}

const directoryOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf('/'), 0))

function touches(change: NameChange, directory: string): boolean {
  return directoryOf(change.path) === directory || (change.kind === 'rename' && directoryOf(change.to) === directory)
}

/** Files by their names; directories have no inode here. */
function namesOf(past: readonly Change[], random: Random): Map<string, Inode | undefined> {
  const names = past.map((change, index) => ({ change, index })).filter(({ change }) => isNameChange(change))
  let least = 0
  for (const change of past) {
    if (change.kind !== 'sync' || typeof change.target !== 'string') continue
    const { target, upTo } = change
    const last = names.findLastIndex(({ change: each, index }) => index < upTo && isNameChange(each) && touches(each, target))
    least = Math.max(least, last + 1)
  }
  const kept = least + random(names.length - least + 1)
  const disk = new Map<string, Inode | undefined>()
  for (const { change } of names.slice(0, kept)) {
    if (change.kind === 'create') disk.set(change.path, change.inode)
    else if (change.kind === 'mkdir') disk.set(change.path, undefined)
    else if (change.kind === 'unlink') disk.delete(change.path)
    else if (change.kind === 'rename') {
      const inode = disk.get(change.path)
      disk.delete(change.path)
      disk.set(change.to, inode)
    }
  }
  return disk
}

function contentOf(inode: Inode, past: readonly Change[], random: Random): DiskFile {
  const synced = (data: boolean): number => past.reduce((last, change) => {
    const counts = change.kind === 'sync' && change.target === inode && (data || !change.data)
    return counts ? Math.max(last, change.upTo) : last
  }, 0)
  const [bytesUpTo, modeUpTo] = [synced(true), synced(false)]
  let bytes: Buffer = Buffer.alloc(0)
  let mode = 0o600
  // All or nothing of what was not synced is as likely as something in between.
  const luck = random(3)
  const reaches = (): boolean => luck === 0 || (luck === 1 && random(2) === 0)
  for (const [index, change] of past.entries()) {
    if (!('inode' in change) || change.inode !== inode) continue
    if (change.kind === 'chmod' && (index < modeUpTo || reaches())) mode = change.mode
    else if (change.kind === 'truncate' && (index < bytesUpTo || reaches())) bytes = Buffer.from(bytes.subarray(0, change.length))
    else if (change.kind === 'write') bytes = written(bytes, change, index < bytesUpTo ? () => true : reaches)
  }
  return { bytes, mode }
}

function written(old: Buffer, { at, bytes }: { at: number; bytes: Uint8Array }, reaches: () => boolean): Buffer {
  const size = reaches() ? Math.max(old.length, at + bytes.length) : old.length
  const result = size === old.length ? old : Buffer.concat([old, Buffer.alloc(size - old.length)])
  for (let start = 0; start < bytes.length;) {
    const end = Math.min(bytes.length, start + BLOCK_BYTES - ((at + start) % BLOCK_BYTES))
    if (at + start >= size) break
    if (reaches()) result.set(bytes.subarray(start, Math.min(end, size - at)), at + start)
    start = end
  }
  return result
}

/** Zeros take no time. */
function writeSparse(path: string, { bytes, mode }: DiskFile): void {
  mkdirSync(directoryName(path), { recursive: true })
  const fd = openSync(path, 'w')
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end -= 1
  writeSync(fd, bytes, 0, end, 0)
  ftruncateSync(fd, bytes.length)
  closeSync(fd)
  chmodSync(path, mode)
}

function directoryName(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

/** Empties a directory that `restart()` has filled. */
export function clear(root: string, directories: readonly string[]): void {
  rmSync(root, { recursive: true, force: true })
  for (const name of directories) mkdirSync(join(root, name), { recursive: true })
}
