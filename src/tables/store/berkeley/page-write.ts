/**
 * Writing pages of Berkeley DB files: a growing file, page headers, overflow chains.
 */
import { PAGE_HEADER_SIZE, PAGE_SIZE, PAGE_TYPE } from './page.ts'

/** Bytes of one item that an overflow page holds. */
const OVERFLOW_SIZE = PAGE_SIZE - PAGE_HEADER_SIZE

/** A place that the writer fills: page number and its bytes. */
export type NewPage = { readonly number: number; readonly bytes: Buffer }

/** What the first page says in all access methods. */
export type MetaFields = {
  readonly magic: number
  readonly version: number
  readonly type: number
}

/** The pages of a file being made. Page 0 is the meta page. */
export class PageWriter {
  readonly #pages: Buffer[] = []

  /** Adds a page of this type. `level`: 1 for btree leaves and up, 0 otherwise. */
  add(type: number, level = 0): NewPage {
    const number = this.#pages.length
    const bytes = Buffer.alloc(PAGE_SIZE)
    // Log sequence number of pages that no transaction wrote.
    bytes.writeUInt32LE(1, 4)
    bytes.writeUInt32LE(number, 8)
    bytes.writeUInt16LE(PAGE_SIZE % 0x10000, 22)
    bytes.writeUInt8(level, 24)
    bytes.writeUInt8(type, 25)
    this.#pages.push(bytes)
    return { number, bytes }
  }

  /** Adds the first page. */
  addMeta({ magic, version, type }: MetaFields): Buffer {
    const { bytes } = this.add(0)
    bytes.writeUInt16LE(0, 22)
    bytes.writeUInt8(0, 25)
    bytes.writeUInt32LE(magic, 12)
    bytes.writeUInt32LE(version, 16)
    bytes.writeUInt32LE(PAGE_SIZE, 20)
    bytes.writeUInt8(type, 25)
    // The identity of the file, by which Berkeley DB shares it between handles.
    bytes.set(crypto.getRandomValues(new Uint8Array(20)), 52)
    return bytes
  }

  /** Stores one item on overflow pages of its own; returns the first page. */
  addOverflow(data: Uint8Array): number {
    let first = 0
    let before: NewPage | undefined
    for (let at = 0; at < data.length; at += OVERFLOW_SIZE) {
      const part = data.subarray(at, at + OVERFLOW_SIZE)
      const page = this.add(PAGE_TYPE.overflow)
      page.bytes.writeUInt16LE(1, 20)
      page.bytes.writeUInt16LE(part.length, 22)
      page.bytes.set(part, PAGE_HEADER_SIZE)
      if (before === undefined) first = page.number
      else link(before, page)
      before = page
    }
    return first
  }

  /** The whole file. */
  finish(meta: Buffer): Buffer {
    meta.writeUInt32LE(this.#pages.length - 1, 32)
    return Buffer.concat(this.#pages)
  }
}

/** Makes `after` the page behind `before`. */
export function link(before: NewPage, after: NewPage): void {
  before.bytes.writeUInt32LE(after.number, 16)
  after.bytes.writeUInt32LE(before.number, 12)
}

/** Room left between the offsets and the items of a page. */
export function freeSpace({ bytes }: NewPage): number {
  return bytes.readUInt16LE(22) - PAGE_HEADER_SIZE - 2 * bytes.readUInt16LE(20)
}

/** Puts an item on a page that has room for it. */
export function appendItem({ bytes }: NewPage, item: Uint8Array): void {
  const count = bytes.readUInt16LE(20)
  const start = bytes.readUInt16LE(22) - item.length
  bytes.set(item, start)
  bytes.writeUInt16LE(start, PAGE_HEADER_SIZE + 2 * count)
  bytes.writeUInt16LE(count + 1, 20)
  bytes.writeUInt16LE(start, 22)
}
