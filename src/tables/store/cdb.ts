/**
 * Constant database: 256 hash tables behind the records.
 *
 * Layout, all numbers 32 bits, little-endian: 256 pairs (position, slots) of the
 * hash tables; records (key length, value length, key, value); the hash tables,
 * pairs (hash, record position), position 0 for a free slot.
 *
 * Source: D. J. Bernstein, "cdb: the constant database format" (https://cr.yp.to/cdb/cdb.txt).
 */
import { DamagedStore, equalsAt, type StoreEntry, type StoreFormat, type StoreReader } from './store.ts'

const TABLES = 256
const HEADER_SIZE = 8 * TABLES
const FILE_SIZE_MAX = 0xffffffff

function hashOf(key: Uint8Array): number {
  let hash = 5381
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 33) ^ (key[i] ?? 0)) >>> 0
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
    const hash = hashOf(key)
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

type Slot = { readonly hash: number; readonly position: number }

function writeTable(out: Buffer, start: number, slots: readonly Slot[]): void {
  // Twice the records: half of the slots stay free, so searches are short and end.
  const count = 2 * slots.length
  for (const { hash, position } of slots) {
    let slot = (hash >>> 8) % count
    while (out.readUInt32LE(start + 8 * slot + 4) !== 0) slot = (slot + 1) % count
    out.writeUInt32LE(hash, start + 8 * slot)
    out.writeUInt32LE(position, start + 8 * slot + 4)
  }
}

function write(entries: readonly StoreEntry[]): Buffer {
  const dataSize = entries.reduce((size, [key, value]) => size + 8 + key.length + value.length, 0)
  const size = HEADER_SIZE + dataSize + 16 * entries.length
  if (size > FILE_SIZE_MAX) throw new RangeError('cdb files cannot be larger than 4 GB')
  const out = Buffer.alloc(size)
  const tables: Slot[][] = Array.from({ length: TABLES }, () => [])
  let at = HEADER_SIZE
  for (const [key, value] of entries) {
    const hash = hashOf(key)
    tables[hash & 255]?.push({ hash, position: at })
    out.writeUInt32LE(key.length, at)
    out.writeUInt32LE(value.length, at + 4)
    out.set(key, at + 8)
    out.set(value, at + 8 + key.length)
    at += 8 + key.length + value.length
  }
  tables.forEach((slots, i) => {
    out.writeUInt32LE(at, 8 * i)
    out.writeUInt32LE(2 * slots.length, 8 * i + 4)
    writeTable(out, at, slots)
    at += 16 * slots.length
  })
  return out
}

/** The format of `cdb:` tables. */
export const CDB: StoreFormat = {
  suffix: '.cdb',
  trailingNul: false,
  lock: 'none',
  read: (bytes) => new CdbReader(bytes),
  write,
}
