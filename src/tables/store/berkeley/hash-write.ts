/**
 * Berkeley DB hash files, version 9: writing.
 *
 * All buckets are laid out at once: page 0 is the meta page, bucket `n` starts
 * on page `n + 1`, chains and big items follow. Keys are sorted on each page.
 */
import { oneFile, type StoreFormat, type StoreText, type StoreWriteOptions } from '#tables/store/store.ts'
import { ceilLog2, CHARKEY_HASH, hashText, readBerkeleyHash } from './hash-read.ts'
import { PageWriter } from './page-write.ts'
import { MAGIC, PAGE_HEADER_SIZE, PAGE_SIZE, PAGE_TYPE } from './page.ts'

const VERSION = 9
/** Items longer than this go on pages of their own. */
const ITEM_SIZE_MAX = PAGE_SIZE / 4
const ON_PAGE = 1
const OFF_PAGE = 3
/** How full the buckets are at most on average: more of them would need a second page. */
const FILL_MAX = 0.85
const BUCKETS_MIN = 2
const ROOM = PAGE_SIZE - PAGE_HEADER_SIZE

/** Bytes that an item of `length` takes on a bucket's page: kind and data, or a reference. */
function itemSize(length: number): number {
  return length > ITEM_SIZE_MAX ? 12 : length + 1
}

/** Bytes of a pair with its two offsets. */
function pairSize(key: string, value: string, tail: number): number {
  return itemSize(key.length + tail) + itemSize(value.length + tail) + 4
}

function bucketCount(entries: StoreText, tail: number): number {
  let size = 0
  for (const [key, value] of entries) size += pairSize(key, value, tail)
  return 2 ** ceilLog2(Math.max(BUCKETS_MIN, Math.ceil(size / (ROOM * FILL_MAX))))
}

function appendItem(writer: PageWriter, page: number, text: string, tail: number): void {
  const length = text.length + tail
  const at = writer.addItem(page, itemSize(length))
  const isLong = length > ITEM_SIZE_MAX
  writer.bytes.writeUInt8(isLong ? OFF_PAGE : ON_PAGE, at)
  if (isLong) writer.putOverflow(at + 4, text)
  else writer.putText(at + 1, text)
}

function fillBucket(writer: PageWriter, first: number, keys: readonly string[], entries: StoreText, tail: number): void {
  let page = first
  for (const key of keys) {
    const value = entries.get(key) ?? ''
    if (writer.freeSpace(page) < pairSize(key, value, tail)) {
      const more = writer.add(PAGE_TYPE.hash)
      writer.link(page, more)
      page = more
    }
    appendItem(writer, page, key, tail)
    appendItem(writer, page, value, tail)
  }
}

function fillMeta(meta: Buffer, buckets: number, count: number): void {
  meta.writeUInt32LE(buckets - 1, 72)
  meta.writeUInt32LE(buckets - 1, 76)
  meta.writeUInt32LE(buckets / 2 - 1, 80)
  meta.writeUInt32LE(count, 88)
  meta.writeUInt32LE(CHARKEY_HASH, 92)
  // One entry for each doubling: what to add to a bucket's number to get its page.
  for (let level = 0; level <= ceilLog2(buckets); level++) meta.writeUInt32LE(1, 96 + 4 * level)
}

function write(entries: StoreText, { tail }: StoreWriteOptions): Buffer {
  const count = bucketCount(entries, tail)
  const writer = new PageWriter(count + (count >> 2), tail)
  writer.addMeta({ magic: MAGIC.hash, version: VERSION, type: PAGE_TYPE.hashMeta })
  fillMeta(writer.bytes, count, entries.size)
  const buckets = Array.from({ length: count }, () => ({ page: writer.add(PAGE_TYPE.hash), keys: new Array<string>() }))
  for (const key of entries.keys()) buckets[(hashText(key, tail) & (count - 1)) >>> 0]?.keys.push(key)
  for (const { page, keys } of buckets) fillBucket(writer, page, keys.toSorted(), entries, tail)
  return writer.finish()
}

/** The format of `hash:` tables. */
export const BERKELEY_HASH: StoreFormat = {
  suffixes: ['.db'],
  trailingNul: true,
  lock: 'flock',
  read: oneFile(readBerkeleyHash),
  write: (entries, options) => [write(entries, options)],
}
