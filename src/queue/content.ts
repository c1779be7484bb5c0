/**
 * The content of a queued message, for those who deliver it: records, or bytes with line ends.
 *
 * Nothing is held but one read buffer, whatever the size of the message.
 *
 * @module
 */
import { files, O_RDWR } from '#system/files.ts'
import type { QueueId } from './id.ts'
import { QueueFileError, RECORD, SIZE_RECORD_BYTES, sizeNumbers } from './record.ts'
import { RecordReader } from './record-reader.ts'
import { queuePath, type QueueName, type Spool } from './spool.ts'

/**
 * One piece of content. `N`: the line ends after `data`; `L`: it goes on in the next piece.
 * `data` is a view, valid until the next piece is asked for.
 */
export type ContentPiece = { readonly type: 'N' | 'L'; readonly data: Uint8Array }

/** Who takes content. */
export type ContentTaker = {
  /**
   * Takes whole lines from the start of some records, as many as it can. The last record may not be whole.
   *
   * @returns Bytes of the records that were taken.
   */
  addLines(records: Uint8Array): number
  /** Takes one piece of content, which may be used until this returns. `ends`: the line ends with it. */
  add(data: Uint8Array, ends: boolean): void
}

/** A message opened for delivery, under a shared lock until it is closed. */
export class OpenMessage {
  readonly id: QueueId
  readonly path: string
  /** Open for reading and writing: recipients are marked through it. */
  readonly fd: number
  #dataOffset: number | undefined
  #open = true

  constructor(id: QueueId, path: string, fd: number) {
    this.id = id
    this.path = path
    this.fd = fd
  }

  /** Offset of the first content record, from the size record. @throws {QueueFileError} */
  get dataOffset(): number {
    this.#dataOffset ??= readDataOffset(this.fd, this.path)
    return this.#dataOffset
  }

  /** The content, in order. @throws {QueueFileError} When it does not end where the envelope goes on. */
  *contentRecords(dataOffset: number = this.dataOffset): Generator<ContentPiece, void> {
    using reader = new RecordReader(this.fd, dataOffset)
    for (let type = reader.read(); type !== RECORD.extracted; type = reader.read()) {
      yield { type: contentType(type, reader.offset, this.path), data: reader.data }
    }
  }

  /** Gives the content to `taker`, a part of it at each step. @throws {QueueFileError} As `contentRecords()`. */
  *contentFor(taker: ContentTaker, dataOffset: number = this.dataOffset): Generator<undefined, void> {
    using reader = new RecordReader(this.fd, dataOffset)
    for (;;) {
      const taken = taker.addLines(reader.ahead())
      reader.skip(taken)
      if (taken === 0) {
        const type = reader.read()
        if (type === RECORD.extracted) return
        taker.add(reader.data, contentType(type, reader.offset, this.path) === 'N')
      }
      yield
    }
  }

  /** The header: pieces up to the empty line, which is not among them. */
  *headers(dataOffset: number = this.dataOffset): Generator<ContentPiece, void> {
    let lineStarts = true
    for (const piece of this.contentRecords(dataOffset)) {
      if (lineStarts && piece.type === 'N' && piece.data.length === 0) return
      lineStarts = piece.type === 'N'
      yield piece
    }
  }

  /** Gives the lock back. Calling it again does nothing. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    files.close(this.fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function contentType(type: number, offset: number, path: string): 'N' | 'L' {
  if (type === RECORD.text) return 'N'
  if (type === RECORD.textPart) return 'L'
  if (type === 0) throw new QueueFileError(`${path}: unexpected end of file in message content`)
  throw new QueueFileError(`${path}: unexpected record type ${type} in message content at offset ${offset}`)
}

function readDataOffset(fd: number, path: string): number {
  using reader = new RecordReader(fd, 0, { readBytes: SIZE_RECORD_BYTES })
  const offset = reader.read() === RECORD.size ? sizeNumbers(reader.text())[1] ?? 0 : 0
  if (offset <= 0) throw new QueueFileError(`${path}: invalid size record`)
  return offset
}

/**
 * Opens a message for delivery and takes a shared lock, which keeps the queue manager from loading it again.
 *
 * @throws {NodeJS.ErrnoException} ENOENT when it is gone; EAGAIN when someone has the exclusive lock.
 */
export function openMessage(spool: Spool, queue: QueueName, id: QueueId): OpenMessage {
  const path = queuePath(spool, queue, id)
  const fd = files.open(path, O_RDWR)
  const isLocked = files.flock(fd, 'shared', false)
  // Until the lock its file may have been removed, and used for another message (queue/spare.ts).
  if (isLocked && files.lstat(path)) return new OpenMessage(id, path, fd)
  files.close(fd)
  throw isLocked ? errnoError('ENOENT', `open ${path}: No such file or directory`)
    : errnoError('EAGAIN', `shared lock ${path}: Resource temporarily unavailable`)
}

function errnoError(code: string, text: string): NodeJS.ErrnoException {
  return Object.assign(new Error(text), { code })
}

/** How content becomes bytes. */
export type ChunkOptions = {
  readonly eol: 'lf' | 'crlf'
  /** Double a dot at the start of a line. RFC 5321 §4.5.2. Default: no. */
  readonly dots?: boolean
  /** First content record; default: what the size record says. */
  readonly dataOffset?: number
}

/** Bytes of one chunk; the last one is shorter, and one with a longer piece is longer. */
const CHUNK_BYTES = 65_536
const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
/** Bytes that a piece can gain: a dot, CR and LF. */
const GAIN_BYTES_MAX = 3

/** Builds chunks of content bytes. */
class ChunkBuilder {
  readonly #crlf: boolean
  readonly #dots: boolean
  #out = Buffer.allocUnsafe(CHUNK_BYTES)
  #filled = 0
  #lineStarts = true

  constructor({ eol, dots }: ChunkOptions) {
    this.#crlf = eol === 'crlf'
    this.#dots = dots ?? false
  }

  /** Whether the next piece needs a new chunk: `take()` the old one first. */
  isFullFor(piece: ContentPiece): boolean {
    return this.#filled > 0 && piece.data.length + GAIN_BYTES_MAX > CHUNK_BYTES - this.#filled
  }

  add({ type, data }: ContentPiece): void {
    if (data.length + GAIN_BYTES_MAX > this.#out.length) this.#out = Buffer.allocUnsafe(data.length + GAIN_BYTES_MAX)
    if (this.#dots && this.#lineStarts && data[0] === DOT) this.#out[this.#filled++] = DOT
    this.#out.set(data, this.#filled)
    this.#filled += data.length
    // An empty piece in the middle of nothing does not move the start of the line.
    this.#lineStarts = type === 'N' || (this.#lineStarts && data.length === 0)
    if (type === 'N') this.#endLine()
  }

  /** Ends a last line that has no end of its own. */
  finish(): void {
    if (!this.#lineStarts) this.#endLine()
  }

  /** What was built, for the caller to keep. */
  take(): Uint8Array {
    const chunk = this.#out.subarray(0, this.#filled)
    this.#out = Buffer.allocUnsafe(CHUNK_BYTES)
    this.#filled = 0
    return chunk
  }

  #endLine(): void {
    if (this.#crlf) this.#out[this.#filled++] = CR
    this.#out[this.#filled++] = LF
  }
}

/** The content as bytes with line ends, in chunks that the caller may keep. The last line is always ended. */
export function* contentChunks(message: OpenMessage, options: ChunkOptions): Generator<Uint8Array, void> {
  const builder = new ChunkBuilder(options)
  for (const piece of message.contentRecords(options.dataOffset)) {
    if (builder.isFullFor(piece)) yield builder.take()
    builder.add(piece)
  }
  builder.finish()
  const last = builder.take()
  if (last.length > 0) yield last
}
