/**
 * Changing indexed files: all entries in memory, then a new file in place of the old.
 *
 * The new file is written beside the old one, synced and renamed, under a lock
 * on the old one, so that a reader sees the old content or the new, and two
 * commands at once do not undo each other's work.
 *
 * Source: postmap(1), "atomic"; -d, -i, -n, -N, -o, -p, -r, -w.
 */
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { keyFolder } from '#tables/fold.ts'
import { byteText } from '#tables/store/byte-text.ts'
import { storeFormat } from '#tables/store/formats.ts'
import { StoreFile, type FileTraits } from '#tables/store/store-file.ts'
import { DamagedStore, type StoreFormat } from '#tables/store/store.ts'
import { TABLE_TYPES } from '#tables/open.ts'
import { die, type MapName, type MapSettings } from './settings.ts'

/** The most that a new file lets others do. */
const DEFAULT_MODE = 0o644

/** The entries of one table, being changed. */
export class MapEditor {
  readonly title: string
  readonly path: string
  readonly #format: StoreFormat
  readonly #settings: MapSettings
  readonly #fold: (key: string) => string
  readonly #file: StoreFile

  /** @param keep Start from the entries that are there; otherwise from nothing. */
  constructor(name: MapName, settings: MapSettings, keep: boolean) {
    this.#format = formatFor(name, settings.program, keep)
    this.path = name.name + this.#format.suffixes[0]
    this.title = { lmdb: name.spec, cdb: name.name, sdbm: name.name }[name.type] ?? this.path
    this.#settings = settings
    this.#fold = keyFolder(settings)
    try {
      this.#file = openFile(name.name, this.#format, keep)
    } catch (error) {
      // A file of Berkeley DB is locked before it is opened as one.
      const what = this.#format.lock === 'flock' && !keep ? 'open' : 'open database'
      die(settings.program, `${what} ${this.path}: ${error instanceof DamagedStore ? error.message : errnoText(error)}`)
    }
  }

  /** Adds an entry; a key that is there already is treated as the settings say. */
  add(key: string, value: string, duplicates = this.#settings.duplicates): void {
    this.addExact(this.#fold(key), value, duplicates)
  }

  /** Like `add()`, for a key whose case stays. */
  addExact(key: string, value: string, duplicates = this.#settings.duplicates): void {
    const { entries } = this.#file
    const bytes = byteText(key)
    if (duplicates !== 'replace' && entries.has(bytes)) {
      if (duplicates === 'warn') log.warning(`${this.title}: duplicate entry: "${key}"`)
      return
    }
    entries.set(bytes, byteText(value))
  }

  /** Removes an entry. Whether it was there. */
  remove(key: string): boolean {
    return this.#file.entries.delete(byteText(this.#fold(key)))
  }

  /** Writes the file. @throws {CommandExit} */
  save(source: FileTraits | undefined): void {
    const { program, config, trailingNul = this.#file.trailingNul ?? this.#format.trailingNul } = this.#settings
    try {
      this.#file.save(this.#traits(source), { mapSize: config.int('lmdb_map_size'), trailingNul })
    } catch (error) {
      if (error instanceof RangeError) die(program, `${this.title}: ${error.message}`)
      // Postfix names the file that it writes: cdb's is another one until it is done.
      const made = this.#format.lock === 'none' ? `${this.path}.tmp` : this.path
      die(program, `open database ${made}: ${errnoText(error)}`)
    } finally {
      this.close()
    }
  }

  /** Lets others change the file. */
  close(): void {
    this.#file.close()
  }

  /** An existing file keeps its owner and mode; a new one is of this process, and gets the mode of its source. */
  #traits(source: FileTraits | undefined): FileTraits {
    if (this.#file.traits !== undefined && this.#format.lock !== 'none') return this.#file.traits
    const mode = source === undefined || !this.#settings.savePermissions ? DEFAULT_MODE : source.mode & DEFAULT_MODE
    return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, mode }
  }
}

/** @throws {DamagedStore} @throws {NodeJS.ErrnoException} */
function openFile(name: string, format: StoreFormat, keep: boolean): StoreFile {
  const file = new StoreFile(name, format)
  try {
    if (keep) file.read()
    return file
  } catch (error) {
    file.close()
    throw error
  }
}

function formatFor({ type, spec }: MapName, program: string, keep: boolean): StoreFormat {
  const format = storeFormat(type)
  if (type === 'proxy') return die(program, "can't create maps via the proxy service")
  if (format === undefined) {
    if (!TABLE_TYPES.includes(type)) return die(program, `unsupported dictionary type: ${type}`)
    if (!keep) return die(program, `no 'map create' support for this type: ${type}`)
    if (type === 'fail') return die(program, `table ${spec}: delete error: Application error`)
    if (['static', 'internal', 'environ'].includes(type)) {
      return die(program, `table ${spec}: delete operation is not supported`)
    }
    return die(program, `${spec} map requires O_RDONLY access mode`)
  }
  if (keep && type === 'cdb') {
    return die(program, 'unsupported non-bulk change request')
  }
  return format
}
