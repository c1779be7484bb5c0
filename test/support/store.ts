/** Indexed files in tests: made from pairs of texts, and read whatever is in them. */
import { DamagedStore, type StoreEntry, type StoreFormat } from '#tables/store/store.ts'

/** More entries than a small file can hold without sharing: the walk has to end by itself. */
const ENTRIES_MAX = 1_000_000

/** What a file holds for these texts: each with a NUL behind where the format wants it. */
export function storeEntries(pairs: Iterable<readonly [string, string]>, format: StoreFormat): StoreEntry[] {
  const bytes = (text: string): Buffer => Buffer.from(format.trailingNul ? `${text}\0` : text)
  return Array.from(pairs, ([key, value]): StoreEntry => [bytes(key), bytes(value)])
}

/** The files that the format makes of these texts. */
export function storeFiles(pairs: Iterable<readonly [string, string]>, format: StoreFormat, mapSize = 1): readonly Buffer[] {
  return format.write(new Map(pairs), { mapSize, tail: format.trailingNul ? 1 : 0 })
}

/** Reads all entries and looks up each key and some that are not there. A `DamagedStore` ends it; other errors pass. */
export function readAnyStore(format: StoreFormat, ...files: readonly Uint8Array[]): void {
  try {
    const store = format.read(files.map((bytes) => Buffer.from(bytes)))
    const keys: Uint8Array[] = [Buffer.from('user1@example1.com\0'), Buffer.from('absent'), new Uint8Array(0)]
    let count = 0
    for (const [key] of store.entries()) {
      if (++count > ENTRIES_MAX) throw new Error('the walk does not end')
      if (keys.length < 200) keys.push(key)
    }
    for (const key of keys) store.find(key)
  } catch (error) {
    if (!(error instanceof DamagedStore)) throw error
  }
}

/** Small files of a format, to be damaged: without entries, with some, and with values that need pages of their own. */
export function storeSeeds(format: StoreFormat): Buffer[] {
  const names = Array.from({ length: 40 }, (_, i) => [`user${i}@example${i % 7}.com`, `value ${i}`] as const)
  const pairs = [[], names, [...names, ['long', 'v'.repeat(900)], ['longer', 'w'.repeat(format.suffixes.length > 1 ? 900 : 6000)]]] as const
  return pairs.map((each) => Buffer.concat(storeFiles(each, format)))
}
