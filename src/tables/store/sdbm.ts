/**
 * sdbm: extendible hashing in two files, as Ozan Yigit's library and Perl's SDBM_File keep them.
 *
 * `.pag` is made of pages of 1024 bytes: the number of items, then where each item starts (16 bits, little-endian);
 * items, key and value in turn, fill the page from its end. `.dir` is a bit for each node of a tree: set where a page
 * was split. From the root, bit `n` of the key's hash leads to one of two nodes, 2i+1 or 2i+2; where the bit of a node
 * is clear, the page has the number of as many low bits of the hash as were used.
 *
 * Source: sdbm's documents and its public-domain sources, as in Perl; files of SDBM_File.
 */
import { DamagedStore, equalsAt, type StoreEntry, type StoreFormat, type StoreReader, type StoreText, type StoreWriteOptions } from './store.ts'

const PAGE_SIZE = 1024
/** Bytes of a key and its value together. */
const PAIR_SIZE_MAX = 1008
/** `.dir` grows by this many bytes. */
const DIRECTORY_BLOCK = 4096
/** Splits below each other: beyond this the directory alone would take more than 16 MB. */
const DEPTH_MAX = 26

function hashOf(key: Uint8Array): number {
  let hash = 0
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 65599) + (key[i] ?? 0)) | 0
  return hash
}

/** `hashOf()` of text of one character for each byte and `tail` NULs. */
function hashOfText(text: string, tail: number): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 65599) + text.charCodeAt(i)) | 0
  return tail === 0 ? hash : Math.imul(hash, 65599)
}

function nextNode(node: number, hash: number, depth: number): number {
  return 2 * node + (((hash >>> depth) & 1) === 0 ? 1 : 2)
}

class SdbmReader implements StoreReader {
  readonly #pages: Buffer
  readonly #directory: Buffer

  constructor([pages = Buffer.alloc(0), directory = Buffer.alloc(0)]: readonly Buffer[]) {
    if (pages.length % PAGE_SIZE !== 0) throw new DamagedStore('sdbm: the size of the .pag file is no multiple of a page')
    if (directory.length % DIRECTORY_BLOCK !== 0) throw new DamagedStore('sdbm: the size of the .dir file is no multiple of a block')
    this.#pages = pages
    this.#directory = directory
  }

  #isSplit(node: number): boolean {
    return ((this.#directory[node >>> 3] ?? 0) & (1 << (node & 7))) !== 0
  }

  /** The page for a hash. */
  #pageNumber(hash: number): number {
    let depth = 0
    for (let node = 0; this.#isSplit(node); depth++) {
      if (depth >= DEPTH_MAX) throw new DamagedStore('sdbm: too many splits')
      node = nextNode(node, hash, depth)
    }
    return hash & ((1 << depth) - 1)
  }

  find(key: Uint8Array): Uint8Array | undefined {
    for (const [start, middle, end] of this.#pairs(this.#pageNumber(hashOf(key)))) {
      if (end - middle === key.length && equalsAt(this.#pages, middle, key)) return this.#pages.subarray(start, middle)
    }
    return undefined
  }

  *entries(): Generator<StoreEntry> {
    for (let page = 0; page * PAGE_SIZE < this.#pages.length; page++) {
      for (const [start, middle, end] of this.#pairs(page)) yield [this.#pages.subarray(middle, end), this.#pages.subarray(start, middle)]
    }
  }

  /** Where the pairs of a page are: value from `start` to `middle`, key from there to `end`. */
  *#pairs(number: number): Generator<readonly [start: number, middle: number, end: number]> {
    const page = number * PAGE_SIZE
    // A page behind the end of the file, or in a hole of it, has nothing.
    if (page >= this.#pages.length) return
    const count = this.#pages.readUInt16LE(page)
    if (count % 2 !== 0 || 2 * (count + 1) > PAGE_SIZE) throw new DamagedStore(`sdbm page ${number} has a bad number of items`)
    let end = PAGE_SIZE
    for (let i = 1; i <= count; i += 2) {
      const middle = this.#pages.readUInt16LE(page + 2 * i)
      const start = this.#pages.readUInt16LE(page + 2 * i + 2)
      if (middle > end || start > middle || start < 2 * (count + 1)) throw new DamagedStore(`sdbm page ${number}: items overlap`)
      yield [page + start, page + middle, page + end]
      end = start
    }
  }
}

type Key = { readonly text: string; readonly hash: number; readonly size: number }

/** Both files, as they grow. */
class SdbmWriter {
  readonly #entries: StoreText
  readonly #tail: number
  #pages = Buffer.alloc(0)
  #directory = Buffer.alloc(0)

  constructor(entries: StoreText, tail: number) {
    this.#entries = entries
    this.#tail = tail
  }

  /** Puts keys, which agree in `depth` bits of their hash, on the page of `node`, or splits it. */
  place(keys: readonly Key[], node: number, depth: number): void {
    if (fitOnPage(keys)) {
      const [first] = keys
      if (first !== undefined) this.#writePage(first.hash & ((1 << depth) - 1), keys)
      return
    }
    if (depth >= DEPTH_MAX) throw new RangeError('sdbm: too many keys with the same hash')
    this.#split(node)
    const bit = 1 << depth
    this.place(keys.filter(({ hash }) => (hash & bit) === 0), 2 * node + 1, depth + 1)
    this.place(keys.filter(({ hash }) => (hash & bit) !== 0), 2 * node + 2, depth + 1)
  }

  #split(node: number): void {
    const byte = node >>> 3
    this.#directory = grown(this.#directory, (Math.floor(byte / DIRECTORY_BLOCK) + 1) * DIRECTORY_BLOCK)
    this.#directory[byte] = (this.#directory[byte] ?? 0) | (1 << (node & 7))
  }

  #writePage(number: number, keys: readonly Key[]): void {
    const page = number * PAGE_SIZE
    this.#pages = grown(this.#pages, page + PAGE_SIZE)
    this.#pages.writeUInt16LE(2 * keys.length, page)
    let end = PAGE_SIZE
    keys.forEach(({ text }, i) => {
      const value = this.#entries.get(text) ?? ''
      for (const [j, item] of [text, value].entries()) {
        end -= item.length + this.#tail
        this.#pages.writeUInt16LE(end, page + 2 * (2 * i + j + 1))
        if (item !== '') this.#pages.write(item, page + end, 'latin1')
      }
    })
  }

  finish(): readonly Buffer[] {
    return [this.#pages, this.#directory]
  }
}

/** `bytes` with room for `length`; zeros behind what was there. Grows by more than is asked, in the same memory. */
function grown(bytes: Buffer<ArrayBuffer>, length: number): Buffer<ArrayBuffer> {
  if (length <= bytes.length) return bytes
  if (length <= bytes.buffer.byteLength) return Buffer.from(bytes.buffer, 0, length)
  const more = Buffer.from(new ArrayBuffer(Math.max(length, 2 * bytes.buffer.byteLength)), 0, length)
  more.set(bytes)
  return more
}

function fitOnPage(keys: readonly Key[]): boolean {
  let size = 2
  for (const key of keys) {
    size += key.size + 4
    if (size > PAGE_SIZE) return false
  }
  return true
}

function write(entries: StoreText, { tail }: StoreWriteOptions): readonly Buffer[] {
  const keys: Key[] = []
  for (const [text, value] of entries) {
    const size = text.length + value.length + 2 * tail
    if (size > PAIR_SIZE_MAX) throw new RangeError(`sdbm: a key and its value have ${PAIR_SIZE_MAX} bytes at most, these have ${size}`)
    keys.push({ text, hash: hashOfText(text, tail), size })
  }
  const writer = new SdbmWriter(entries, tail)
  writer.place(keys, 0, 0)
  return writer.finish()
}

/** The format of `sdbm:` tables. */
export const SDBM: StoreFormat = {
  suffixes: ['.pag', '.dir'],
  trailingNul: true,
  lock: 'flock',
  read: (files) => new SdbmReader(files),
  write,
}
