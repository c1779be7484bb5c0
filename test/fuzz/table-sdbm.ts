/** Fuzz target: both files of sdbm tables, whatever is in them: an answer, or `DamagedStore`. */
import { storeFormat } from '#tables/store/formats.ts'
import { readAnyStore } from '#test/support/store.ts'

const PAGE = 1024
const BLOCK = 4096

/** Reads `bytes` as pages and as directory of such a table, cut to whole ones too: all entries, then each key. */
export function target(bytes: Uint8Array): void {
  const format = storeFormat('sdbm')
  if (format === undefined) throw new Error('no such format')
  readAnyStore(format, bytes, bytes)
  const pages = Buffer.alloc(Math.ceil(bytes.length / PAGE) * PAGE)
  pages.set(bytes)
  const directory = Buffer.alloc(BLOCK)
  directory.set(bytes.subarray(0, BLOCK))
  readAnyStore(format, pages, directory)
}
