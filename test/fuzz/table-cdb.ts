/** Fuzz target: files of cdb tables, whatever is in them: an answer, or `DamagedStore`. */
import { storeFormat } from '#tables/store/formats.ts'
import { readAnyStore, storeSeeds } from '#test/support/store.ts'

const FORMAT = storeFormat('cdb')

/** Whole files to damage. */
export function seeds(): Uint8Array[] {
  return FORMAT === undefined ? [] : storeSeeds(FORMAT)
}

/** Reads `bytes` as such a file: all entries, then each key. */
export function target(bytes: Uint8Array): void {
  if (FORMAT === undefined) throw new Error('no such format')
  readAnyStore(FORMAT, bytes)
}
