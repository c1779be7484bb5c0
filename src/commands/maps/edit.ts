/**
 * Changing indexed files: all entries in memory, then a new file in place of the old.
 *
 * The new file is written beside the old one, synced and renamed, under a lock
 * on the old one, so that a reader sees the old content or the new, and two
 * commands at once do not undo each other's work.
 *
 * Source: postmap(1), "atomic"; -d, -i, -n, -N, -o, -p, -r, -w.
 */
import { chmodSync, closeSync, fchownSync, fstatSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { errnoText, isErrno } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { fcntlLock, flock } from '#system/posix.ts'
import { encodeRaw } from '#util/raw-text.ts'
import { keyFolder } from '#tables/fold.ts'
import { storeFormat } from '#tables/store/formats.ts'
import { DamagedStore, type StoreEntry, type StoreFormat } from '#tables/store/store.ts'
import { TABLE_TYPES } from '#tables/open.ts'
import { die, type MapName, type MapSettings } from './settings.ts'

/** Who the new file belongs to and who may read it: the facts of the source file. */
export type FileTraits = { readonly uid: number; readonly gid: number; readonly mode: number }

const DEFAULT_MODE = 0o644
const READ_WRITE_ALL = 0o666

/** The entries of one file, being changed. Keys are text of the bytes, without a NUL. */
export class MapEditor {
  readonly title: string
  readonly path: string
  readonly #format: StoreFormat
  readonly #settings: MapSettings
  readonly #fold: (key: string) => string
  readonly #entries = new Map<string, StoreEntry>()
  readonly #lockFd: number | undefined
  #nul: boolean

  /** @param keep Start from the entries that are there; otherwise from nothing. */
  constructor(name: MapName, settings: MapSettings, keep: boolean) {
    this.#format = formatFor(name, settings.program, keep)
    this.path = name.name + this.#format.suffix
    this.title = { lmdb: name.spec, cdb: name.name }[name.type] ?? this.path
    this.#settings = settings
    this.#fold = keyFolder(settings)
    this.#nul = settings.trailingNul ?? this.#format.trailingNul
    this.#lockFd = lockExclusive(this.path, this.#format, settings.program)
    if (keep && this.#lockFd !== undefined) this.#readOld(this.#lockFd)
  }

  /** Reads by the descriptor that holds the lock: another one would wait for it, or lose it when closed. */
  #readOld(fd: number): void {
    try {
      let nulFree = 0
      for (const [key, value] of this.#format.read(readFileSync(fd)).entries()) {
        if (key.at(-1) !== 0) nulFree++
        this.#entries.set(hexKey(withoutNul(key)), [withoutNul(key), withoutNul(value)])
      }
      // A file keeps the convention it was made with.
      if (this.#settings.trailingNul === undefined && this.#entries.size > 0) this.#nul = nulFree === 0
    } catch (error) {
      if (error instanceof DamagedStore) die(this.#settings.program, `open database ${this.path}: ${error.message}`)
      throw error
    }
  }

  /** Adds an entry; a key that is there already is treated as the settings say. */
  add(key: string, value: string, duplicates = this.#settings.duplicates): void {
    const bytes = encodeRaw(this.#fold(key))
    const id = hexKey(bytes)
    if (this.#entries.has(id) && duplicates !== 'replace') {
      if (duplicates === 'warn') log.warning(`${this.title}: duplicate entry: "${this.#fold(key)}"`)
      return
    }
    this.#entries.set(id, [bytes, encodeRaw(value)])
  }

  /** Like `add()`, for a key whose case stays. */
  addExact(key: string, value: string, duplicates = this.#settings.duplicates): void {
    if (duplicates === 'replace' || !this.#entries.has(key)) this.#entries.set(key, [encodeRaw(key), encodeRaw(value)])
  }

  /** Removes an entry. Whether it was there. */
  remove(key: string): boolean {
    return this.#entries.delete(hexKey(encodeRaw(this.#fold(key))))
  }

  /** Writes the file. @throws {CommandExit} */
  save(source: FileTraits | undefined): void {
    const { program, config } = this.#settings
    const tail = this.#nul ? [0] : []
    const entries = [...this.#entries.values()].map(([key, value]): StoreEntry => [
      Buffer.concat([key, Uint8Array.from(tail)]),
      Buffer.concat([value, Uint8Array.from(tail)]),
    ])
    try {
      const bytes = this.#format.write(entries, { mapSize: config.int('lmdb_map_size') })
      replaceFile(this.path, bytes, this.#traits(source))
    } catch (error) {
      if (error instanceof RangeError) die(program, `${this.title}: ${error.message}`)
      die(program, `open database ${this.path}: ${errnoText(error)}`)
    } finally {
      this.close()
    }
  }

  /** Lets others change the file. */
  close(): void {
    if (this.#lockFd !== undefined) closeSync(this.#lockFd)
  }

  /** An existing file keeps its owner and mode; a new one gets those of its source, as the settings say. */
  #traits(source: FileTraits | undefined): FileTraits {
    const mode = source === undefined || !this.#settings.savePermissions ? DEFAULT_MODE : source.mode & READ_WRITE_ALL
    if (this.#lockFd !== undefined && this.#format.lock !== 'none') return fstatSync(this.#lockFd)
    const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
    return { ...(source !== undefined && this.#settings.asOwner && own.uid === 0 ? source : own), mode }
  }
}

function formatFor({ type, spec }: MapName, program: string, keep: boolean): StoreFormat {
  const format = storeFormat(type)
  if (type === 'proxy') return die(program, "can't create maps via the proxy service")
  if (format === undefined) {
    if (!TABLE_TYPES.includes(type)) return die(program, `unsupported dictionary type: ${type}`)
    if (!keep) return die(program, `no 'map create' support for this type: ${type}`)
    if (['static', 'fail', 'internal', 'environ'].includes(type)) {
      return die(program, `table ${spec}: delete operation is not supported`)
    }
    return die(program, `${spec} map requires O_RDONLY access mode`)
  }
  if (keep && type === 'cdb') {
    return die(program, 'dict_cdb_open: inappropriate open flags for cdb database - specify O_RDONLY or O_WRONLY|O_CREAT|O_TRUNC')
  }
  return format
}

function withoutNul(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes)
}

function hexKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** Locks the file as it is now under this name; `undefined` when there is none. */
function lockExclusive(path: string, format: StoreFormat, program: string): number | undefined {
  for (;;) {
    let fd: number | undefined
    try {
      fd = openSync(path, 'r+')
      if (format.lock === 'fcntl' && process.platform === 'linux') fcntlLock(fd, 'exclusive', true)
      if (format.lock === 'flock' && process.platform === 'linux') flock(fd, 'exclusive', true)
      // Another command may have replaced the file while this one waited.
      if (statSync(path).ino === fstatSync(fd).ino) return fd
      closeSync(fd)
    } catch (error) {
      if (fd !== undefined) closeSync(fd)
      if (isErrno(error, 'ENOENT') && fd === undefined) return undefined
      if (!isErrno(error, 'ENOENT')) return die(program, `open database ${path}: ${errnoText(error)}`)
    }
  }
}

/** Puts `bytes` at `path`, at once. */
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
  syncDirectory(dirname(path))
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
