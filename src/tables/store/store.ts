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

/** One key with its value. */
export type StoreEntry = readonly [key: Uint8Array, value: Uint8Array]

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
  /** Behind the name of the table. */
  readonly suffix: string
  /** Whether postmap on Linux writes a NUL at the end of keys and values. */
  readonly trailingNul: boolean
  /** Postmap has to hold a lock while it replaces the file, of this kind; cdb is never changed in place. */
  readonly lock: 'flock' | 'fcntl' | 'none'
  /** @throws {DamagedStore} */
  readonly read: (bytes: Buffer) => StoreReader
  /**
   * The file that holds `entries`, whose keys are all different.
   *
   * @throws {RangeError} A key or the file is too big for the format.
   */
  readonly write: (entries: readonly StoreEntry[], options: StoreWriteOptions) => Buffer
}

/** What parameters say about new files. */
export type StoreWriteOptions = {
  /** lmdb_map_size: the room that LMDB reserves, in bytes. */
  readonly mapSize: number
}

/** Order of keys in sorted formats: byte by byte, then the shorter first. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

/** Whether `bytes` from `start` on hold exactly `key` of the same length. */
export function equalsAt(bytes: Uint8Array, start: number, key: Uint8Array): boolean {
  for (let i = 0; i < key.length; i++) {
    if (bytes[start + i] !== key[i]) return false
  }
  return true
}
