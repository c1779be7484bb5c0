/**
 * Berkeley DB btree files, version 9: writing.
 *
 * Leaves are filled in key order, then one level of internal pages after the
 * other, up to the root. Keys of internal pages are cut to what tells the two
 * neighbours apart.
 */
import { compareKeys, type StoreEntry, type StoreFormat } from '#tables/store/store.ts'
import { readBerkeleyBtree } from './btree-read.ts'
import { appendItem, link, PageWriter, type NewPage } from './page-write.ts'
import { MAGIC, PAGE_HEADER_SIZE, PAGE_SIZE, PAGE_TYPE } from './page.ts'

const VERSION = 9
/** Longer items go on pages of their own, so that two pairs fit on every leaf. */
const ITEM_SIZE_MAX = 1000
const ON_PAGE = 1
const OFF_PAGE = 3
const MINKEY = 2
/** What pads fixed-length records; always set, though btrees have none. */
const PAD = 0x20

/** A finished page and what is needed to name it one level up. */
type Child = { readonly page: NewPage; readonly firstKey: Uint8Array; readonly lastKey: Uint8Array }

/** Room for items and their offsets on a page. */
const PAGE_ROOM = PAGE_SIZE - PAGE_HEADER_SIZE

/** Items start at multiples of four. */
function aligned(size: number): number {
  return (size + 3) & ~3
}

/** The 12 bytes that stand for data on overflow pages. */
function makeReference(writer: PageWriter, data: Uint8Array): Buffer {
  const item = Buffer.alloc(12)
  item.writeUInt8(OFF_PAGE, 2)
  item.writeUInt32LE(writer.addOverflow(data), 4)
  item.writeUInt32LE(data.length, 8)
  return item
}

function leafItemSize(data: Uint8Array): number {
  return data.length > ITEM_SIZE_MAX ? 12 : aligned(3 + data.length)
}

function makeLeafItem(writer: PageWriter, data: Uint8Array): Buffer {
  if (data.length > ITEM_SIZE_MAX) return makeReference(writer, data)
  const item = Buffer.alloc(leafItemSize(data))
  item.writeUInt16LE(data.length, 0)
  item.writeUInt8(ON_PAGE, 2)
  item.set(data, 3)
  return item
}

/** Deals `items` out to pages, in order. `size` counts offsets too, and may differ for the first of a page. */
function dealOut<T>(items: readonly T[], size: (item: T, isFirst: boolean) => number): T[][] {
  const groups: T[][] = []
  let room = 0
  for (const item of items) {
    room -= size(item, false)
    if (room < 0 || groups.length === 0) {
      groups.push([])
      room = PAGE_ROOM - size(item, true)
    }
    groups.at(-1)?.push(item)
  }
  return groups
}

/** Berkeley DB wants the root on page 1: it is reserved, and taken by the level that has one page. */
function pageFor(writer: PageWriter, root: NewPage, isRoot: boolean, type: number, level: number): NewPage {
  if (!isRoot) return writer.add(type, level)
  root.bytes.writeUInt8(level, 24)
  root.bytes.writeUInt8(type, 25)
  return root
}

function writeLeaves(writer: PageWriter, root: NewPage, entries: readonly StoreEntry[]): Child[] {
  const groups = dealOut(entries, ([key, value]) => leafItemSize(key) + leafItemSize(value) + 4)
  let before: NewPage | undefined
  return groups.map((group) => {
    const page = pageFor(writer, root, groups.length === 1, PAGE_TYPE.leafBtree, 1)
    if (before !== undefined) link(before, page)
    before = page
    for (const data of group.flat()) appendItem(page, makeLeafItem(writer, data))
    const none = new Uint8Array(0)
    return { page, firstKey: group[0]?.[0] ?? none, lastKey: group.at(-1)?.[0] ?? none }
  })
}

/** The shortest key above all of `left` and not above `right`. */
function separator(left: Uint8Array, right: Uint8Array): Uint8Array {
  let i = 0
  while (i < left.length && left[i] === right[i]) i++
  return right.subarray(0, i + 1)
}

/** A child with the key that stands for it on its parent's page. */
type NamedChild = Child & { readonly name: Uint8Array }

function internalItemSize(key: Uint8Array): number {
  return aligned(12 + (key.length > ITEM_SIZE_MAX ? 12 : key.length))
}

function makeInternalItem(writer: PageWriter, child: Child, key: Uint8Array): Buffer {
  const isLong = key.length > ITEM_SIZE_MAX
  const data = isLong ? makeReference(writer, key) : key
  const item = Buffer.alloc(internalItemSize(key))
  item.writeUInt16LE(data.length, 0)
  item.writeUInt8(isLong ? OFF_PAGE : ON_PAGE, 2)
  item.writeUInt32LE(child.page.number, 4)
  item.set(data, 12)
  return item
}

function writeInternalLevel(writer: PageWriter, root: NewPage, below: readonly Child[], level: number): Child[] {
  // The first key of a page stands for everything smaller: it is empty.
  const none = new Uint8Array(0)
  const named = below.map((child, i): NamedChild => {
    const before = below[i - 1]
    return { ...child, name: before === undefined ? none : separator(before.lastKey, child.firstKey) }
  })
  const groups = dealOut(named, ({ name }, isFirst) => internalItemSize(isFirst ? none : name) + 2)
  return groups.map((group) => {
    const page = pageFor(writer, root, groups.length === 1, PAGE_TYPE.internalBtree, level)
    group.forEach((child, i) => appendItem(page, makeInternalItem(writer, child, i === 0 ? none : child.name)))
    return { page, firstKey: group[0]?.firstKey ?? none, lastKey: group.at(-1)?.lastKey ?? none }
  })
}

function write(entries: readonly StoreEntry[]): Buffer {
  const writer = new PageWriter()
  const meta = writer.addMeta({ magic: MAGIC.btree, version: VERSION, type: PAGE_TYPE.btreeMeta })
  const root = writer.add(PAGE_TYPE.leafBtree, 1)
  let level = writeLeaves(writer, root, entries.toSorted(([a], [b]) => compareKeys(a, b)))
  for (let height = 2; level.length > 1; height++) level = writeInternalLevel(writer, root, level, height)
  meta.writeUInt32LE(MINKEY, 76)
  meta.writeUInt32LE(PAD, 84)
  meta.writeUInt32LE(root.number, 88)
  return writer.finish(meta)
}

/** The format of `btree:` tables. */
export const BERKELEY_BTREE: StoreFormat = {
  suffix: '.db',
  trailingNul: true,
  lock: 'flock',
  read: readBerkeleyBtree,
  write,
}
