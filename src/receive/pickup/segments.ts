/**
 * The three segments of a maildrop file, record by record into cleanup.
 *
 * postdrop has filtered the attributes of what people submit. Mail that was in the
 * queue before (`postsuper -r`) has more records; what was decided for it then is
 * left out, so that it is decided again.
 *
 * @module
 */
import type { CleanupMessage } from '#cleanup/cleanup.ts'
import { appendRecord, attributeType, RECORD, splitAttribute } from '#queue/record.ts'
import type { RecordReader } from '#queue/record-reader.ts'
import { ByteWriter } from '#util/byte-writer.ts'

/** A record that does not belong where it is; type 0 where something is missing, -1 at the end of the file. */
export class DamagedFile extends Error {
  override readonly name = 'DamagedFile'
  readonly type: number

  constructor(type: number) {
    super(`Cannot use a record of type ${type} here`)
    this.type = type
  }
}

const typesOf = (letters: string): ReadonlySet<number> => new Set(Array.from(letters, (c) => c.charCodeAt(0)))

const ENVELOPE_TYPES = typesOf('MCTcFILSDRO/WVA>K<ion')
const CONTENT_TYPES = typesOf('XLN')
const EXTRACTED_TYPES = typesOf('EDRO/PreAFIL>Kon')

/** Content is handed on in pieces of about this size. */
const CHUNK_BYTES = 32_768
const BLANK = 32
const TAB = 9

export type CopyOptions = {
  /** Arrival time, in seconds, for files that have none. */
  readonly seconds: number
  /** Gets the first sender, in internal form; may throw. */
  onEnvelopeEnd(sender: string | undefined): void
  /** Header lines before the content. */
  readonly trace: readonly string[]
}

/** Copies a file up to its end record. @throws {DamagedFile | QueueFileError} */
export async function copySegments(reader: RecordReader, message: CleanupMessage, options: CopyOptions): Promise<void> {
  options.onEnvelopeEnd(copyEnvelope(reader, message, options.seconds))
  await copyContent(reader, message, options.trace)
  copyExtracted(reader, message)
}

function nextType(reader: RecordReader, allowed: ReadonlySet<number>): number {
  const type = reader.read()
  if (!allowed.has(type)) throw new DamagedFile(type === 0 ? -1 : type)
  return type
}

/** @returns The first sender. */
function copyEnvelope(reader: RecordReader, message: CleanupMessage, seconds: number): string | undefined {
  let sender: string | undefined
  let timeSeen = false
  for (let type = nextType(reader, ENVELOPE_TYPES); type !== RECORD.message; type = nextType(reader, ENVELOPE_TYPES)) {
    // The admin may have changed where mail goes: filters and redirections are not kept.
    if (type === RECORD.filter || type === RECORD.redirect) continue
    const payload = reader.text()
    if (type === RECORD.sender) {
      sender ??= payload
      if (!timeSeen) message.envelope(RECORD.time, String(seconds))
    }
    if (type === RECORD.time) timeSeen = true
    message.envelope(type, payload)
  }
  return sender
}

async function copyContent(reader: RecordReader, message: CleanupMessage, trace: readonly string[]): Promise<void> {
  const out = new ByteWriter(CHUNK_BYTES)
  for (const line of trace) appendRecord(out, RECORD.text, line)
  let first = true
  for (let type = nextType(reader, CONTENT_TYPES); type !== RECORD.extracted; type = nextType(reader, CONTENT_TYPES)) {
    // Otherwise the first line would count as the rest of our own header.
    if (first && isBlank(reader.data[0])) appendRecord(out, RECORD.text, '')
    first = false
    appendRecord(out, type, reader.data)
    if (out.length < CHUNK_BYTES) continue
    message.content(out.bytes())
    out.clear()
    const wait = message.writable()
    if (wait !== undefined) await wait
  }
  message.content(out.bytes())
  message.endContent()
}

const isBlank = (byte: number | undefined): boolean => byte === BLANK || byte === TAB

function copyExtracted(reader: RecordReader, message: CleanupMessage): void {
  for (let type = nextType(reader, EXTRACTED_TYPES); type !== RECORD.end; type = nextType(reader, EXTRACTED_TYPES)) {
    if (isDecidedAnew(type, reader)) continue
    message.extracted(type, reader.text())
  }
}

/** What came out of the content last time, and comes out of it again. */
function isDecidedAnew(type: number, reader: RecordReader): boolean {
  switch (type) {
    case RECORD.filter:
    case RECORD.redirect:
    case RECORD.returnReceipt:
    case RECORD.errorsTo:
      return true
    case RECORD.attribute: {
      const parts = splitAttribute(reader.text())
      return typeof parts !== 'string' && attributeType(parts.name) === undefined
    }
    default:
      return false
  }
}
