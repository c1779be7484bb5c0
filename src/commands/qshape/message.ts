/**
 * What qshape looks at in a queue file: arrival, sender, recipients. Files that are not plain messages are left out.
 *
 * Stricter than the mail system itself: complete messages without the mark of expiry, and the first two records
 * in the order in which cleanup writes them.
 *
 * @module
 */
import { files, O_RDONLY } from '#system/files.ts'
import { QueueFileError, RECORD } from '#queue/record.ts'
import { RecordReader } from '#queue/record-reader.ts'

/** The facts that are counted. Addresses are bytes, one character each: the table is as wide as they are. */
export type MessageShape = { readonly time: number; readonly sender: string; readonly recipients: readonly string[] }

const NAME_REGEXP = /^[A-Za-z0-9]{6,}$/
const MODE_MASK = 0o733
const MODE = 0o700
/** Lengths of more than three bytes are taken for damage. */
const PAYLOAD_BYTES_MAX = 2 ** 21 - 1
const READER_OPTIONS = { readBytes: 4096, payloadBytesMax: PAYLOAD_BYTES_MAX, skipPadding: false } as const

/** Reads the shape of one file; `undefined`: it does not count. */
export function readShape(path: string, name: string): MessageShape | undefined {
  if (!NAME_REGEXP.test(name)) return undefined
  const facts = files.lstat(path)
  if (!facts?.isFile || (facts.mode & MODE_MASK) !== MODE) return undefined
  const fd = openOrLeave(path)
  if (fd === undefined) return undefined
  try {
    using reader = new RecordReader(fd, 0, READER_OPTIONS)
    return shapeOf(reader, Math.floor(facts.mtimeMs / 1000))
  } catch (error) {
    if (error instanceof QueueFileError) return undefined
    throw error
  } finally {
    files.close(fd)
  }
}

/** A message that went meanwhile, or that may not be read, is left out. */
function openOrLeave(path: string): number | undefined {
  try {
    return files.open(path, O_RDONLY)
  } catch {
    return undefined
  }
}

function byteText(reader: RecordReader): string {
  return Buffer.from(reader.data).toString('latin1')
}

type Start = { readonly time: number; readonly sender?: string; readonly contentSize?: number }

/** The records before the envelope proper: size and time, or what maildrop held long ago. */
function readStart(reader: RecordReader, modified: number): Start | undefined {
  const first = reader.read()
  if (first === RECORD.size) {
    const size = /^\s*(\d+)\s+\d+\s+\d+/.exec(reader.text())?.[1]
    if (reader.read() !== RECORD.time) return undefined
    const time = Number.parseInt(reader.text(), 10)
    return size === undefined ? { time } : { time, contentSize: Number(size) }
  }
  if (first !== RECORD.sender && !(first === RECORD.fullName && reader.read() === RECORD.sender)) return undefined
  return { time: modified, sender: byteText(reader) }
}

function shapeOf(reader: RecordReader, modified: number): MessageShape | undefined {
  const start = readStart(reader, modified)
  if (!start) return undefined
  let { sender } = start
  const recipients: string[] = []
  for (let type = reader.read(); type !== RECORD.end; type = reader.read()) {
    if (type === 0) return undefined
    if (type === RECORD.recipient) recipients.push(byteText(reader))
    else if (type === RECORD.sender) sender = byteText(reader)
    else if (type === RECORD.message) {
      if (sender === undefined || !skipContent(reader, start.contentSize)) return undefined
    }
  }
  return sender === undefined || recipients.length === 0 ? undefined : { time: start.time, sender, recipients }
}

/** `false`: what follows the content is not what should. */
function skipContent(reader: RecordReader, contentSize: number | undefined): boolean {
  if (contentSize !== undefined) {
    reader.seek(reader.next + contentSize)
    return reader.read() === RECORD.extracted
  }
  let type = reader.read()
  while (type === RECORD.text || type === RECORD.textPart) type = reader.read()
  return type === RECORD.extracted
}
