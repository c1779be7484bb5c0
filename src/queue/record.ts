/**
 * Records of a queue file: a type byte, a length, a payload.
 *
 * The length is 1 to 4 bytes of 7 bits, the lowest first; the high bit says that
 * another one follows. A file is such records one after another, nothing else.
 *
 * Source: Postfix queue file format; queue/record-reader.ts reads them from files.
 *
 * @module
 */
import { ByteWriter } from '#util/byte-writer.ts'
import { encodeRaw } from '#util/raw-text.ts'

/** Record types. `filter` and `textPart` share a byte: which one it is depends on the segment. */
export const RECORD = {
  size: 0x43, // C
  time: 0x54, // T
  createTime: 0x63, // c, only as another form of the attribute create_time
  fullName: 0x46, // F
  inspector: 0x49, // I
  filter: 0x4c, // L in envelope and extracted segment
  sender: 0x53, // S
  done: 0x44, // D
  canceled: 0x2f, // /
  recipient: 0x52, // R
  originalRecipient: 0x4f, // O
  warnTime: 0x57, // W
  attribute: 0x41, // A
  killed: 0x4b, // K
  pointer: 0x70, // p
  padding: 0x77, // w
  message: 0x4d, // M
  text: 0x4e, // N
  textPart: 0x4c, // L in the content segment
  extracted: 0x58, // X
  returnReceipt: 0x72, // r
  errorsTo: 0x65, // e
  priority: 0x50, // P
  verp: 0x56, // V
  returnFlags: 0x3c, // <
  envelopeId: 0x69, // i
  dsnRecipient: 0x6f, // o
  notify: 0x6e, // n
  redirect: 0x3e, // >
  flags: 0x66, // f
  delay: 0x64, // d
  milterCount: 0x6d, // m
  end: 0x45, // E
} as const

export type RecordType = (typeof RECORD)[keyof typeof RECORD]

/** Bits of a length: a fifth length byte is damage. */
const LENGTH_BITS_MAX = 28
/** Longest payload that a length can express, in bytes. */
export const PAYLOAD_BYTES_MAX = 2 ** LENGTH_BITS_MAX - 1
/** Bytes of a type and the longest length. */
export const RECORD_HEAD_BYTES_MAX = 5
/** Digits of the numbers that are rewritten in place: size fields, pointers, times. */
export const NUMBER_WIDTH = 15
/** Bytes of a pointer record. */
export const POINTER_RECORD_BYTES = 2 + NUMBER_WIDTH
/** Bytes of the size record, the first one: six numbers, a blank between them. */
export const SIZE_RECORD_BYTES = 97

/** A queue file whose bytes do not make sense. `message` is Postfix's warning, without the path. */
export class QueueFileError extends Error {
  override readonly name = 'QueueFileError'
}

/** Writes type and length at `at`; returns where the payload starts. `out` must have the room. */
export function putHead(out: Uint8Array, at: number, type: number, length: number): number {
  if (length > PAYLOAD_BYTES_MAX) throw new RangeError(`Cannot write a record of ${length} bytes`)
  out[at++] = type
  let rest = length
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[at++] = rest
  return at
}

/** Writes ASCII characters at `at`. `false`: there is another character in it, and nothing is of use. */
export function putAscii(out: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x80) return false
    out[at + i] = code
  }
  return true
}

/** Appends one record. Text is written as `util/raw-text.ts` says. */
export function appendRecord(out: ByteWriter, type: number, payload: Uint8Array | string): void {
  out.reserve(payload.length + RECORD_HEAD_BYTES_MAX)
  if (typeof payload === 'string') {
    const start = putHead(out.buffer, out.length, type, payload.length)
    if (putAscii(out.buffer, start, payload)) out.length = start + payload.length
    else appendRecord(out, type, encodeRaw(payload))
    return
  }
  out.length = putHead(out.buffer, out.length, type, payload.length)
  out.append(payload)
}

/** One record in memory. `data` is a view of the bytes it was read from. */
export type QueueRecord = { readonly type: number; readonly offset: number; readonly data: Uint8Array }

/** Head of a record: where its payload starts and how long it is. */
export type RecordHead = { readonly type: number; readonly start: number; readonly length: number }

/**
 * Reads type and length at `at`.
 *
 * @returns `undefined` when the bytes end before the length does.
 * @throws {QueueFileError} When the length has more than 28 bits.
 */
export function readHead(bytes: Uint8Array, at: number, end: number = bytes.length): RecordHead | undefined {
  if (at >= end) return undefined
  const type = bytes[at] ?? 0
  let length = 0
  let position = at + 1
  for (let shift = 0; ; shift += 7) {
    if (shift >= LENGTH_BITS_MAX) throw new QueueFileError(`too many length bits, record type ${type}`)
    if (position >= end) return undefined
    const byte = bytes[position++] ?? 0
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) return { type, start: position, length }
  }
}

/**
 * The records of `bytes` as they stand: no pointer is followed, nothing is skipped.
 *
 * @param base What `bytes` starts at, added to the offsets.
 * @throws {QueueFileError} At the first record that is not whole.
 */
export function* readRecords(bytes: Uint8Array, base = 0): Generator<QueueRecord, void> {
  for (let at = 0; at < bytes.length;) {
    const head = readHead(bytes, at)
    if (!head) throw new QueueFileError(`unexpected EOF reading length, record type ${bytes[at]}`)
    const end = head.start + head.length
    if (end > bytes.length) {
      throw new QueueFileError(`unexpected EOF in data, record type ${head.type} length ${head.length}`)
    }
    yield { type: head.type, offset: base + at, data: bytes.subarray(head.start, end) }
    at = end
  }
}

/** A number as the places that are rewritten hold it: right-justified in 15 columns. */
export function paddedNumber(value: number): string {
  return String(value).padStart(NUMBER_WIDTH)
}

/** Fields of the size record, in file order. */
export type SizeFields = {
  readonly contentSize: number
  readonly dataOffset: number
  readonly recipientCount: number
  readonly qmgrFlags: number
  readonly contentLength: number
  readonly sendOptions: number
}

/** Payload of the size record. */
export function sizePayload(fields: SizeFields): string {
  const { contentSize, dataOffset, recipientCount, qmgrFlags, contentLength, sendOptions } = fields
  return [contentSize, dataOffset, recipientCount, qmgrFlags, contentLength, sendOptions].map(paddedNumber).join(' ')
}

/** The whole numbers at the start of a size record, up to six, as far as they can be read. */
export function sizeNumbers(payload: string): number[] {
  const match = /^(?:\s*[+-]?\d+){1,6}/.exec(payload)
  return match ? match[0].trim().split(/\s+/).map(Number) : []
}

const ATTRIBUTE_TYPES: ReadonlyMap<string, number> = new Map([
  ['dsn_orig_rcpt', RECORD.dsnRecipient],
  ['notify_flags', RECORD.notify],
  ['envelope_id', RECORD.envelopeId],
  ['ret_flags', RECORD.returnFlags],
  ['create_time', RECORD.createTime],
])

/** The record type that an attribute stands for; `undefined` for all other names. */
export function attributeType(name: string): number | undefined {
  return ATTRIBUTE_TYPES.get(name)
}

/**
 * Splits `name=value`; blanks around both go.
 *
 * @returns The reason, in Postfix's words, when it is not of this form.
 */
export function splitAttribute(text: string): { readonly name: string; readonly value: string } | string {
  const equals = text.indexOf('=')
  const name = (equals < 0 ? text : text.slice(0, equals)).trim()
  if (equals < 0) return name === '' ? 'missing attribute name' : "missing '=' after attribute name"
  if (name === '') return 'missing attribute name'
  if (/\s/.test(name)) return "missing '=' after attribute name"
  return { name, value: text.slice(equals + 1).trim() }
}
