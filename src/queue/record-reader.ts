/**
 * Records of an open queue file, with the jumps that milter edits leave in it.
 *
 * Reads are at explicit offsets, so the descriptor's own position does not matter
 * and one descriptor can serve several readers.
 *
 * @module
 */
import { files } from '#system/files.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { QueueFileError, readHead, RECORD, RECORD_HEAD_BYTES_MAX, type RecordHead } from './record.ts'

/** What the reader does by itself; everything is on by default. */
export type ReaderOptions = {
  /** Follow pointer records instead of returning them. */
  readonly followPointers?: boolean
  /** Leave out padding records. */
  readonly skipPadding?: boolean
  /** After the end record, say that the file has ended. */
  readonly stopAtEnd?: boolean
  /** Longest payload taken, in bytes; 0: as long as the file is. */
  readonly payloadBytesMax?: number
  /** Bytes read at a time. Small for programs that want the envelope only. */
  readonly readBytes?: number
  /** Called whenever bytes were read from the file, before they are used. */
  readonly afterRead?: () => void
}

/** What records are read from: an open file, or bytes in memory. */
export type RecordSource = number | Uint8Array

/** Bytes of one read, unless a record is larger. */
const READ_BYTES = 65_536
const EMPTY = new Uint8Array()
const ignore = (): void => undefined
/** Read buffers of one size kept for the next reader. */
const POOL_BUFFERS_MAX = 16
/** Jumps to a place at or before the last one, until the file counts as a loop. */
const REVERSE_JUMPS_MAX = 10_000

/** Free buffers by their size. Few sizes are in use: those that callers ask for. */
const pools = new Map<number, Uint8Array[]>()

function takeBuffer(bytes: number): Uint8Array {
  return pools.get(bytes)?.pop() ?? Buffer.allocUnsafeSlow(bytes)
}

function giveBuffer(buffer: Uint8Array, bytes: number): void {
  // A buffer that has grown for one large record is not kept.
  if (buffer.length !== bytes) return
  const pool = pools.get(bytes) ?? []
  if (pool.length < POOL_BUFFERS_MAX) pool.push(buffer)
  pools.set(bytes, pool)
}

/**
 * The offset in a pointer record; 0: the pointer points nowhere.
 *
 * @throws {QueueFileError} When it is not a number.
 */
export function pointerTarget(payload: string): number {
  const digits = payload.trimStart()
  if (!/^\d{1,15}$/.test(digits)) throw new QueueFileError(`malformed pointer record value: ${digits}`)
  return Number(digits)
}

/**
 * Reads one record after another: `read()` returns the type, or 0 at the end of the file, and
 * `offset`, `data` and `text()` then tell about that record. `close()` gives the buffer back;
 * the descriptor stays open.
 */
export class RecordReader {
  readonly #source: RecordSource
  /** Offset of the record read last. */
  offset = 0
  readonly #options: Required<ReaderOptions>
  #buffer: Uint8Array
  /** File offset of the buffer's first byte, and the number of bytes in it. */
  #start = 0
  #filled = 0
  /** Where in the buffer the payload of the record read last stands. */
  #dataStart = 0
  #dataEnd = 0
  #next: number
  #ended = false
  #lastTarget = 0
  #reverseJumps = 0

  constructor(source: RecordSource, start = 0, options: ReaderOptions = {}) {
    this.#source = source
    this.#next = start
    this.#options = {
      followPointers: options.followPointers ?? true,
      skipPadding: options.skipPadding ?? true,
      stopAtEnd: options.stopAtEnd ?? true,
      payloadBytesMax: options.payloadBytesMax ?? 0,
      readBytes: options.readBytes ?? READ_BYTES,
      afterRead: options.afterRead ?? ignore,
    }
    this.#buffer = takeBuffer(this.#options.readBytes)
  }

  /** Payload of the record read last: a view, valid until the next `read()`. */
  get data(): Uint8Array {
    return this.#buffer.subarray(this.#dataStart, this.#dataEnd)
  }

  /** Offset of the record that comes next. */
  get next(): number {
    return this.#next
  }

  /** The byte that comes next: the type of the next record. `undefined` at the end of the file. */
  peekByte(): number | undefined {
    this.#fill(this.#next, RECORD_HEAD_BYTES_MAX)
    return this.#filled > 0 ? this.#buffer[0] : undefined
  }

  /** Continues at another offset. */
  seek(offset: number): void {
    this.#next = offset
    this.#ended = false
  }

  /** Type of the next record; 0 when the file ends before another one starts. */
  read(): number {
    for (;;) {
      const type = this.readRaw()
      if (type === RECORD.pointer && this.#options.followPointers) this.jump()
      else if (type !== RECORD.padding || !this.#options.skipPadding) {
        this.#ended = type === RECORD.end && this.#options.stopAtEnd
        return type
      }
    }
  }

  /**
   * Bytes at hand from the next record on; none at the end of the file. The last record in them may not be whole.
   * A view, valid until the next call of anything but `skip()`.
   */
  ahead(): Uint8Array {
    const at = this.#next - this.#start
    if (at >= 0 && at < this.#filled) return this.#buffer.subarray(at, this.#filled)
    this.#fill(this.#next, RECORD_HEAD_BYTES_MAX)
    return this.#buffer.subarray(0, this.#filled)
  }

  /** Leaves out whole records of `ahead()`, which somebody else has read: `bytes` in all. */
  skip(bytes: number): void {
    this.#next += bytes
  }

  /** Like `read()`, but returns pointers and padding as they stand. @throws {QueueFileError} */
  readRaw(): number {
    if (this.#ended) return 0
    const head = this.#head()
    if (!head) return 0
    const { payloadBytesMax } = this.#options
    if (payloadBytesMax > 0 && head.length > payloadBytesMax) {
      throw new QueueFileError(`illegal length ${head.length}, record type ${head.type}`)
    }
    // Offsets in the buffer, which loading the whole record may begin anew at this record.
    const headBytes = head.start - (this.#next - this.#start)
    if (head.start + head.length > this.#filled) this.#load(this.#next, headBytes + head.length, head)
    this.#dataStart = this.#next - this.#start + headBytes
    this.#dataEnd = this.#dataStart + head.length
    this.offset = this.#next
    this.#next += headBytes + head.length
    return head.type
  }

  /** Follows the pointer record that was read last. @throws {QueueFileError} */
  jump(): void {
    const target = pointerTarget(this.text())
    if (target === 0) return
    if (target <= this.#lastTarget && ++this.#reverseJumps > REVERSE_JUMPS_MAX) {
      throw new QueueFileError('too many reverse jump records')
    }
    this.#lastTarget = target
    this.#next = target
  }

  /** Payload of the record read last, as text. */
  text(): string {
    return decodeRaw(this.data)
  }

  /** Gives the buffer back; `data` must not be used any more. */
  close(): void {
    if (this.#buffer.length > 0) giveBuffer(this.#buffer, this.#options.readBytes)
    this.#buffer = EMPTY
    this.#filled = 0
    this.#ended = true
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** The head of the next record, with offsets in the buffer; `undefined` at the end of the file. */
  #head(): RecordHead | undefined {
    const at = this.#next - this.#start
    const inside = at >= 0 && at < this.#filled
    if (inside) {
      const head = readHead(this.#buffer, at, this.#filled)
      if (head) return head
    }
    this.#fill(this.#next, RECORD_HEAD_BYTES_MAX)
    if (this.#filled === 0) return undefined
    const head = readHead(this.#buffer, 0, this.#filled)
    if (!head) throw new QueueFileError(`unexpected EOF reading length, record type ${this.#buffer[0]}`)
    return head
  }

  /** Brings a whole record into the buffer, growing it when the file really is that long. */
  #load(offset: number, bytes: number, head: RecordHead): void {
    if (bytes > this.#buffer.length) this.#grow(offset, bytes)
    this.#fill(offset, bytes)
    if (this.#filled < bytes) {
      throw new QueueFileError(`unexpected EOF in data, record type ${head.type} length ${head.length}`)
    }
  }

  #grow(offset: number, bytes: number): void {
    // A damaged length must not cost memory that the file does not have.
    if (offset + bytes <= this.#size()) this.#buffer = Buffer.allocUnsafeSlow(bytes)
  }

  /** Reads from `offset` until `bytes` are there or the file ends. */
  #fill(offset: number, bytes: number): void {
    this.#start = offset
    this.#filled = 0
    const wanted = Math.min(bytes, this.#buffer.length)
    while (this.#filled < wanted) {
      const room = this.#buffer.length - this.#filled
      const count = this.#readAt(offset + this.#filled, room)
      if (count === 0) break
      this.#filled += count
    }
    this.#options.afterRead()
  }

  #size(): number {
    return typeof this.#source === 'number' ? files.fstat(this.#source).size : this.#source.length
  }

  /** Reads behind what is in the buffer; 0 at the end. */
  #readAt(position: number, room: number): number {
    if (typeof this.#source === 'number') return files.read(this.#source, this.#buffer, this.#filled, room, position)
    const piece = this.#source.subarray(position, position + room)
    this.#buffer.set(piece, this.#filled)
    return piece.length
  }
}
