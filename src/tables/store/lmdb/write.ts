/**
 * LMDB files: writing a whole file, both meta pages and one tree.
 */
import { compareKeys, type StoreEntry, type StoreFormat, type StoreWriteOptions } from '#tables/store/store.ts'
import { BIG_DATA, FORMAT_VERSION, HEADER_SIZE, MAGIC, META, NODE_HEADER_SIZE, NO_PAGE, PAGE_FLAG, TREE } from './page.ts'
import { readLmdb } from './read.ts'

const PAGE_SIZE = 4096
/** LMDB's limit for keys, as built by default. */
const KEY_SIZE_MAX = 511
/** A node larger than this has its value on pages of its own; two nodes then fit on every page. */
const NODE_SIZE_MAX = 2038
/** Flags that the file keeps: keys of the free tree are integers; the file stands by itself, in no folder. */
const FREE_TREE_FLAGS = 0x4008

/** A page that is being filled from both ends. */
type TreePage = { readonly number: number; readonly bytes: Buffer }

type Counts = { branches: number; leaves: number; overflows: number; depth: number }

class LmdbWriter {
  readonly #pages: Buffer[] = [Buffer.alloc(PAGE_SIZE), Buffer.alloc(PAGE_SIZE)]
  readonly counts: Counts = { branches: 0, leaves: 0, overflows: 0, depth: 0 }
  #next = 2

  addPage(flags: number): TreePage {
    const bytes = Buffer.alloc(PAGE_SIZE)
    bytes.writeBigUInt64LE(BigInt(this.#next), 0)
    bytes.writeUInt16LE(flags, 10)
    bytes.writeUInt16LE(HEADER_SIZE, 12)
    bytes.writeUInt16LE(PAGE_SIZE, 14)
    this.#pages.push(bytes)
    return { number: this.#next++, bytes }
  }

  /** Puts a big value on pages of its own; returns the first. */
  addOverflow(value: Uint8Array): number {
    const count = Math.ceil((HEADER_SIZE + value.length) / PAGE_SIZE)
    const bytes = Buffer.alloc(count * PAGE_SIZE)
    bytes.writeBigUInt64LE(BigInt(this.#next), 0)
    bytes.writeUInt16LE(PAGE_FLAG.overflow, 10)
    bytes.writeUInt32LE(count, 12)
    bytes.set(value, HEADER_SIZE)
    this.#pages.push(bytes)
    const first = this.#next
    this.#next += count
    this.counts.overflows += count
    return first
  }

  finish(root: bigint, entries: number, mapSize: number): Buffer {
    const size = this.#next * PAGE_SIZE
    this.#pages.forEach((page, i) => {
      if (i < 2) this.#fillMeta(page, i, root, entries, Math.max(mapSize, size * 2))
    })
    return Buffer.concat(this.#pages)
  }

  /** Meta page 0 is the empty state before the first transaction, page 1 the state after it. */
  #fillMeta(page: Buffer, i: number, root: bigint, entries: number, mapSize: number): void {
    page.writeBigUInt64LE(BigInt(i), 0)
    page.writeUInt16LE(PAGE_FLAG.meta, 10)
    page.writeUInt32LE(MAGIC, META.magic)
    page.writeUInt32LE(FORMAT_VERSION, META.version)
    page.writeBigUInt64LE(BigInt(Math.ceil(mapSize / PAGE_SIZE) * PAGE_SIZE), META.mapSize)
    page.writeUInt32LE(PAGE_SIZE, META.free + TREE.pageSize)
    page.writeUInt16LE(FREE_TREE_FLAGS, META.free + TREE.flags)
    page.writeBigUInt64LE(NO_PAGE, META.free + TREE.root)
    page.writeBigUInt64LE(i === 0 ? NO_PAGE : root, META.main + TREE.root)
    page.writeBigUInt64LE(BigInt(i === 0 ? 1 : this.#next - 1), META.lastPage)
    page.writeBigUInt64LE(BigInt(i), META.transaction)
    if (i === 0) return
    const { branches, leaves, overflows, depth } = this.counts
    page.writeUInt16LE(depth, META.main + TREE.depth)
    page.writeBigUInt64LE(BigInt(branches), META.main + TREE.branches)
    page.writeBigUInt64LE(BigInt(leaves), META.main + TREE.leaves)
    page.writeBigUInt64LE(BigInt(overflows), META.main + TREE.overflows)
    page.writeBigUInt64LE(BigInt(entries), META.main + TREE.entries)
  }
}

function freeSpace({ bytes }: TreePage): number {
  return bytes.readUInt16LE(14) - bytes.readUInt16LE(12)
}

function appendNode({ bytes }: TreePage, node: Uint8Array): void {
  const lower = bytes.readUInt16LE(12)
  const start = bytes.readUInt16LE(14) - node.length
  bytes.set(node, start)
  bytes.writeUInt16LE(start, lower)
  bytes.writeUInt16LE(lower + 2, 12)
  bytes.writeUInt16LE(start, 14)
}

/** A node: its number (size or child) in three 16-bit parts or two and flags, the key, the data. */
function makeNode(low: number, high: number, key: Uint8Array, data: Uint8Array): Buffer {
  const size = NODE_HEADER_SIZE + key.length + data.length
  const node = Buffer.alloc(size + (size & 1))
  node.writeUInt32LE(low, 0)
  node.writeUInt16LE(high, 4)
  node.writeUInt16LE(key.length, 6)
  node.set(key, NODE_HEADER_SIZE)
  node.set(data, NODE_HEADER_SIZE + key.length)
  return node
}

function makeLeafNode(writer: LmdbWriter, [key, value]: StoreEntry): Buffer {
  if (key.length === 0 || key.length > KEY_SIZE_MAX) {
    throw new RangeError(`LMDB keys have 1 to ${KEY_SIZE_MAX} bytes, this one has ${key.length}`)
  }
  if (NODE_HEADER_SIZE + key.length + value.length <= NODE_SIZE_MAX) return makeNode(value.length, 0, key, value)
  const reference = Buffer.alloc(8)
  reference.writeBigUInt64LE(BigInt(writer.addOverflow(value)))
  return makeNode(value.length, BIG_DATA, key, reference)
}

/** A page of the level below and its smallest key. */
type Child = { readonly page: TreePage; readonly firstKey: Uint8Array }

function writeLevel<T>(writer: LmdbWriter, flags: number, items: Iterable<T>, key: (item: T) => Uint8Array,
  node: (item: T, isFirst: boolean) => Buffer): Child[] {
  const children: Child[] = []
  for (const item of items) {
    const last = children.at(-1)
    const next = node(item, last === undefined)
    if (last !== undefined && freeSpace(last.page) >= next.length + 2) {
      appendNode(last.page, next)
      continue
    }
    const page = writer.addPage(flags)
    appendNode(page, last === undefined ? next : node(item, true))
    children.push({ page, firstKey: key(item) })
  }
  return children
}

function makeBranchNode({ page, firstKey }: Child, isFirst: boolean): Buffer {
  // The first key of a branch stands for everything smaller: it is empty.
  const key = isFirst ? new Uint8Array(0) : firstKey
  return makeNode(page.number, 0, key, new Uint8Array(0))
}

function write(entries: readonly StoreEntry[], { mapSize }: StoreWriteOptions): Buffer {
  const writer = new LmdbWriter()
  const sorted = entries.toSorted(([a], [b]) => compareKeys(a, b))
  const nodes = sorted.map((entry) => ({ key: entry[0], bytes: makeLeafNode(writer, entry) }))
  let level = writeLevel(writer, PAGE_FLAG.leaf, nodes, ({ key }) => key, ({ bytes }) => bytes)
  writer.counts.leaves = level.length
  writer.counts.depth = level.length === 0 ? 0 : 1
  while (level.length > 1) {
    level = writeLevel(writer, PAGE_FLAG.branch, level, ({ firstKey }) => firstKey, makeBranchNode)
    writer.counts.branches += level.length
    writer.counts.depth++
  }
  const root = level[0]
  return writer.finish(root === undefined ? NO_PAGE : BigInt(root.page.number), entries.length, mapSize)
}

/** The format of `lmdb:` tables. */
export const LMDB: StoreFormat = {
  suffix: '.lmdb',
  trailingNul: true,
  lock: 'fcntl',
  read: readLmdb,
  write,
}
