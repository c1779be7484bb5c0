/**
 * The format of the intake journal, version 2.
 *
 * A segment is a preallocated file: a header of 64 bytes, then entries, each at a multiple of 64 bytes, then zeros or
 * what an earlier use of the file left. All numbers are little-endian.
 *
 *   header: "PHJRNL2\n", generation (u32), seconds of the first message (u32), page cache that its writer wrote
 *           through (16 bytes, see system/page-cache.ts; zeros: unknown), CRC-32 of these 32 bytes (u32), zeros
 *   entry:  magic (u32), length of the body (u32), CRC-32 of length and body, seeded by the generation (u32), body
 *   body:   kind (u8), length of the queue id (u8), queue (u8), 0 (u8), creation seconds (u32), queue id; for a message
 *           then the bytes of its queue file
 *
 * The generation changes whenever the file is used again, so that entries of an earlier use do not count. Entries
 * that are whole count wherever they stand: one that is not whole is the end of an unfinished write, or damage.
 *
 * Version 1 had no page cache in its header (the CRC-32 stood in its place): it is read as unknown.
 *
 * @module
 */
import { crc32 } from 'node:zlib'
import { isQueueId, type QueueId } from '#queue/id.ts'
import { PAGE_CACHE_ID_BYTES, UNKNOWN_PAGE_CACHE } from '#system/page-cache.ts'

/**
 * What a segment says: this message was acknowledged; that one needs the journal no more. Seconds of a message are
 * those of its creation, seconds of "done" are no earlier than those of its message.
 */
export type JournalEntry =
  | { readonly kind: 'message'; readonly id: QueueId; readonly queue: 'incoming' | 'hold'; readonly seconds: number; readonly bytes: Uint8Array }
  | { readonly kind: 'done'; readonly id: QueueId; readonly seconds: number }

/** `startSeconds`: no message in it was acknowledged before; `NO_MESSAGES` when it holds none. */
export type SegmentHeader = { readonly generation: number; readonly startSeconds: number; readonly pageCache: Uint8Array }

/** Start of a segment without messages: nobody has to remember for its sake what is done. */
export const NO_MESSAGES = 0xffff_ffff

export const HEADER_BYTES = 64
/** Entries start at multiples of this, so that a reader finds the next one after damage. */
export const ALIGNMENT = 64
const ENTRY_HEAD_BYTES = 12
const BODY_HEAD_BYTES = 8
const FILE_MAGIC = Buffer.from('PHJRNL2\n')
const FILE_MAGIC_1 = Buffer.from('PHJRNL1\n')
const PAGE_CACHE_AT = 16
const HEADER_END = PAGE_CACHE_AT + PAGE_CACHE_ID_BYTES
const ENTRY_MAGIC = 0x4a52_4e45
const KIND_MESSAGE = 1
const KIND_DONE = 2
const QUEUES = ['incoming', 'hold'] as const

export function encodeHeader({ generation, startSeconds, pageCache }: SegmentHeader): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  FILE_MAGIC.copy(header)
  header.writeUInt32LE(generation, 8)
  header.writeUInt32LE(startSeconds, 12)
  header.set(pageCache, PAGE_CACHE_AT)
  header.writeUInt32LE(crc32(header.subarray(0, HEADER_END)), HEADER_END)
  return header
}

/** undefined: this is no segment, or its header was not finished. */
export function decodeHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const magic = bytes.subarray(0, FILE_MAGIC.length)
  const isOld = magic.equals(FILE_MAGIC_1)
  if (!isOld && !magic.equals(FILE_MAGIC)) return undefined
  const end = isOld ? PAGE_CACHE_AT : HEADER_END
  if (bytes.readUInt32LE(end) !== crc32(bytes.subarray(0, end))) return undefined
  const pageCache = isOld ? UNKNOWN_PAGE_CACHE : Uint8Array.from(bytes.subarray(PAGE_CACHE_AT, HEADER_END))
  return { generation: bytes.readUInt32LE(8), startSeconds: bytes.readUInt32LE(12), pageCache }
}

/** Bytes that an entry takes in its segment, with the space up to the next one. */
export function entryBytes(entry: JournalEntry): number {
  const content = entry.kind === 'message' ? entry.bytes.length : 0
  return align(ENTRY_HEAD_BYTES + BODY_HEAD_BYTES + entry.id.length + content)
}

function align(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT
}

/** Writes an entry at `at`, which has room for it, and returns where the next one starts. */
export function putEntry(out: Buffer, at: number, entry: JournalEntry, generation: number): number {
  const body = at + ENTRY_HEAD_BYTES
  let end = body + BODY_HEAD_BYTES
  out[body] = entry.kind === 'message' ? KIND_MESSAGE : KIND_DONE
  out[body + 1] = entry.id.length
  out[body + 2] = entry.kind === 'message' ? QUEUES.indexOf(entry.queue) : 0
  out[body + 3] = 0
  out.writeUInt32LE(entry.seconds >>> 0, body + 4)
  end += out.write(entry.id, end, 'latin1')
  if (entry.kind === 'message') {
    out.set(entry.bytes, end)
    end += entry.bytes.length
  }
  out.writeUInt32LE(ENTRY_MAGIC, at)
  out.writeUInt32LE(end - body, at + 4)
  out.writeUInt32LE(checksum(out, at, end, generation), at + 8)
  const next = at + align(end - at)
  out.fill(0, end, next)
  return next
}

/** Of the length (which stands before the checksum) and the body. */
function checksum(bytes: Buffer, at: number, end: number, generation: number): number {
  return crc32(bytes.subarray(at + ENTRY_HEAD_BYTES, end), crc32(bytes.subarray(at + 4, at + 8), generation))
}

/** The whole entries of a segment's bytes, header included, in order. `onDamage` hears of whole ones after a gap. */
export function* readEntries(bytes: Buffer, generation: number, onDamage: (at: number) => void): Generator<JournalEntry, void> {
  let gap = -1
  for (let at = HEADER_BYTES; at + ENTRY_HEAD_BYTES + BODY_HEAD_BYTES <= bytes.length;) {
    const entry = readEntry(bytes, at, generation)
    if (!entry) {
      if (gap < 0) gap = at
      at += ALIGNMENT
      continue
    }
    if (gap >= 0) onDamage(gap)
    gap = -1
    yield entry
    at += entryBytes(entry)
  }
}

function readEntry(bytes: Buffer, at: number, generation: number): JournalEntry | undefined {
  if (bytes.readUInt32LE(at) !== ENTRY_MAGIC) return undefined
  const body = at + ENTRY_HEAD_BYTES
  const end = body + bytes.readUInt32LE(at + 4)
  if (end > bytes.length || end < body + BODY_HEAD_BYTES) return undefined
  if (bytes.readUInt32LE(at + 8) !== checksum(bytes, at, end, generation)) return undefined
  const idEnd = body + BODY_HEAD_BYTES + (bytes[body + 1] ?? 0)
  const id = bytes.toString('latin1', body + BODY_HEAD_BYTES, idEnd)
  if (idEnd > end || !isQueueId(id)) return undefined
  const seconds = bytes.readUInt32LE(body + 4)
  if (bytes[body] === KIND_DONE) return { kind: 'done', id, seconds }
  const queue = QUEUES[bytes[body + 2] ?? 0]
  return bytes[body] === KIND_MESSAGE && queue ? { kind: 'message', id, queue, seconds, bytes: bytes.subarray(idEnd, end) } : undefined
}
