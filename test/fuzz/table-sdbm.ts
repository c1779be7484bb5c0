/** Fuzz target: both files of sdbm tables, whatever is in them: an answer, or `DamagedStore`. */
import { SDBM } from '#tables/store/sdbm.ts'
import { readAnyStore, storeSeeds } from '#test/support/store.ts'

const PAGE = 1024
const BLOCK = 4096

/** Both files, one behind the other. */
export function seeds(): Uint8Array[] {
  return storeSeeds(SDBM)
}

/** Reads the last block of `bytes` as directory and what is before it as pages, cut to whole ones and not. */
export function target(bytes: Uint8Array): void {
  const at = Math.max(0, bytes.length - BLOCK)
  const pages = bytes.subarray(0, at)
  const directory = bytes.subarray(at)
  readAnyStore(SDBM, pages, directory)
  const whole = Buffer.alloc(BLOCK)
  whole.set(directory)
  readAnyStore(SDBM, pages.subarray(0, pages.length - (pages.length % PAGE)), whole)
}
