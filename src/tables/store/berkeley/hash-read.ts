/**
 * Berkeley DB hash files, versions 8 and 9 (Berkeley DB 3.1 to 5.3 and later): reading.
 *
 * A bucket is a chain of pages of pairs of items, key and value. An item starts
 * with its kind: 1 data on the page, 3 data on overflow pages (page and length
 * follow). It ends where the item before it begins.
 */
import { compareAt, compareKeys, DamagedStore, equalsAt, type StoreEntry, type StoreReader } from '#tables/store/store.ts'
import { PAGE_TYPE, Pages } from './page.ts'

/** Versions of the hash format whose pages and hash function we know. */
const VERSIONS = [8, 9] as const

const ON_PAGE = 1
const OFF_PAGE = 3
const OFF_PAGE_ITEM_SIZE = 12
const SPARES_AT = 96
const SPARES = 32
/** Fowler, Noll and Vo's hash as Berkeley DB uses it: from 0, multiply first. */
export function hashKey(key: Uint8Array): number {
  let hash = 0
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash, 16777619) ^ (key[i] ?? 0)
  return hash >>> 0
}

/** `hashKey()` of text of one character for each byte, with `tail` NULs behind. */
export function hashText(text: string, tail: number): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash, 16777619) ^ text.charCodeAt(i)
  for (let i = 0; i < tail; i++) hash = Math.imul(hash, 16777619)
  return hash >>> 0
}

/** The file keeps the hash of this text, to tell which hash function it was made with. */
export const CHARKEY_HASH = hashText('%$sniglet^&', 1)

/** The number whose power of two is `n` or the next above. */
export function ceilLog2(n: number): number {
  return n <= 1 ? 0 : 32 - Math.clz32(n - 1)
}

class BerkeleyHashReader implements StoreReader {
  readonly #pages: Pages
  readonly #bytes: Buffer
  readonly #maxBucket: number
  readonly #highMask: number
  readonly #lowMask: number

  constructor(bytes: Buffer) {
    this.#pages = new Pages(bytes, 'hash', VERSIONS)
    this.#bytes = bytes
    this.#maxBucket = bytes.readUInt32LE(72)
    this.#highMask = bytes.readUInt32LE(76)
    this.#lowMask = bytes.readUInt32LE(80)
    if (this.#maxBucket >= this.#pages.count) throw new DamagedStore('Berkeley DB hash: more buckets than pages')
    if (bytes.readUInt32LE(92) !== CHARKEY_HASH) {
      throw new DamagedStore('Berkeley DB hash: made with an unknown hash function')
    }
  }

  /** The first page of a bucket. */
  #bucketPage(bucket: number): number {
    const level = ceilLog2(bucket + 1)
    if (level >= SPARES) throw new DamagedStore('Berkeley DB hash: bad bucket')
    return bucket + this.#bytes.readUInt32LE(SPARES_AT + 4 * level)
  }

  /** The page's start, or `undefined` for one that was never written. */
  #hashPage(number: number): number | undefined {
    const page = this.#pages.start(number)
    const type = this.#pages.type(page)
    if (type === 0) return undefined
    if (type !== PAGE_TYPE.hash && type !== PAGE_TYPE.unsortedHash) {
      throw new DamagedStore(`Berkeley DB page ${number} is not a hash page`)
    }
    return page
  }

  find(key: Uint8Array): Uint8Array | undefined {
    const hash = hashKey(key)
    let bucket = (hash & this.#highMask) >>> 0
    if (bucket > this.#maxBucket) bucket = (hash & this.#lowMask) >>> 0
    let steps = this.#pages.count
    for (let number = this.#bucketPage(bucket); number !== 0; ) {
      if (steps-- <= 0) throw new DamagedStore('Berkeley DB hash: loop of pages')
      const page = this.#hashPage(number)
      if (page === undefined) return undefined
      const isSorted = this.#pages.type(page) === PAGE_TYPE.hash
      const value = isSorted ? this.#findOnSortedPage(page, key) : this.#findOnPage(page, key)
      if (value !== undefined) return value
      number = this.#pages.next(page)
    }
    return undefined
  }

  /** Berkeley DB 4.7 and later have the keys of a page in order. */
  #findOnSortedPage(page: number, key: Uint8Array): Uint8Array | undefined {
    let low = 0
    let high = this.#pages.itemCount(page) >> 1
    while (low < high) {
      const middle = (low + high) >> 1
      const order = this.#compareItem(page, 2 * middle, key)
      if (order === 0) return this.#itemAt(page, 2 * middle + 1)
      if (order < 0) low = middle + 1
      else high = middle
    }
    return undefined
  }

  /** Where an item ends: where the one before it starts. */
  #itemEnd(page: number, i: number): number {
    return i === 0 ? this.#pages.size : this.#pages.itemOffset(page, i - 1)
  }

  #itemAt(page: number, i: number): Uint8Array {
    return this.#item(page, this.#pages.itemOffset(page, i), this.#itemEnd(page, i))
  }

  /** Order of the item and `key`: negative when the item comes first. */
  #compareItem(page: number, i: number, key: Uint8Array): number {
    const start = this.#pages.itemOffset(page, i)
    const end = this.#itemEnd(page, i)
    return this.#bytes[page + start] === ON_PAGE && end > start
      ? compareAt(this.#bytes, page + start + 1, page + end, key)
      : compareKeys(this.#item(page, start, end), key)
  }

  #findOnPage(page: number, key: Uint8Array): Uint8Array | undefined {
    const count = this.#pages.itemCount(page) & ~1
    let end = this.#pages.size
    for (let i = 0; i < count; i += 2) {
      const start = this.#pages.itemOffset(page, i)
      const isSame =
        this.#bytes[page + start] === ON_PAGE
          ? end - start - 1 === key.length && equalsAt(this.#bytes, page + start + 1, key)
          : Buffer.compare(this.#item(page, start, end), key) === 0
      const valueStart = this.#pages.itemOffset(page, i + 1)
      if (isSame) return this.#item(page, valueStart, start)
      end = valueStart
    }
    return undefined
  }

  #item(page: number, start: number, end: number): Uint8Array {
    const kind = this.#bytes[page + start]
    if (end <= start) throw new DamagedStore('Berkeley DB hash: items overlap')
    if (kind === ON_PAGE) return this.#bytes.subarray(page + start + 1, page + end)
    if (kind !== OFF_PAGE || end - start < OFF_PAGE_ITEM_SIZE) {
      throw new DamagedStore(`Berkeley DB hash: unexpected item of kind ${kind ?? 'none'}`)
    }
    return this.#pages.overflow(this.#bytes.readUInt32LE(page + start + 4), this.#bytes.readUInt32LE(page + start + 8))
  }

  *entries(): Generator<StoreEntry> {
    let steps = this.#pages.count
    for (let bucket = 0; bucket <= this.#maxBucket; bucket++) {
      for (let number = this.#bucketPage(bucket); number !== 0; ) {
        if (steps-- <= 0) throw new DamagedStore('Berkeley DB hash: loop of pages')
        const page = this.#hashPage(number)
        if (page === undefined) break
        yield* this.#pageEntries(page)
        number = this.#pages.next(page)
      }
    }
  }

  *#pageEntries(page: number): Generator<StoreEntry> {
    const count = this.#pages.itemCount(page) & ~1
    let end = this.#pages.size
    for (let i = 0; i < count; i += 2) {
      const start = this.#pages.itemOffset(page, i)
      const valueStart = this.#pages.itemOffset(page, i + 1)
      yield [this.#item(page, start, end), this.#item(page, valueStart, start)]
      end = valueStart
    }
  }
}

/**
 * Reads a Berkeley DB hash file.
 *
 * @throws {DamagedStore}
 */
export function readBerkeleyHash(bytes: Buffer): StoreReader {
  return new BerkeleyHashReader(bytes)
}
