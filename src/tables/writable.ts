/**
 * Tables that a service writes: `proxy_write_maps`, and the caches of verify and postscreen.
 *
 * The changes of one turn of the event loop are made together, by a new file in place of the old one under its lock:
 * a reader never sees half a change, and what is acknowledged is on the disk. `internal:` is kept in memory.
 *
 * Source: proxymap(8); postconf(5), proxy_write_maps.
 *
 * @module
 */
import { errnoText } from '#system/errno.ts'
import { keyFolder } from './fold.ts'
import { openTable } from './open.ts'
import { byteText, plainText } from './store/byte-text.ts'
import { storeFormat } from './store/formats.ts'
import { StoreFile, type FileTraits } from './store/store-file.ts'
import { DamagedStore, type StoreFormat } from './store/store.ts'
import { ABSENT, failed, found, TableOpenError, type Change, type Lookup, type Table, type TableOptions } from './table.ts'

/** A table that can be changed. Each answer to a change comes when it is on the disk. */
export type WritableTable = Table & Required<Pick<Table, 'put' | 'remove'>> & {
  /** Resolves when nothing waits to be written. */
  settled(): Promise<void>
}

/** A change that waits. No value: the key is to go. */
type Waiting = { readonly key: string; readonly value: string | undefined; readonly done: (result: Change) => void }

const NEW_FILE_MODE = 0o600
const DONE: Change = { kind: 'done' }
const GONE: Change = { kind: 'absent' }

/** Changes of a map of entries; whether there were any. */
function apply(entries: Map<string, string>, changes: readonly Waiting[]): Change[] {
  return changes.map(({ key, value }) => {
    if (value === undefined) return entries.delete(key) ? DONE : GONE
    entries.set(key, value)
    return DONE
  })
}

/** Collects changes and writes those of one turn together. */
abstract class Batches {
  readonly name: string
  readonly pattern = false
  readonly #fold: (key: string) => string
  #waiting: Waiting[] = []
  #idle = Promise.withResolvers<void>()

  constructor(spec: string, options: TableOptions) {
    this.name = spec
    this.#fold = keyFolder(options)
    this.#idle.resolve()
  }

  protected abstract write(changes: readonly Waiting[]): Change[]

  protected key(key: string): string {
    return byteText(this.#fold(key))
  }

  put(key: string, value: string): Promise<Change> {
    return this.#add(key, byteText(value))
  }

  remove(key: string): Promise<Change> {
    return this.#add(key, undefined)
  }

  settled(): Promise<void> {
    return this.#idle.promise
  }

  close(): void {}

  #add(key: string, value: string | undefined): Promise<Change> {
    if (this.#waiting.length === 0) {
      this.#idle = Promise.withResolvers()
      setImmediate(() => this.#flush())
    }
    return new Promise((done) => this.#waiting.push({ key: this.key(key), value, done }))
  }

  #flush(): void {
    const changes = this.#waiting
    this.#waiting = []
    const results = this.write(changes)
    changes.forEach(({ done }, i) => done(results[i] ?? { kind: 'error', reason: 'not written' }))
    this.#idle.resolve()
  }
}

/** An indexed file. */
class WritableStore extends Batches implements WritableTable {
  readonly #path: string
  readonly #format: StoreFormat
  readonly #options: TableOptions

  constructor(spec: string, format: StoreFormat, options: TableOptions) {
    super(spec, options)
    this.#path = spec.slice(spec.indexOf(':') + 1)
    this.#format = format
    this.#options = options
    // As Postfix's: a table that is not there yet is made.
    this.#change((file) => {
      if (!file.exists) this.#save(file)
    })
  }

  lookup(key: string): Lookup {
    try {
      const value = this.#change((file) => file.entries.get(this.key(key)))
      return value === undefined ? ABSENT : found(plainText(value))
    } catch (error) {
      return failed(errnoText(error))
    }
  }

  entries(): Iterable<readonly [string, string]> {
    const entries = this.#change((file) => [...file.entries])
    return entries.map(([key, value]) => [plainText(key), plainText(value)] as const)
  }

  protected override write(changes: readonly Waiting[]): Change[] {
    try {
      return this.#change((file) => {
        const results = apply(file.entries, changes)
        if (results.includes(DONE)) this.#save(file)
        return results
      })
    } catch (error) {
      return changes.map(() => ({ kind: 'error', reason: errnoText(error) }))
    }
  }

  #save(file: StoreFile): void {
    const { config } = this.#options
    const own: FileTraits = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, mode: NEW_FILE_MODE }
    const trailingNul = this.#options.trailingNul ?? file.trailingNul ?? this.#format.trailingNul
    file.save(file.traits ?? own, { mapSize: config.int('lmdb_map_size'), trailingNul })
  }

  /** @throws {TableOpenError} */
  #change<T>(work: (file: StoreFile) => T): T {
    try {
      using file = new StoreFile(this.#path, this.#format)
      file.read()
      return work(file)
    } catch (error) {
      const reason = error instanceof DamagedStore || error instanceof RangeError ? error.message : errnoText(error)
      throw new TableOpenError(`open database ${this.#path}${this.#format.suffixes[0]}: ${reason}`, { cause: error })
    }
  }
}

/** Memory of this process. */
class WritableMemory extends Batches implements WritableTable {
  readonly #entries = new Map<string, string>()

  lookup(key: string): Lookup {
    const value = this.#entries.get(this.key(key))
    return value === undefined ? ABSENT : found(plainText(value))
  }

  *entries(): Generator<readonly [string, string]> {
    for (const [key, value] of this.#entries) yield [plainText(key), plainText(value)]
  }

  protected override write(changes: readonly Waiting[]): Change[] {
    return apply(this.#entries, changes)
  }
}

/**
 * Opens a table to write; a file that is not there is made.
 *
 * @throws {TableOpenError} It cannot be written, or not by this type.
 */
export function openWritable(spec: string, options: TableOptions): WritableTable {
  const type = spec.slice(0, spec.indexOf(':'))
  const format = storeFormat(type)
  if (type === 'internal') return new WritableMemory(spec, options)
  if (type === 'cdb') {
    throw new TableOpenError('unsupported non-bulk change request')
  }
  if (format !== undefined) return new WritableStore(spec, format, options)
  // Types that write by themselves; or the reason why there is no such table.
  const table = openTable(spec, { ...options, strict: true })
  if (table.put === undefined || table.remove === undefined) {
    table.close()
    throw new TableOpenError(`${spec} map requires O_RDONLY access mode`)
  }
  const cannot: Change = { kind: 'error', reason: `${spec} cannot be changed` }
  return {
    name: spec,
    pattern: table.pattern,
    lookup: (key) => table.lookup(key),
    put: async (key, value) => table.put?.(key, value) ?? cannot,
    remove: async (key) => table.remove?.(key) ?? cannot,
    ...(table.entries === undefined ? {} : { entries: () => table.entries?.() ?? [] }),
    settled: () => Promise.resolve(),
    close: () => table.close(),
  }
}
