/**
 * LMDB files: writing a whole file, both meta pages and one tree.
 */
import { PageFile } from '#tables/store/page-file.ts'
import { oneFile, sortedKeys, type StoreFormat, type StoreText, type StoreWriteOptions } from '#tables/store/store.ts'
import { BIG_DATA, FORMAT_VERSION, HEADER_SIZE, MAGIC, META, NODE_HEADER_SIZE, NO_PAGE, PAGE_FLAG, TREE } from './page.ts'
import { readLmdb } from './read.ts'

const PAGE_SIZE = 4096
/** LMDB's limit for keys, as built by default. */
const KEY_SIZE_MAX = 511
/** A node larger than this has its value on pages of its own; two nodes then fit on every page. */
const NODE_SIZE_MAX = 2038
/** Flags that the file keeps: keys of the free tree are integers; the file stands by itself, in no folder. */
const FREE_TREE_FLAGS = 0x4008
/** Where the bounds of a page's free space are in its header. */
const LOWER = 12
const UPPER = 14

/** A page of a level and its smallest key. */
type Child = { readonly page: number; readonly firstKey: string }

/** What the description of a tree says about its size. */
type Counts = { branches: number; leaves: number; overflows: number; depth: number }

/** Nodes start at even positions. */
function even(size: number): number {
  return size + (size & 1)
}

class LmdbWriter {
  readonly #file: PageFile
  readonly #tail: number
  readonly counts: Counts = { branches: 0, leaves: 0, overflows: 0, depth: 0 }

  constructor(pages: number, tail: number) {
    this.#file = new PageFile(PAGE_SIZE, pages)
    this.#tail = tail
    // The two meta pages.
    this.#file.add(2)
  }

  #addPage(flags: number): number {
    const number = this.#file.count
    const start = this.#file.add()
    const { bytes } = this.#file
    bytes.writeBigUInt64LE(BigInt(number), start)
    bytes.writeUInt16LE(flags, start + 10)
    bytes.writeUInt16LE(HEADER_SIZE, start + LOWER)
    bytes.writeUInt16LE(PAGE_SIZE, start + UPPER)
    return start
  }

  /** Puts a big value on pages of its own; the number of the first. */
  #addOverflow(value: string): number {
    const count = Math.ceil((HEADER_SIZE + value.length + this.#tail) / PAGE_SIZE)
    const first = this.#file.count
    const start = this.#file.add(count)
    const { bytes } = this.#file
    bytes.writeBigUInt64LE(BigInt(first), start)
    bytes.writeUInt16LE(PAGE_FLAG.overflow, start + 10)
    bytes.writeUInt32LE(count, start + LOWER)
    bytes.write(value, start + HEADER_SIZE, 'latin1')
    this.counts.overflows += count
    return first
  }

  #freeSpace(page: number): number {
    const { bytes } = this.#file
    return bytes.readUInt16LE(page + UPPER) - bytes.readUInt16LE(page + LOWER)
  }

  /** Takes room for a node and its offset; writes its header: a number in 32 bits and one in 16, the key's length. */
  #addNode(page: number, size: number, low: number, high: number, keyLength: number): number {
    const { bytes } = this.#file
    const lower = bytes.readUInt16LE(page + LOWER)
    const start = bytes.readUInt16LE(page + UPPER) - size
    bytes.writeUInt16LE(start, page + lower)
    bytes.writeUInt16LE(lower + 2, page + LOWER)
    bytes.writeUInt16LE(start, page + UPPER)
    const node = page + start
    bytes.writeUInt32LE(low, node)
    bytes.writeUInt16LE(high, node + 4)
    bytes.writeUInt16LE(keyLength, node + 6)
    return node + NODE_HEADER_SIZE
  }

  #put(text: string, at: number): void {
    if (text !== '') this.#file.bytes.write(text, at, 'latin1')
  }

  #addLeafNode(page: number, key: string, value: string, overflow: number | undefined, size: number): void {
    const keyLength = key.length + this.#tail
    const data = this.#addNode(page, size, value.length + this.#tail, overflow === undefined ? 0 : BIG_DATA, keyLength)
    this.#put(key, data)
    if (overflow === undefined) this.#put(value, data + keyLength)
    else this.#file.bytes.writeBigUInt64LE(BigInt(overflow), data + keyLength)
  }

  /** Fills leaves in the order of the keys. */
  leaves(entries: StoreText): Child[] {
    const level: Child[] = []
    let page: number | undefined
    for (const key of sortedKeys(entries)) {
      const value = entries.get(key) ?? ''
      const keyLength = key.length + this.#tail
      checkKey(keyLength)
      const inline = NODE_HEADER_SIZE + keyLength + value.length + this.#tail
      const overflow = inline > NODE_SIZE_MAX ? this.#addOverflow(value) : undefined
      const size = even(overflow === undefined ? inline : NODE_HEADER_SIZE + keyLength + 8)
      if (page === undefined || this.#freeSpace(page) < size + 2) {
        page = this.#addPage(PAGE_FLAG.leaf)
        level.push({ page, firstKey: key })
      }
      this.#addLeafNode(page, key, value, overflow, size)
    }
    this.counts.leaves = level.length
    this.counts.depth = level.length === 0 ? 0 : 1
    return level
  }

  /** One level of branches above `below`. */
  above(below: readonly Child[]): Child[] {
    const level: Child[] = []
    let page: number | undefined
    for (const { page: child, firstKey } of below) {
      let keyLength = firstKey.length + this.#tail
      if (page === undefined || this.#freeSpace(page) < even(NODE_HEADER_SIZE + keyLength) + 2) {
        page = this.#addPage(PAGE_FLAG.branch)
        level.push({ page, firstKey })
        // The first key of a branch stands for everything smaller: it is empty.
        keyLength = 0
      }
      const at = this.#addNode(page, even(NODE_HEADER_SIZE + keyLength), child / PAGE_SIZE, 0, keyLength)
      if (keyLength > 0) this.#put(firstKey, at)
    }
    this.counts.branches += level.length
    this.counts.depth++
    return level
  }

  finish(root: Child | undefined, entries: number, mapSize: number): Buffer {
    const file = this.#file.finish()
    const room = Math.max(mapSize, 2 * file.length)
    const number = root === undefined ? NO_PAGE : BigInt(root.page / PAGE_SIZE)
    // Meta page 0 is the empty state before the first transaction, page 1 the state after it.
    fillMeta(file.subarray(0, PAGE_SIZE), 0, { root: NO_PAGE, lastPage: 1, room })
    const meta = file.subarray(PAGE_SIZE, 2 * PAGE_SIZE)
    fillMeta(meta, 1, { root: number, lastPage: file.length / PAGE_SIZE - 1, room })
    const { branches, leaves, overflows, depth } = this.counts
    meta.writeUInt16LE(depth, META.main + TREE.depth)
    meta.writeBigUInt64LE(BigInt(branches), META.main + TREE.branches)
    meta.writeBigUInt64LE(BigInt(leaves), META.main + TREE.leaves)
    meta.writeBigUInt64LE(BigInt(overflows), META.main + TREE.overflows)
    meta.writeBigUInt64LE(BigInt(entries), META.main + TREE.entries)
    return file
  }
}

function checkKey(length: number): void {
  if (length > 0 && length <= KEY_SIZE_MAX) return
  throw new RangeError(`LMDB keys have 1 to ${KEY_SIZE_MAX} bytes, this one has ${length}`)
}

function fillMeta(page: Buffer, number: number, { root, lastPage, room }: { root: bigint; lastPage: number; room: number }): void {
  page.writeBigUInt64LE(BigInt(number), 0)
  page.writeUInt16LE(PAGE_FLAG.meta, 10)
  page.writeUInt32LE(MAGIC, META.magic)
  page.writeUInt32LE(FORMAT_VERSION, META.version)
  page.writeBigUInt64LE(BigInt(Math.ceil(room / PAGE_SIZE) * PAGE_SIZE), META.mapSize)
  page.writeUInt32LE(PAGE_SIZE, META.free + TREE.pageSize)
  page.writeUInt16LE(FREE_TREE_FLAGS, META.free + TREE.flags)
  page.writeBigUInt64LE(NO_PAGE, META.free + TREE.root)
  page.writeBigUInt64LE(root, META.main + TREE.root)
  page.writeBigUInt64LE(BigInt(lastPage), META.lastPage)
  page.writeBigUInt64LE(BigInt(number), META.transaction)
}

function write(entries: StoreText, { mapSize, tail }: StoreWriteOptions): Buffer {
  const writer = new LmdbWriter(entries.size >> 6, tail)
  let level = writer.leaves(entries)
  while (level.length > 1) level = writer.above(level)
  return writer.finish(level[0], entries.size, mapSize)
}

/** The format of `lmdb:` tables. */
export const LMDB: StoreFormat = {
  suffixes: ['.lmdb'],
  trailingNul: true,
  lock: 'fcntl',
  read: oneFile(readLmdb),
  write: (entries, options) => [write(entries, options)],
}
