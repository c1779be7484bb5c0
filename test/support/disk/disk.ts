/**
 * A file system in memory, for the queue: what processes see of it, and a record of every change, from which
 * `remains.ts` makes what a power cut leaves.
 *
 * A process sees it below a prefix of its own, `/p7`: when the process is killed, its descriptors and locks go, and
 * whatever its code still tries fails. Numbers of inodes are used again as soon as they are free.
 */
import type { FileFacts, FileSystem } from '#system/files.ts'
import { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY } from '#system/files.ts'
import { errnoError } from '../failing-files.ts'

/** A file or a directory, as processes see it now. */
export class Inode {
  readonly number: number
  /** Of a directory. */
  readonly names: Map<string, Inode> | undefined
  bytes: Buffer
  size: number
  /** `bytes` belongs to another disk too. */
  shared = false
  mode: number
  uid: number
  gid: number
  /** Milliseconds since 1970. */
  mtimeMs: number
  links: number
  opened = 0
  readonly locks = new Set<Descriptor>()
  exclusive: Descriptor | undefined

  constructor(number: number, isDirectory: boolean, { mode, uid, gid, mtimeMs }: Attributes, bytes: Buffer = NOTHING) {
    this.number = number
    this.names = isDirectory ? new Map() : undefined
    this.links = isDirectory ? 2 : 0
    this.mode = mode
    this.uid = uid
    this.gid = gid
    this.mtimeMs = mtimeMs
    this.bytes = bytes
    this.size = bytes.length
  }
}

export type Attributes = { readonly mode: number; readonly uid: number; readonly gid: number; readonly mtimeMs: number }

/** What was done, in the order in which it was done. */
export type Change =
  | { readonly kind: 'link'; readonly dir: Inode; readonly name: string; readonly inode: Inode; readonly attributes: Attributes }
  | { readonly kind: 'unlink'; readonly dir: Inode; readonly name: string; readonly inode: Inode }
  | { readonly kind: 'rename'; readonly dir: Inode; readonly name: string; readonly inode: Inode; readonly toDir: Inode; readonly toName: string; readonly replaced: Inode | undefined }
  | { readonly kind: 'write'; readonly inode: Inode; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly inode: Inode; readonly length: number }
  | { readonly kind: 'attributes'; readonly inode: Inode; readonly attributes: Attributes }
  /** What was done to it before change `upTo` is on disk: `data` its bytes only. `failed`: or not, and nobody tries again. */
  | { readonly kind: 'sync'; readonly inode: Inode; readonly upTo: number; readonly data: boolean; readonly failed: boolean }

type Descriptor = { readonly inode: Inode; readonly append: boolean; readonly owner: string }

/** When a sync ends, and what an operation costs: the world around the disk. */
export type DiskHost = {
  /** Milliseconds since 1970. */
  now(): number
  /** Called before each operation. */
  pass(): void
  /** Resolves when the device has done its work. */
  device(): Promise<void>
  /** An errno name: this call fails. */
  fault?(call: keyof FileSystem, path: string): string | undefined
}

const NOTHING: Buffer = Buffer.alloc(0)
const FILE_TYPE = 0o100000
const DIRECTORY_TYPE = 0o040000
const MODE_MASK = 0o7777
const BLOCK_BYTES = 4096

let caches = 0
/** No two disks share a descriptor: code of an earlier life must not touch this one. */
let nextFd = 1000

/** See the module header. */
export class Disk {
  readonly root: Inode
  /** undefined: nothing is recorded. */
  changes: Change[] | undefined
  readonly #host: DiskHost
  readonly #killed = new Set<string>()
  readonly #open = new Map<number, Descriptor>()
  /** Descriptors of processes that were killed. */
  readonly #lost = new Set<number>()
  readonly #firstFd = nextFd
  readonly #inUse = new Set<number>()
  #freeNumber = 2
  readonly #pageCache: Uint8Array
  /** Bytes that may still be written; ENOSPC beyond. */
  room = Infinity

  constructor(host: DiskHost, root?: Inode) {
    this.#host = host
    this.root = root ?? new Inode(1, true, { mode: DIRECTORY_TYPE | 0o755, uid: 0, gid: 0, mtimeMs: 0 })
    this.#pageCache = new Uint8Array(16).fill(1)
    new DataView(this.#pageCache.buffer).setUint32(4, caches += 1)
    this.#adopt(this.root)
  }

  #adopt(inode: Inode): void {
    this.#inUse.add(inode.number)
    for (const child of inode.names?.values() ?? []) this.#adopt(child)
  }

  /** The process that saw the disk below `prefix` is gone, or all are. */
  kill(prefix: string): void {
    this.#killed.add(prefix)
    for (const [fd, { owner }] of this.#open) {
      if (owner !== prefix) continue
      this.#close(fd)
      this.#lost.add(fd)
    }
  }

  /** What the processes of this disk call. */
  readonly files: FileSystem = {
    open: (path, flags, mode = 0o666) => this.#openFile(path, flags, mode),
    close: (fd) => {
      this.#descriptor(fd, 'close')
      this.#close(fd)
    },
    read: (fd, into, offset, length, position) => this.#read(fd, into, offset, length, position),
    write: (fd, bytes, offset, length, position) => this.#write(fd, bytes.subarray(offset, offset + length), position),
    fstat: (fd) => factsOf(this.#descriptor(fd, 'fstat').inode),
    lstat: (path) => {
      const inode = this.#find(path, 'lstat')
      return inode && factsOf(inode)
    },
    rename: (from, to) => this.#rename(from, to),
    unlink: (path) => this.#unlink(path, 'unlink'),
    unlinkAsync: async (path) => {
      await this.#host.device()
      return this.#unlink(path, 'unlinkAsync')
    },
    mkdir: (path, mode) => this.#mkdir(path, mode),
    rmdir: (path) => this.#rmdir(path),
    chmod: (path, mode) => this.#attributes(this.#existing(path, 'chmod'), { mode }),
    fchmod: (fd, mode) => this.#attributes(this.#descriptor(fd, 'fchmod').inode, { mode }),
    chown: (path, uid, gid) => this.#attributes(this.#existing(path, 'chown'), { uid, gid }),
    fchown: (fd, uid, gid) => this.#attributes(this.#descriptor(fd, 'fchown').inode, { uid, gid }),
    flock: (fd, mode) => this.#flock(fd, mode),
    utimes: (path, _, mtime) => this.#attributes(this.#existing(path, 'utimes'), { mtimeMs: mtime * 1000 }),
    ftruncate: (fd, length) => this.#truncate(this.#descriptor(fd, 'ftruncate').inode, length),
    openDirectory: (path) => {
      const names = [...directory(this.#existing(path, 'openDirectory'), path).keys()]
      let at = 0
      return { read: () => names[at++], close: () => undefined }
    },
    fsync: (fd) => this.#sync(fd, false),
    fdatasync: (fd) => this.#sync(fd, true),
    freeBytes: () => Promise.resolve(this.room),
    pageCacheId: () => this.#pageCache,
  }

  #check(call: keyof FileSystem, path: string): void {
    this.#host.pass()
    const code = this.#host.fault?.(call, path)
    if (code !== undefined) throw errnoError(code)
  }

  /** The directory that has the name, and the name. */
  #place(path: string): { dir: Inode; name: string } {
    const start = path.indexOf('/', 1)
    const owner = start < 0 ? path : path.slice(0, start)
    if (this.#killed.has(owner)) throw errnoError('EOWNERDEAD')
    let dir = this.root
    let at = start < 0 ? path.length : start + 1
    for (let end = path.indexOf('/', at); end >= 0; end = path.indexOf('/', at)) {
      const next = dir.names?.get(path.slice(at, end))
      if (!next) throw errnoError('ENOENT')
      if (!next.names) throw errnoError('ENOTDIR')
      dir = next
      at = end + 1
    }
    return { dir, name: path.slice(at) }
  }

  #find(path: string, call: keyof FileSystem): Inode | undefined {
    this.#check(call, path)
    try {
      const { dir, name } = this.#place(path)
      return name === '' ? dir : dir.names?.get(name)
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined
      throw error
    }
  }

  #existing(path: string, call: keyof FileSystem): Inode {
    const inode = this.#find(path, call)
    if (!inode) throw errnoError('ENOENT')
    return inode
  }

  #descriptor(fd: number, call: keyof FileSystem): Descriptor {
    const descriptor = this.#opened(fd)
    this.#check(call, '')
    return descriptor
  }

  #opened(fd: number): Descriptor {
    const descriptor = this.#open.get(fd)
    if (!descriptor) throw errnoError(this.#lost.has(fd) || fd < this.#firstFd ? 'EOWNERDEAD' : 'EBADF')
    return descriptor
  }

  #openFile(path: string, flags: number, mode: number): number {
    this.#check('open', path)
    const { dir, name } = this.#place(path)
    let inode = name === '' ? dir : dir.names?.get(name)
    if ((flags & O_CREAT) !== 0) {
      if (inode && (flags & O_EXCL) !== 0) throw errnoError('EEXIST')
      inode ??= this.#create(dir, name, FILE_TYPE | mode, false)
    }
    if (!inode) throw errnoError('ENOENT')
    if ((flags & O_DIRECTORY) !== 0 && !inode.names) throw errnoError('ENOTDIR')
    if (inode.names && (flags & 3) !== O_RDONLY) throw errnoError('EISDIR')
    inode.opened += 1
    const fd = nextFd++
    const end = path.indexOf('/', 1)
    this.#open.set(fd, { inode, append: (flags & O_APPEND) !== 0, owner: end < 0 ? path : path.slice(0, end) })
    return fd
  }

  #create(dir: Inode, name: string, mode: number, isDirectory: boolean): Inode {
    while (this.#inUse.has(this.#freeNumber)) this.#freeNumber += 1
    const number = this.#freeNumber
    this.#inUse.add(number)
    const attributes = { mode, uid: 0, gid: 0, mtimeMs: this.#host.now() }
    const inode = new Inode(number, isDirectory, attributes)
    inode.links = 1
    dir.names?.set(name, inode)
    this.changes?.push({ kind: 'link', dir, name, inode, attributes })
    return inode
  }

  #close(fd: number): void {
    const descriptor = this.#open.get(fd)
    this.#open.delete(fd)
    if (!descriptor) return
    const { inode } = descriptor
    inode.opened -= 1
    inode.locks.delete(descriptor)
    if (inode.exclusive === descriptor) inode.exclusive = undefined
    this.#release(inode)
  }

  #release(inode: Inode): void {
    if (inode.links > 0 || inode.opened > 0) return
    this.#inUse.delete(inode.number)
    this.#freeNumber = Math.min(this.#freeNumber, inode.number)
  }

  #read(fd: number, into: Uint8Array, offset: number, length: number, position: number): number {
    const { inode } = this.#descriptor(fd, 'read')
    if (inode.names) throw errnoError('EISDIR')
    const count = Math.max(Math.min(length, inode.size - position), 0)
    if (count > 0) inode.bytes.copy(into, offset, position, position + count)
    return count
  }

  #write(fd: number, bytes: Uint8Array, position: number | null): void {
    const { inode, append } = this.#descriptor(fd, 'write')
    if (bytes.length > this.room) throw errnoError('ENOSPC')
    const at = append || position === null ? inode.size : position
    grow(inode, at + bytes.length)
    inode.bytes.set(bytes, at)
    inode.mtimeMs = this.#host.now()
    this.changes?.push({ kind: 'write', inode, at, bytes: Buffer.from(bytes) })
  }

  #truncate(inode: Inode, length: number): void {
    grow(inode, length)
    inode.bytes.fill(0, length, inode.size)
    inode.size = length
    this.changes?.push({ kind: 'truncate', inode, length })
  }

  #rename(from: string, to: string): void {
    this.#check('rename', from)
    const source = this.#place(from)
    const target = this.#place(to)
    const inode = source.dir.names?.get(source.name)
    if (!inode) throw errnoError('ENOENT')
    const replaced = target.dir.names?.get(target.name)
    if (replaced === inode) return
    if (replaced) this.#unlinked(replaced)
    source.dir.names?.delete(source.name)
    target.dir.names?.set(target.name, inode)
    this.changes?.push({ kind: 'rename', ...source, inode, toDir: target.dir, toName: target.name, replaced })
  }

  #unlink(path: string, call: keyof FileSystem): boolean {
    const inode = this.#find(path, call)
    if (!inode) return false
    if (inode.names) throw errnoError('EISDIR')
    this.#removeName(path, inode)
    return true
  }

  #removeName(path: string, inode: Inode): void {
    const { dir, name } = this.#place(path)
    dir.names?.delete(name)
    this.changes?.push({ kind: 'unlink', dir, name, inode })
    this.#unlinked(inode)
  }

  #unlinked(inode: Inode): void {
    inode.links = 0
    this.#release(inode)
  }

  #mkdir(path: string, mode: number): boolean {
    this.#check('mkdir', path)
    const { dir, name } = this.#place(path)
    if (dir.names?.has(name) === true || name === '') return false
    this.#create(dir, name, DIRECTORY_TYPE | mode, true)
    return true
  }

  #rmdir(path: string): void {
    const inode = this.#existing(path, 'rmdir')
    if (directory(inode, path).size > 0) throw errnoError('ENOTEMPTY')
    this.#removeName(path, inode)
  }

  #attributes(inode: Inode, changed: Partial<Attributes>): void {
    if (changed.mode !== undefined) inode.mode = (inode.mode & ~MODE_MASK) | (changed.mode & MODE_MASK)
    inode.uid = changed.uid ?? inode.uid
    inode.gid = changed.gid ?? inode.gid
    inode.mtimeMs = changed.mtimeMs ?? inode.mtimeMs
    const { mode, uid, gid, mtimeMs } = inode
    this.changes?.push({ kind: 'attributes', inode, attributes: { mode, uid, gid, mtimeMs } })
  }

  #flock(fd: number, mode: 'shared' | 'exclusive' | 'unlock'): boolean {
    const descriptor = this.#descriptor(fd, 'flock')
    const { inode } = descriptor
    const others = [...inode.locks].some((other) => other !== descriptor)
    if (mode !== 'unlock' && ((inode.exclusive && inode.exclusive !== descriptor) || (mode === 'exclusive' && others))) return false
    inode.locks.delete(descriptor)
    if (inode.exclusive === descriptor) inode.exclusive = undefined
    if (mode === 'shared') inode.locks.add(descriptor)
    if (mode === 'exclusive') inode.exclusive = descriptor
    return true
  }

  async #sync(fd: number, data: boolean): Promise<void> {
    const descriptor = this.#opened(fd)
    const { inode } = descriptor
    this.#host.pass()
    const upTo = this.changes?.length ?? 0
    const code = this.#host.fault?.(data ? 'fdatasync' : 'fsync', '')
    await this.#host.device()
    if (this.#killed.has(descriptor.owner)) throw errnoError('EOWNERDEAD')
    this.changes?.push({ kind: 'sync', inode, upTo, data, failed: code !== undefined })
    if (code !== undefined) throw errnoError(code)
  }
}

function directory(inode: Inode, path: string): Map<string, Inode> {
  if (!inode.names) throw Object.assign(errnoError('ENOTDIR'), { path })
  return inode.names
}

function factsOf({ mode, number, links, uid, gid, size, mtimeMs, names }: Inode): FileFacts {
  return {
    mode, inode: number, device: 1, links: names ? 2 : links, uid, gid, size, mtimeMs, atimeMs: mtimeMs,
    isFile: names === undefined, isDirectory: names !== undefined,
  }
}

/** Makes room for `size` bytes, of this disk alone. */
function grow(inode: Inode, size: number): void {
  if (inode.shared || size > inode.bytes.length) {
    const bytes = Buffer.alloc(Math.ceil(Math.max(size, inode.size) / BLOCK_BYTES) * BLOCK_BYTES)
    inode.bytes.copy(bytes, 0, 0, inode.size)
    inode.bytes = bytes
    inode.shared = false
  }
  inode.size = Math.max(inode.size, size)
}

/** Changes as a person reads them, one a line, with their numbers and times. */
export function describeChanges(changes: readonly Change[], times: readonly number[]): string {
  const names = new Map<Inode, string>()
  const nameOf = (inode: Inode): string => names.get(inode) ?? `#${inode.number}`
  return changes.map((change, i) => `${i + 1} ${((times[i] ?? 0) - (times[0] ?? 0)).toFixed(3)} ${describe(change, names, nameOf)}\n`).join('')
}

function describe(change: Change, names: Map<Inode, string>, nameOf: (inode: Inode) => string): string {
  switch (change.kind) {
    case 'link':
      names.set(change.inode, `${nameOf(change.dir)}/${change.name}`)
      return `create ${nameOf(change.inode)} (#${change.inode.number})`
    case 'unlink': return `unlink ${nameOf(change.dir)}/${change.name}`
    case 'rename': {
      const from = nameOf(change.inode)
      names.set(change.inode, `${nameOf(change.toDir)}/${change.toName}`)
      return `rename ${from} ${nameOf(change.inode)}`
    }
    case 'write': return `write ${nameOf(change.inode)} ${change.bytes.length} bytes at ${change.at}`
    case 'truncate': return `truncate ${nameOf(change.inode)} to ${change.length}`
    case 'attributes': return `attributes ${nameOf(change.inode)} ${change.attributes.mode.toString(8)}`
    case 'sync': return `${change.data ? 'fdatasync' : 'fsync'} ${nameOf(change.inode)} up to ${change.upTo}${change.failed ? ' fails' : ''}`
    default: return change satisfies never
  }
}
