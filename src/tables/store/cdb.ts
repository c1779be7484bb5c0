/**
 * Constant database: 256 hash tables behind the records.
 *
 * Layout, all numbers 32 bits, little-endian: 256 pairs (position, slots) of the
 * hash tables; records (key length, value length, key, value); the hash tables,
 * pairs (hash, record position), position 0 for a free slot.
 *
 * Source: D. J. Bernstein, "cdb: the constant database format" (https://cr.yp.to/cdb/cdb.txt).
 */
import { DamagedStore, equalsAt, oneFile, type StoreEntry, type StoreFormat, type StoreReader, type StoreText, type StoreWriteOptions } from './store.ts'

const TABLES = 256
const HEADER_SIZE = 8 * TABLES
const FILE_SIZE_MAX = 0xffffffff

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 5381
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 33) ^ (bytes[i] ?? 0)) >>> 0
  return hash
}

class CdbReader implements StoreReader {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    if (bytes.length < HEADER_SIZE) throw new DamagedStore('cdb file is shorter than its header')
    this.#bytes = bytes
    for (let i = 0; i < TABLES; i++) {
      if (this.#word(8 * i) + 8 * this.#word(8 * i + 4) > bytes.length) {
        throw new DamagedStore(`cdb hash table ${i} is outside the file`)
      }
    }
  }

  #word(at: number): number {
    if (at + 4 > this.#bytes.length) throw new DamagedStore(`cdb position ${at} is outside the file`)
    return this.#bytes.readUInt32LE(at)
  }

  find(key: Uint8Array): Uint8Array | undefined {
    const hash = hashOf(key, 0, key.length)
    const table = this.#word(8 * (hash & 255))
    const slots = this.#word(8 * (hash & 255) + 4)
    for (let i = 0, slot = slots === 0 ? 0 : (hash >>> 8) % slots; i < slots; i++) {
      const at = table + 8 * slot
      const record = this.#word(at + 4)
      if (record === 0) return undefined
      if (this.#word(at) === hash) {
        const value = this.#valueIfKey(record, key)
        if (value !== undefined) return value
      }
      slot = slot + 1 === slots ? 0 : slot + 1
    }
    return undefined
  }

  #valueIfKey(record: number, key: Uint8Array): Uint8Array | undefined {
    if (this.#word(record) !== key.length || !equalsAt(this.#bytes, record + 8, key)) return undefined
    return this.#slice(record + 8 + key.length, this.#word(record + 4))
  }

  #slice(start: number, length: number): Uint8Array {
    if (start + length > this.#bytes.length) throw new DamagedStore(`cdb record at ${start} is outside the file`)
    return this.#bytes.subarray(start, start + length)
  }

  *entries(): Generator<StoreEntry> {
    let end = this.#bytes.length
    for (let i = 0; i < TABLES; i++) end = Math.min(end, this.#word(8 * i))
    for (let at = HEADER_SIZE; at < end; ) {
      const keyLength = this.#word(at)
      const valueLength = this.#word(at + 4)
      yield [this.#slice(at + 8, keyLength), this.#slice(at + 8 + keyLength, valueLength)]
      at += 8 + keyLength + valueLength
    }
  }
}

/** Hash and position of all records, and how many records each hash table has. */
type Records = { readonly hashes: Uint32Array; readonly positions: Uint32Array; readonly counts: Uint32Array }

function putItem(out: Buffer, at: number, text: string): void {
  if (text !== '') out.write(text, at, 'latin1')
}

/** Writes the records behind the header. NULs at the end are there already: the file starts as zeros. */
function writeRecords(out: Buffer, entries: StoreText, tail: number): Records & { readonly end: number } {
  const hashes = new Uint32Array(entries.size)
  const positions = new Uint32Array(entries.size)
  const counts = new Uint32Array(TABLES)
  let at = HEADER_SIZE
  let i = 0
  for (const [key, value] of entries) {
    const keyEnd = at + 8 + key.length + tail
    out.writeUInt32LE(key.length + tail, at)
    out.writeUInt32LE(value.length + tail, at + 4)
    putItem(out, at + 8, key)
    putItem(out, keyEnd, value)
    const hash = hashOf(out, at + 8, keyEnd)
    hashes[i] = hash
    positions[i++] = at
    counts[hash & 255] = (counts[hash & 255] ?? 0) + 1
    at = keyEnd + value.length + tail
  }
  return { hashes, positions, counts, end: at }
}

/** Writes where each hash table is; twice as many slots as records, so that searches are short and end. */
function writeHeader(out: Buffer, { counts, end }: { counts: Uint32Array; end: number }): void {
  let at = end
  counts.forEach((count, i) => {
    out.writeUInt32LE(at, 8 * i)
    out.writeUInt32LE(2 * count, 8 * i + 4)
    at += 16 * count
  })
}

function writeSlots(out: Buffer, { hashes, positions }: Records): void {
  for (let i = 0; i < hashes.length; i++) {
    const hash = hashes[i] ?? 0
    const table = out.readUInt32LE(8 * (hash & 255))
    const count = out.readUInt32LE(8 * (hash & 255) + 4)
    let slot = (hash >>> 8) % count
    while (out.readUInt32LE(table + 8 * slot + 4) !== 0) slot = slot + 1 === count ? 0 : slot + 1
    out.writeUInt32LE(hash, table + 8 * slot)
    out.writeUInt32LE(positions[i] ?? 0, table + 8 * slot + 4)
  }
}

function write(entries: StoreText, { tail }: StoreWriteOptions): Buffer {
  let size = HEADER_SIZE
  for (const [key, value] of entries) size += 24 + key.length + value.length + 2 * tail
  if (size > FILE_SIZE_MAX) throw new RangeError('cdb files cannot be larger than 4 GB')
  const out = Buffer.alloc(size)
  const records = writeRecords(out, entries, tail)
  writeHeader(out, records)
  writeSlots(out, records)
  return out
}

/** The format of `cdb:` tables. */
export const CDB: StoreFormat = {
  suffixes: ['.cdb'],
  trailingNul: false,
  lock: 'none',
  read: oneFile((bytes) => new CdbReader(bytes)),
  write: (entries, options) => [write(entries, options)],
}
