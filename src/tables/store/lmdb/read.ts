/**
 * LMDB files: reading the main tree of the newest committed state.
 */
import { compareAt, DamagedStore, type StoreEntry, type StoreReader } from '#tables/store/store.ts'
import { BIG_DATA, FORMAT_VERSION, HEADER_SIZE, MAGIC, META, NODE_HEADER_SIZE, NO_PAGE, PAGE_FLAG, TREE } from './page.ts'

const PAGE_SIZE_MIN = 512
const PAGE_SIZE_MAX = 65536
/** More levels than LMDB itself allows. */
const LEVELS_MAX = 32
/** Duplicate values and named databases: not in files of postmap. */
const UNSUPPORTED_NODE_FLAGS = 6

/** The page size of the file, by its first meta page. */
function pageSizeOf(bytes: Buffer): number {
  if (bytes.length < 2 * PAGE_SIZE_MIN) throw new DamagedStore('LMDB file is shorter than its first pages')
  const size = bytes.readUInt32LE(META.free + TREE.pageSize)
  if (size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX || (size & (size - 1)) !== 0 || bytes.length < 2 * size) {
    throw new DamagedStore(`LMDB: bad page size ${size}`)
  }
  return size
}

/** The transaction of the meta page at `at`, or `undefined` when it is none. */
function transactionOf(bytes: Buffer, at: number): bigint | undefined {
  const isMeta = bytes.readUInt32LE(at + META.magic) === MAGIC && (bytes.readUInt16LE(at + 10) & PAGE_FLAG.meta) !== 0
  if (!isMeta) return undefined
  const version = bytes.readUInt32LE(at + META.version)
  if (version !== FORMAT_VERSION) throw new DamagedStore(`LMDB: unsupported format version ${version}`)
  return bytes.readBigUInt64LE(at + META.transaction)
}

class LmdbReader implements StoreReader {
  readonly #bytes: Buffer
  readonly #pageSize: number
  readonly #root: number | undefined

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#pageSize = pageSizeOf(bytes)
    const first = transactionOf(bytes, 0)
    const second = transactionOf(bytes, this.#pageSize)
    if (first === undefined && second === undefined) throw new DamagedStore('LMDB: bad magic number')
    const meta = (second ?? -1n) > (first ?? -1n) ? this.#pageSize : 0
    const root = bytes.readBigUInt64LE(meta + META.main + TREE.root)
    this.#root = root === NO_PAGE ? undefined : Number(root)
  }

  #page(number: number): number {
    const start = number * this.#pageSize
    if (number < 2 || start + this.#pageSize > this.#bytes.length) {
      throw new DamagedStore(`LMDB page ${number} is outside the file`)
    }
    return start
  }

  #count(page: number): number {
    const lower = this.#bytes.readUInt16LE(page + 12)
    if (lower < HEADER_SIZE || lower > this.#pageSize) throw new DamagedStore('LMDB page has a bad size')
    return (lower - HEADER_SIZE) >>> 1
  }

  /** Where node `i` starts, in the file. */
  #node(page: number, i: number): number {
    const offset = this.#bytes.readUInt16LE(page + HEADER_SIZE + 2 * i)
    if (offset < HEADER_SIZE || offset + NODE_HEADER_SIZE > this.#pageSize) throw new DamagedStore('LMDB node is outside its page')
    const end = offset + NODE_HEADER_SIZE + this.#bytes.readUInt16LE(page + offset + 6)
    if (end > this.#pageSize) throw new DamagedStore('LMDB key is outside its page')
    return page + offset
  }

  #key(node: number): Uint8Array {
    const start = node + NODE_HEADER_SIZE
    return this.#bytes.subarray(start, start + this.#bytes.readUInt16LE(node + 6))
  }

  #compareKey(node: number, key: Uint8Array): number {
    const start = node + NODE_HEADER_SIZE
    return compareAt(this.#bytes, start, start + this.#bytes.readUInt16LE(node + 6), key)
  }

  #child(node: number): number {
    return this.#bytes.readUInt32LE(node) + this.#bytes.readUInt16LE(node + 4) * 0x100000000
  }

  #value(node: number): Uint8Array {
    const size = this.#bytes.readUInt32LE(node)
    const flags = this.#bytes.readUInt16LE(node + 4)
    if ((flags & UNSUPPORTED_NODE_FLAGS) !== 0) throw new DamagedStore('LMDB: duplicate keys are not supported')
    const data = node + NODE_HEADER_SIZE + this.#bytes.readUInt16LE(node + 6)
    let start = data
    if ((flags & BIG_DATA) !== 0) {
      if (data + 8 > this.#bytes.length) throw new DamagedStore('LMDB value is outside the file')
      start = this.#page(Number(this.#bytes.readBigUInt64LE(data))) + HEADER_SIZE
    }
    if (start + size > this.#bytes.length) throw new DamagedStore('LMDB value is outside the file')
    return this.#bytes.subarray(start, start + size)
  }

  /** The last node of a branch whose key is not above `key`. The first node's key counts as smallest. */
  #descend(page: number, key: Uint8Array): number {
    let low = 0
    let high = this.#count(page) - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#compareKey(this.#node(page, middle), key) <= 0) low = middle
      else high = middle - 1
    }
    return this.#child(this.#node(page, low))
  }

  find(key: Uint8Array): Uint8Array | undefined {
    let number = this.#root
    for (let level = 0; number !== undefined; level++) {
      if (level >= LEVELS_MAX) throw new DamagedStore('LMDB: too many levels')
      const page = this.#page(number)
      const flags = this.#bytes.readUInt16LE(page + 10)
      if ((flags & PAGE_FLAG.leaf) !== 0) return this.#findInLeaf(page, key)
      if ((flags & PAGE_FLAG.branch) === 0) throw new DamagedStore(`LMDB page ${number} is not of a tree`)
      number = this.#descend(page, key)
    }
    return undefined
  }

  #findInLeaf(page: number, key: Uint8Array): Uint8Array | undefined {
    let low = 0
    let high = this.#count(page)
    while (low < high) {
      const middle = (low + high) >>> 1
      const node = this.#node(page, middle)
      const order = this.#compareKey(node, key)
      if (order === 0) return this.#value(node)
      if (order < 0) low = middle + 1
      else high = middle
    }
    return undefined
  }

  *entries(): Generator<StoreEntry> {
    const budget = { pages: Math.floor(this.#bytes.length / this.#pageSize) }
    if (this.#root !== undefined) yield* this.#walk(this.#root, 0, budget)
  }

  /** All below a page. A damaged tree that shares pages runs out of `budget`. */
  *#walk(number: number, level: number, budget: { pages: number }): Generator<StoreEntry> {
    if (level >= LEVELS_MAX || budget.pages-- <= 0) throw new DamagedStore('LMDB: loop of pages')
    const page = this.#page(number)
    const flags = this.#bytes.readUInt16LE(page + 10)
    const count = this.#count(page)
    for (let i = 0; i < count; i++) {
      const node = this.#node(page, i)
      if ((flags & PAGE_FLAG.leaf) !== 0) yield [this.#key(node), this.#value(node)]
      else yield* this.#walk(this.#child(node), level + 1, budget)
    }
  }
}

/**
 * Reads an LMDB file.
 *
 * @throws {DamagedStore}
 */
export function readLmdb(bytes: Buffer): StoreReader {
  return new LmdbReader(bytes)
}
