/**
 * Pages of Berkeley DB files, access methods hash and btree, versions 1.85 excluded.
 *
 * Every page starts with 26 bytes: log position (8), page number (4), previous
 * and next page (4 + 4), number of items (2), start of the free space's end (2),
 * level (1), type (1); then one 16-bit offset for each item. Numbers have the
 * byte order of the machine that wrote the file; only little-endian is read.
 *
 * Source: Berkeley DB 5.3, the layout of its files, as observed in files of db5.3-util.
 */
import { DamagedStore } from '#tables/store/store.ts'

export const PAGE_HEADER_SIZE = 26

/** What a page holds, its byte 25. */
export const PAGE_TYPE = {
  unsortedHash: 2,
  internalBtree: 3,
  leafBtree: 5,
  overflow: 7,
  hashMeta: 8,
  btreeMeta: 9,
  hash: 13,
} as const

/** Bytes 12 to 15 of page 0. */
export const MAGIC = { hash: 0x061561, btree: 0x053162 } as const

/** Size of the pages that we write. */
export const PAGE_SIZE = 4096

const META_SIZE = 512
const PAGE_SIZE_MIN = 512
const PAGE_SIZE_MAX = 65536
/** Metaflag: pages carry checksums, in a longer header. */
const CHECKSUM_FLAG = 1

/** The pages of one file. */
export class Pages {
  readonly bytes: Buffer
  readonly size: number
  readonly count: number

  /** @throws {DamagedStore} Not a file of this kind, or one that we cannot read. */
  constructor(bytes: Buffer, kind: 'hash' | 'btree', versions: readonly number[]) {
    if (bytes.length < META_SIZE) throw new DamagedStore('Berkeley DB file is shorter than its first page')
    const magic = bytes.readUInt32LE(12)
    if (magic !== MAGIC[kind]) {
      const other = bytes.readUInt32BE(12) === MAGIC[kind] ? 'file of another byte order' : 'bad magic number'
      throw new DamagedStore(`Berkeley DB ${kind}: ${other}`)
    }
    const version = bytes.readUInt32LE(16)
    if (!versions.includes(version)) throw new DamagedStore(`Berkeley DB ${kind}: unsupported version ${version}`)
    const size = bytes.readUInt32LE(20)
    if (size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX || (size & (size - 1)) !== 0) {
      throw new DamagedStore(`Berkeley DB ${kind}: bad page size ${size}`)
    }
    if (bytes[24] !== 0) throw new DamagedStore(`Berkeley DB ${kind}: file is encrypted`)
    if (((bytes[26] ?? 0) & CHECKSUM_FLAG) !== 0) throw new DamagedStore(`Berkeley DB ${kind}: file has checksums`)
    this.bytes = bytes
    this.size = size
    this.count = Math.floor(bytes.length / size)
  }

  /** Where page `number` starts. */
  start(number: number): number {
    if (number >= this.count) throw new DamagedStore(`Berkeley DB page ${number} is outside the file`)
    return number * this.size
  }

  next(page: number): number {
    return this.bytes.readUInt32LE(page + 16)
  }

  /** Two bytes as a number; 0 beyond the end. By hand, as a lookup reads a dozen of them. */
  #uint16(at: number): number {
    return (this.bytes[at] ?? 0) | ((this.bytes[at + 1] ?? 0) << 8)
  }

  itemCount(page: number): number {
    const count = this.#uint16(page + 20)
    if (PAGE_HEADER_SIZE + 2 * count > this.size) throw new DamagedStore('Berkeley DB page has too many items')
    return count
  }

  type(page: number): number {
    return this.bytes[page + 25] ?? 0
  }

  /** Where item `i` of `page` starts, within the page. */
  itemOffset(page: number, i: number): number {
    const offset = this.#uint16(page + PAGE_HEADER_SIZE + 2 * i)
    if (offset < PAGE_HEADER_SIZE || offset >= this.size) throw new DamagedStore('Berkeley DB item is outside its page')
    return offset
  }

  /** Follows a chain of overflow pages: `length` bytes, copied. */
  overflow(first: number, length: number): Buffer {
    if (length > this.bytes.length) throw new DamagedStore('Berkeley DB overflow item is longer than the file')
    const out = Buffer.alloc(length)
    let filled = 0
    for (let number = first; filled < length; ) {
      const page = this.start(number)
      const part = this.bytes.readUInt16LE(page + 22)
      const fits = part > 0 && part <= this.size - PAGE_HEADER_SIZE && filled + part <= length
      if (number === 0 || this.type(page) !== PAGE_TYPE.overflow || !fits) {
        throw new DamagedStore('Berkeley DB overflow chain is broken')
      }
      const data = page + PAGE_HEADER_SIZE
      out.set(this.bytes.subarray(data, data + part), filled)
      filled += part
      number = this.next(page)
    }
    return out
  }
}
