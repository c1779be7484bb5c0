/** Fuzz target: files of btree tables, whatever is in them: an answer, or `DamagedStore`. */
import { storeFormat } from '#tables/store/formats.ts'
import { readAnyStore } from '#test/support/store.ts'

/** Reads `bytes` as such a file: all entries, then each key. */
export function target(bytes: Uint8Array): void {
  const format = storeFormat('btree')
  if (format === undefined) throw new Error('no such format')
  readAnyStore(format, bytes)
}
