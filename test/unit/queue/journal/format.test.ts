/** The bytes of the intake journal: see src/queue/journal/format.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import {
  ALIGNMENT, decodeHeader, encodeHeader, entryBytes, HEADER_BYTES, putEntry, readEntries, type JournalEntry,
} from '#queue/journal/format.ts'
import { queueId } from '#queue/id.ts'
import { UNKNOWN_PAGE_CACHE } from '#system/page-cache.ts'

const GENERATION = 4_000_000_001

function message(id: string, text: string): JournalEntry {
  return { kind: 'message', id: queueId(id), queue: 'incoming', seconds: 1_795_168_578, bytes: Buffer.from(text) }
}
const ENTRIES: JournalEntry[] = [
  message('90E7F2544D2', 'first'), { kind: 'done', id: queueId('90E7F2544D2'), seconds: 1_795_168_579 },
  message('4jW9hf4CV7zLP29', 'x'.repeat(1000)), { kind: 'message', id: queueId('A1'), queue: 'hold', seconds: 0, bytes: Buffer.alloc(0) },
]

function segment(entries: readonly JournalEntry[], generation = GENERATION): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + entries.reduce((sum, entry) => sum + entryBytes(entry), 0) + 10 * ALIGNMENT)
  encodeHeader({ generation, startSeconds: 7, pageCache: UNKNOWN_PAGE_CACHE }).copy(bytes)
  let at = HEADER_BYTES
  for (const entry of entries) at = putEntry(bytes, at, entry, generation)
  return bytes
}

function read(bytes: Buffer, generation = GENERATION) {
  const damage: number[] = []
  const entries = [...readEntries(bytes, generation, (at) => damage.push(at))]
  return { ids: entries.map(({ kind, id }) => `${kind} ${id}`), entries, damage }
}

test('putEntry() and readEntries() carry every kind of entry', () => {
  const { entries, damage } = read(segment(ENTRIES))
  assert.deepEqual(entries.map((e) => (e.kind === 'message' ? { ...e, bytes: Buffer.from(e.bytes) } : e)), ENTRIES)
  assert.deepEqual(damage, [])
})

test('decodeHeader() takes a whole header and nothing else', () => {
  const pageCache = Uint8Array.from({ length: 16 }, (_, i) => i)
  const header = encodeHeader({ generation: GENERATION, startSeconds: 99, pageCache })
  assert.deepEqual(decodeHeader(header), { generation: GENERATION, startSeconds: 99, pageCache })
  for (let i = 0; i < 36; i += 1) {
    const damaged = Buffer.from(header)
    damaged[i] = (damaged[i] ?? 0) ^ 1
    assert.equal(decodeHeader(damaged), undefined, `byte ${i}`)
  }
  assert.equal(decodeHeader(header.subarray(0, 63)), undefined)
})

test('decodeHeader() reads version 1, which did not know the page cache', () => {
  const header = Buffer.alloc(HEADER_BYTES)
  header.write('PHJRNL1\n')
  header.writeUInt32LE(GENERATION, 8)
  header.writeUInt32LE(99, 12)
  header.writeUInt32LE(crc32(header.subarray(0, 16)), 16)
  assert.deepEqual(decodeHeader(header), { generation: GENERATION, startSeconds: 99, pageCache: UNKNOWN_PAGE_CACHE })
  header[7] = 0x33
  assert.equal(decodeHeader(header), undefined)
})

test('readEntries() does not take entries of an earlier use of the file', () => {
  const bytes = segment(ENTRIES, GENERATION)
  putEntry(bytes, HEADER_BYTES, message('NEW1', 'now'), 5)
  assert.deepEqual(read(bytes, 5).ids, ['message NEW1'])
})

test('readEntries() ends at an unfinished write, wherever it was cut', () => {
  const whole = segment(ENTRIES.slice(0, 1))
  const two = segment(ENTRIES.slice(0, 3))
  for (let cut = HEADER_BYTES; cut < two.length; cut += 7) {
    const torn = Buffer.concat([two.subarray(0, cut), Buffer.alloc(two.length - cut)])
    const { ids, damage } = read(torn)
    assert.deepEqual(ids, ['message 90E7F2544D2', 'done 90E7F2544D2', 'message 4jW9hf4CV7zLP29'].slice(0, ids.length))
    assert.deepEqual(damage, [])
  }
  assert.equal(read(whole).ids.length, 1)
})

test('readEntries() goes on after damage in the middle, and says so', () => {
  const bytes = segment(ENTRIES)
  bytes[HEADER_BYTES + 30] = (bytes[HEADER_BYTES + 30] ?? 0) ^ 0xff
  const { ids, damage } = read(bytes)
  assert.deepEqual(ids, ['done 90E7F2544D2', 'message 4jW9hf4CV7zLP29', 'message A1'])
  assert.deepEqual(damage, [HEADER_BYTES])
})
