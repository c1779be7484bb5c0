/**
 * Berkeley DB btree files, versions 8 and 9: reading.
 *
 * Leaf pages hold pairs of items: length (2), kind (1), data; kind 3 is a
 * reference to overflow pages. Internal pages hold length (2), kind (1), unused
 * (1), child page (4), records below (4), and the smallest key below, which
 * counts as "smaller than all" for the first.
 */
import { compareAt, compareKeys, DamagedStore, type StoreEntry, type StoreReader } from '#tables/store/store.ts'
import { PAGE_TYPE, Pages } from './page.ts'

const VERSIONS = [8, 9] as const
const ON_PAGE = 1
const OFF_PAGE = 3
/** Set in the kind of an item whose deletion is not finished. */
const DELETED = 0x80
const ROOT_AT = 88
/** More levels than any file that fits into memory has. */
const LEVELS_MAX = 32

class BerkeleyBtreeReader implements StoreReader {
  readonly #pages: Pages
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#pages = new Pages(bytes, 'btree', VERSIONS)
    this.#bytes = bytes
  }

  /** Goes down to the leaf where `key` would be; the leftmost without a key. */
  #leaf(key: Uint8Array | undefined): number {
    let number = this.#bytes.readUInt32LE(ROOT_AT)
    for (let level = 0; level < LEVELS_MAX; level++) {
      const page = this.#pages.start(number)
      const type = this.#pages.type(page)
      if (type === PAGE_TYPE.leafBtree) return page
      if (type !== PAGE_TYPE.internalBtree) throw new DamagedStore(`Berkeley DB page ${number} is not a btree page`)
      number = this.#child(page, key)
    }
    throw new DamagedStore('Berkeley DB btree: too many levels')
  }

  #child(page: number, key: Uint8Array | undefined): number {
    const item = page + this.#pages.itemOffset(page, key === undefined ? 0 : this.#lastNotAbove(page, key))
    this.#check(item + 12)
    return this.#bytes.readUInt32LE(item + 4)
  }

  /** The last item of an internal page whose key is not above `key`. */
  #lastNotAbove(page: number, key: Uint8Array): number {
    let low = 0
    let high = this.#pages.itemCount(page) - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (compareKeys(this.#internalKey(page, middle), key) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }

  #check(end: number): void {
    if (end > this.#bytes.length) throw new DamagedStore('Berkeley DB btree: item is outside the file')
  }

  #internalKey(page: number, i: number): Uint8Array {
    const item = page + this.#pages.itemOffset(page, i)
    this.#check(item + 12)
    return this.#data(item + 12, this.#bytes.readUInt16LE(item), this.#bytes.readUInt8(item + 2))
  }

  /** Item `i` of a leaf; `undefined` when it is deleted. */
  #leafItem(page: number, i: number): Uint8Array | undefined {
    const item = page + this.#pages.itemOffset(page, i)
    this.#check(item + 3)
    const kind = this.#bytes.readUInt8(item + 2)
    if ((kind & DELETED) !== 0) return undefined
    if (kind === OFF_PAGE) return this.#data(item, 0, kind)
    return this.#data(item + 3, this.#bytes.readUInt16LE(item), kind)
  }

  /** Data at `at`, or the reference to it that starts there. */
  #data(at: number, length: number, kind: number): Uint8Array {
    if (kind === ON_PAGE) {
      this.#check(at + length)
      return this.#bytes.subarray(at, at + length)
    }
    if (kind !== OFF_PAGE) throw new DamagedStore(`Berkeley DB btree: unexpected item of kind ${kind}`)
    this.#check(at + 12)
    return this.#pages.overflow(this.#bytes.readUInt32LE(at + 4), this.#bytes.readUInt32LE(at + 8))
  }

  find(key: Uint8Array): Uint8Array | undefined {
    const page = this.#leaf(key)
    let low = 0
    let high = this.#pages.itemCount(page) >>> 1
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = this.#compareLeafKey(page, 2 * middle, key)
      if (order === 0) return this.#leafItem(page, 2 * middle + 1)
      if (order < 0) low = middle + 1
      else high = middle
    }
    return undefined
  }

  #compareLeafKey(page: number, i: number, key: Uint8Array): number {
    const item = page + this.#pages.itemOffset(page, i)
    this.#check(item + 3)
    const kind = this.#bytes.readUInt8(item + 2) & ~DELETED
    if (kind !== ON_PAGE) return compareKeys(this.#data(item, 0, kind), key)
    const end = item + 3 + this.#bytes.readUInt16LE(item)
    this.#check(end)
    return compareAt(this.#bytes, item + 3, end, key)
  }

  *entries(): Generator<StoreEntry> {
    let steps = this.#pages.count
    for (let page = this.#leaf(undefined); ; ) {
      if (steps-- <= 0) throw new DamagedStore('Berkeley DB btree: loop of pages')
      const count = this.#pages.itemCount(page) & ~1
      for (let i = 0; i < count; i += 2) {
        const key = this.#leafItem(page, i)
        const value = this.#leafItem(page, i + 1)
        if (key !== undefined && value !== undefined) yield [key, value]
      }
      const next = this.#pages.next(page)
      if (next === 0) return
      page = this.#pages.start(next)
      if (this.#pages.type(page) !== PAGE_TYPE.leafBtree) throw new DamagedStore('Berkeley DB btree: bad leaf')
    }
  }
}

/**
 * Reads a Berkeley DB btree file.
 *
 * @throws {DamagedStore}
 */
export function readBerkeleyBtree(bytes: Buffer): StoreReader {
  return new BerkeleyBtreeReader(bytes)
}
