/**
 * Writing pages of Berkeley DB files: page headers, items, overflow chains.
 */
import { PageFile } from '#tables/store/page-file.ts'
import { PAGE_HEADER_SIZE, PAGE_SIZE, PAGE_TYPE } from './page.ts'

/** Bytes of one item that an overflow page holds. */
const OVERFLOW_SIZE = PAGE_SIZE - PAGE_HEADER_SIZE
/** Where things are in the header of a page. */
const FIELD = { previous: 12, next: 16, count: 20, low: 22, level: 24, type: 25 } as const

/** What the first page says in all access methods. */
export type MetaFields = {
  readonly magic: number
  readonly version: number
  readonly type: number
}

/** The pages of a file being made. A page is named by where it starts; page 0 is the meta page. */
export class PageWriter {
  readonly #file: PageFile
  readonly #tail: number

  /** @param tail NULs behind each item. */
  constructor(pages: number, tail: number) {
    this.#file = new PageFile(PAGE_SIZE, pages)
    this.#tail = tail
  }

  /** The file so far; another object after pages were added. */
  get bytes(): Buffer {
    return this.#file.bytes
  }

  /** Adds a page of this type. `level`: 1 for btree leaves and up, 0 otherwise. */
  add(type: number, level = 0): number {
    const number = this.#file.count
    const start = this.#file.add()
    const { bytes } = this.#file
    // Log sequence number of pages that no transaction wrote.
    bytes.writeUInt32LE(1, start + 4)
    bytes.writeUInt32LE(number, start + 8)
    bytes.writeUInt16LE(PAGE_SIZE % 0x10000, start + FIELD.low)
    this.setType(start, type, level)
    return start
  }

  /** Moves the content of a page to a new one, whose start is returned; the old one is empty then. */
  move(page: number): number {
    const start = this.add(0)
    const { bytes } = this
    bytes.copyWithin(start + FIELD.previous, page + FIELD.previous, page + PAGE_SIZE)
    bytes.fill(0, page + FIELD.previous, page + PAGE_SIZE)
    bytes.writeUInt16LE(PAGE_SIZE % 0x10000, page + FIELD.low)
    return start
  }

  /** Says what a page holds. */
  setType(page: number, type: number, level: number): void {
    this.bytes.writeUInt8(level, page + FIELD.level)
    this.bytes.writeUInt8(type, page + FIELD.type)
  }

  /** Adds the first page. */
  addMeta({ magic, version, type }: MetaFields): void {
    this.add(0)
    const { bytes } = this
    bytes.writeUInt16LE(0, FIELD.low)
    bytes.writeUInt32LE(magic, 12)
    bytes.writeUInt32LE(version, 16)
    bytes.writeUInt32LE(PAGE_SIZE, 20)
    bytes.writeUInt8(type, 25)
    // The identity of the file, by which Berkeley DB shares it between handles.
    bytes.set(crypto.getRandomValues(new Uint8Array(20)), 52)
  }

  /** The number of the page that starts at `page`. */
  number(page: number): number {
    return page / PAGE_SIZE
  }

  /** Makes `after` the page behind `before`. */
  link(before: number, after: number): void {
    this.bytes.writeUInt32LE(this.number(after), before + FIELD.next)
    this.bytes.writeUInt32LE(this.number(before), after + FIELD.previous)
  }

  /** Room left between the offsets and the items of a page. */
  freeSpace(page: number): number {
    return this.bytes.readUInt16LE(page + FIELD.low) - PAGE_HEADER_SIZE - 2 * this.bytes.readUInt16LE(page + FIELD.count)
  }

  /** Takes `size` bytes of a page that has the room for one more item; where it starts in the file. */
  addItem(page: number, size: number): number {
    const { bytes } = this
    const count = bytes.readUInt16LE(page + FIELD.count)
    const low = bytes.readUInt16LE(page + FIELD.low) - size
    bytes.writeUInt16LE(low, page + PAGE_HEADER_SIZE + 2 * count)
    bytes.writeUInt16LE(count + 1, page + FIELD.count)
    bytes.writeUInt16LE(low, page + FIELD.low)
    return page + low
  }

  /** Writes text, one byte a character; what is behind it is zero already. */
  putText(at: number, text: string): void {
    if (text !== '') this.bytes.write(text, at, 'latin1')
  }

  /** Puts `text` on overflow pages of its own, and at `at` the page and the length that refer to them. */
  putOverflow(at: number, text: string): void {
    const length = text.length + this.#tail
    const first = this.#addOverflow(text, length)
    this.bytes.writeUInt32LE(first, at)
    this.bytes.writeUInt32LE(length, at + 4)
  }

  #addOverflow(text: string, length: number): number {
    let first = 0
    let before: number | undefined
    for (let done = 0; done < length; done += OVERFLOW_SIZE) {
      const page = this.add(PAGE_TYPE.overflow)
      this.bytes.writeUInt16LE(1, page + FIELD.count)
      this.bytes.writeUInt16LE(Math.min(length - done, OVERFLOW_SIZE), page + FIELD.low)
      this.putText(page + PAGE_HEADER_SIZE, text.slice(done, done + OVERFLOW_SIZE))
      if (before === undefined) first = this.number(page)
      else this.link(before, page)
      before = page
    }
    return first
  }

  /** The whole file. */
  finish(): Buffer {
    this.bytes.writeUInt32LE(this.#file.count - 1, 32)
    return this.#file.finish()
  }
}
