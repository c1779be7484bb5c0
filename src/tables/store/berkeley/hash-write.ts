/**
 * Berkeley DB hash files, version 9: writing.
 *
 * All buckets are laid out at once: page 0 is the meta page, bucket `n` starts
 * on page `n + 1`, chains and big items follow. Keys are sorted on each page.
 */
import { compareKeys, type StoreEntry } from '#tables/store/store.ts'
import { ceilLog2, hashKey, readBerkeleyHash } from './hash-read.ts'
import { appendItem, freeSpace, link, PageWriter, type NewPage } from './page-write.ts'
import { MAGIC, PAGE_HEADER_SIZE, PAGE_SIZE, PAGE_TYPE } from './page.ts'
import type { StoreFormat } from '#tables/store/store.ts'

const VERSION = 9
/** Items longer than this go on pages of their own. */
const ITEM_SIZE_MAX = PAGE_SIZE / 4
/** How full buckets shall be on average, so that few need a second page. */
const FILL = 0.6
const BUCKETS_MIN = 2
const CHARKEY = Buffer.from('%$sniglet^&\0')

/** Bytes that an item takes on a bucket's page: kind and data, or a reference. */
function itemSize(data: Uint8Array): number {
  return data.length > ITEM_SIZE_MAX ? 12 : data.length + 1
}

/** Bytes of a pair with its two offsets. */
function pairSize([key, value]: StoreEntry): number {
  return itemSize(key) + itemSize(value) + 4
}

function bucketCount(entries: readonly StoreEntry[]): number {
  const size = entries.reduce((sum, entry) => sum + pairSize(entry), 0)
  const wanted = Math.ceil(size / ((PAGE_SIZE - PAGE_HEADER_SIZE) * FILL))
  return 2 ** ceilLog2(Math.max(BUCKETS_MIN, wanted))
}

function makeItem(writer: PageWriter, data: Uint8Array): Uint8Array {
  if (data.length <= ITEM_SIZE_MAX) return Buffer.concat([Buffer.of(1), data])
  const reference = Buffer.alloc(12)
  reference.writeUInt8(3, 0)
  reference.writeUInt32LE(writer.addOverflow(data), 4)
  reference.writeUInt32LE(data.length, 8)
  return reference
}

function fillBucket(writer: PageWriter, first: NewPage, entries: StoreEntry[]): void {
  let page = first
  for (const entry of entries.toSorted(([a], [b]) => compareKeys(a, b))) {
    if (freeSpace(page) < pairSize(entry)) {
      const more = writer.add(PAGE_TYPE.hash)
      link(page, more)
      page = more
    }
    appendItem(page, makeItem(writer, entry[0]))
    appendItem(page, makeItem(writer, entry[1]))
  }
}

function fillMeta(meta: Buffer, buckets: number, count: number): void {
  meta.writeUInt32LE(buckets - 1, 72)
  meta.writeUInt32LE(buckets - 1, 76)
  meta.writeUInt32LE(buckets / 2 - 1, 80)
  meta.writeUInt32LE(count, 88)
  meta.writeUInt32LE(hashKey(CHARKEY), 92)
  // One entry for each doubling: what to add to a bucket's number to get its page.
  for (let level = 0; level <= ceilLog2(buckets); level++) meta.writeUInt32LE(1, 96 + 4 * level)
}

function write(entries: readonly StoreEntry[]): Buffer {
  const count = bucketCount(entries)
  const writer = new PageWriter()
  const meta = writer.addMeta({ magic: MAGIC.hash, version: VERSION, type: PAGE_TYPE.hashMeta })
  fillMeta(meta, count, entries.length)
  const firstPages = Array.from({ length: count }, () => writer.add(PAGE_TYPE.hash))
  const buckets: StoreEntry[][] = firstPages.map(() => [])
  for (const entry of entries) buckets[(hashKey(entry[0]) & (count - 1)) >>> 0]?.push(entry)
  firstPages.forEach((page, i) => fillBucket(writer, page, buckets[i] ?? []))
  return writer.finish(meta)
}

/** The format of `hash:` tables. */
export const BERKELEY_HASH: StoreFormat = {
  suffix: '.db',
  trailingNul: true,
  lock: 'flock',
  read: readBerkeleyHash,
  write,
}
