/**
 * Berkeley DB btree files, version 9: writing.
 *
 * Leaves are filled in key order, then one level of internal pages after the
 * other, up to the root. Keys of internal pages are cut to what tells the two
 * neighbours apart.
 */
import { oneFile, sortedKeys, type StoreFormat, type StoreText, type StoreWriteOptions } from '#tables/store/store.ts'
import { readBerkeleyBtree } from './btree-read.ts'
import { PageWriter } from './page-write.ts'
import { MAGIC, PAGE_TYPE } from './page.ts'

const VERSION = 9
/** Longer items go on pages of their own, so that two pairs fit on every leaf. */
const ITEM_SIZE_MAX = 1000
const ON_PAGE = 1
const OFF_PAGE = 3
const REFERENCE_SIZE = 12
const MINKEY = 2
/** What pads fixed-length records; always set, though btrees have none. */
const PAD = 0x20

/** A finished page and what is needed to name it one level up. */
type Child = { readonly page: number; readonly firstKey: string; readonly lastKey: string }

/** A page that is being filled. */
type OpenPage = { -readonly [K in keyof Child]: Child[K] }

/** Items start at multiples of four. */
function aligned(size: number): number {
  return (size + 3) & ~3
}

class BtreeWriter {
  readonly #pages: PageWriter
  readonly #tail: number
  readonly #root: number

  constructor(pages: number, tail: number) {
    this.#tail = tail
    this.#pages = new PageWriter(pages, tail)
    this.#pages.addMeta({ magic: MAGIC.btree, version: VERSION, type: PAGE_TYPE.btreeMeta })
    this.#root = this.#pages.add(PAGE_TYPE.leafBtree, 1)
  }

  #leafItemSize(length: number): number {
    return length > ITEM_SIZE_MAX ? REFERENCE_SIZE : aligned(3 + length)
  }

  #addLeafItem(page: number, text: string): void {
    const length = text.length + this.#tail
    const at = this.#pages.addItem(page, this.#leafItemSize(length))
    const isLong = length > ITEM_SIZE_MAX
    this.#pages.bytes.writeUInt8(isLong ? OFF_PAGE : ON_PAGE, at + 2)
    if (isLong) {
      this.#pages.putOverflow(at + 4, text)
      return
    }
    this.#pages.bytes.writeUInt16LE(length, at)
    this.#pages.putText(at + 3, text)
  }

  /**
   * The next page of a level, behind those in `done`. Berkeley DB wants the root on page 1: every level starts there,
   * and moves away when it turns out to have a second page.
   */
  #nextPage(done: OpenPage[], type: number, level: number, key: string): OpenPage {
    const [first] = done
    if (first?.page === this.#root) first.page = this.#pages.move(this.#root)
    const page = first === undefined ? this.#root : this.#pages.add(type, level)
    this.#pages.setType(page, type, level)
    const open = { page, firstKey: key, lastKey: key }
    done.push(open)
    return open
  }

  /** Fills leaves in the order of the keys. */
  leaves(entries: StoreText): readonly Child[] {
    const done: OpenPage[] = []
    for (const key of sortedKeys(entries)) {
      const value = entries.get(key) ?? ''
      const size = this.#leafItemSize(key.length + this.#tail) + this.#leafItemSize(value.length + this.#tail) + 4
      let open = done.at(-1)
      if (open === undefined || this.#pages.freeSpace(open.page) < size) {
        const next = this.#nextPage(done, PAGE_TYPE.leafBtree, 1, key)
        if (open !== undefined) this.#pages.link(open.page, next.page)
        open = next
      }
      open.lastKey = key
      this.#addLeafItem(open.page, key)
      this.#addLeafItem(open.page, value)
    }
    return done
  }

  /** One level of internal pages above `below`. */
  above(below: readonly Child[], level: number): readonly Child[] {
    const done: OpenPage[] = []
    let before: Child | undefined
    for (const child of below) {
      let open = done.at(-1)
      let name = before === undefined ? '' : separator(before.lastKey, child.firstKey, this.#tail)
      before = child
      if (open === undefined || this.#pages.freeSpace(open.page) < this.#internalItemSize(name) + 2) {
        // The first key of a page stands for everything smaller: it is empty.
        name = ''
        open = this.#nextPage(done, PAGE_TYPE.internalBtree, level, child.firstKey)
      }
      open.lastKey = child.lastKey
      this.#addInternalItem(open.page, child.page, name)
    }
    return done
  }

  #internalItemSize(name: string): number {
    return aligned(12 + (name.length > ITEM_SIZE_MAX ? REFERENCE_SIZE : name.length))
  }

  #addInternalItem(page: number, child: number, name: string): void {
    const at = this.#pages.addItem(page, this.#internalItemSize(name))
    const isLong = name.length > ITEM_SIZE_MAX
    const { bytes } = this.#pages
    bytes.writeUInt16LE(isLong ? REFERENCE_SIZE : name.length, at)
    bytes.writeUInt8(isLong ? OFF_PAGE : ON_PAGE, at + 2)
    bytes.writeUInt32LE(this.#pages.number(child), at + 4)
    if (!isLong) {
      this.#pages.putText(at + 12, name)
      return
    }
    bytes.writeUInt8(OFF_PAGE, at + 12 + 2)
    this.#pages.putOverflow(at + 12 + 4, name)
  }

  /** The whole file. */
  finish(): Buffer {
    const { bytes } = this.#pages
    bytes.writeUInt32LE(MINKEY, 76)
    bytes.writeUInt32LE(PAD, 84)
    bytes.writeUInt32LE(this.#pages.number(this.#root), 88)
    return this.#pages.finish()
  }
}

/** The shortest key above all up to `left` and not above `right`; NULs at the end count. */
function separator(left: string, right: string, tail: number): string {
  let i = 0
  while (i < left.length && left.charCodeAt(i) === right.charCodeAt(i)) i++
  // Where the left key ends, its NUL is below all that the right key can go on with, but that may be a NUL too.
  if (tail > 0 && i === left.length && right.charCodeAt(i) === 0) return right
  return right.slice(0, i + 1)
}

function write(entries: StoreText, { tail }: StoreWriteOptions): Buffer {
  const writer = new BtreeWriter(entries.size >> 5, tail)
  let level = writer.leaves(entries)
  for (let height = 2; level.length > 1; height++) level = writer.above(level, height)
  return writer.finish()
}

/** The format of `btree:` tables. */
export const BERKELEY_BTREE: StoreFormat = {
  suffixes: ['.db'],
  trailingNul: true,
  lock: 'flock',
  read: oneFile(readBerkeleyBtree),
  write: (entries, options) => [write(entries, options)],
}
