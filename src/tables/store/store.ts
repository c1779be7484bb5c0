/**
 * Indexed files: keys and values as bytes, in the formats of other programs.
 *
 * Readers work on the whole file in memory and believe nothing in it: an offset
 * outside the file, a loop of pages or an impossible length is a `DamagedStore`.
 * Writers make a whole file from all entries; postmap replaces files by rename.
 */

/** The file is not what its name says, or is damaged. `message` says where. */
export class DamagedStore extends Error {
  override readonly name = 'DamagedStore'
}

/** One key with its value, as it stands in a file. */
export type StoreEntry = readonly [key: Uint8Array, value: Uint8Array]

/**
 * What a new file is made of: values by key, as text of one character (0 to 255) for each byte, without NULs at the
 * end. Text of this kind takes a tenth of the time that a million small byte arrays take.
 */
export type StoreText = ReadonlyMap<string, string>

/** An indexed file in memory. */
export interface StoreReader {
  /**
   * The value of a key, as a view of the file.
   *
   * @throws {DamagedStore}
   */
  find(key: Uint8Array): Uint8Array | undefined
  /**
   * All entries in the order of the file.
   *
   * @throws {DamagedStore}
   */
  entries(): Generator<StoreEntry>
}

/** One file format. */
export type StoreFormat = {
  /**
   * The files of a table: what stands behind its name. The content is in the first, whose change is looked for; the
   * last is the one to lock.
   */
  readonly suffixes: readonly [string, ...string[]]
  /** Whether postmap on Linux writes a NUL at the end of keys and values. */
  readonly trailingNul: boolean
  /** Postmap has to hold a lock while it replaces the file, of this kind; cdb is never changed in place. */
  readonly lock: 'flock' | 'fcntl' | 'none'
  /** Gets the content of its files. @throws {DamagedStore} */
  readonly read: (files: readonly Buffer[]) => StoreReader
  /**
   * The files that hold `entries`.
   *
   * @throws {RangeError} A key or the file is too big for the format.
   */
  readonly write: (entries: StoreText, options: StoreWriteOptions) => readonly Buffer[]
}

/** What parameters and options say about new files. */
export type StoreWriteOptions = {
  /** lmdb_map_size: the room that LMDB reserves, in bytes. */
  readonly mapSize: number
  /** How many NULs stand behind each key and value: 1 or 0. */
  readonly tail: number
}

/** Calls the maker of a reader for a format with one file. */
export function oneFile(read: (bytes: Buffer) => StoreReader): StoreFormat['read'] {
  return ([bytes = Buffer.alloc(0)]) => read(bytes)
}

/** Order of keys in sorted formats: byte by byte, then the shorter first. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

/** `compareKeys()` of the bytes from `start` to `end` with `key`, without a view for each comparison. */
export function compareAt(bytes: Uint8Array, start: number, end: number, key: Uint8Array): number {
  const shared = Math.min(end - start, key.length)
  for (let i = 0; i < shared; i++) {
    const difference = (bytes[start + i] ?? 0) - (key[i] ?? 0)
    if (difference !== 0) return difference
  }
  return end - start - key.length
}

/** Keys in the order of `compareKeys()`, whether a NUL follows each or not. */
export function sortedKeys(entries: StoreText): string[] {
  // Code units are bytes here, which is the order of toSorted() without a comparison, the fastest there is.
  return [...entries.keys()].toSorted()
}

/** Whether `bytes` from `start` on hold exactly `key` of the same length. */
export function equalsAt(bytes: Uint8Array, start: number, key: Uint8Array): boolean {
  for (let i = 0; i < key.length; i++) {
    if (bytes[start + i] !== key[i]) return false
  }
  return true
}
