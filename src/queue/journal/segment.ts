/**
 * One file of the intake journal, open for appending.
 *
 * It grows by whole pieces of zeros, so that most syncs change no metadata of the file system; used again, it does not
 * grow at all. An exclusive lock says that its writer lives.
 *
 * @module
 */
import { randomInt } from 'node:crypto'
import { files, O_CREAT, O_EXCL, O_RDWR } from '#system/files.ts'
import { giveFile } from '#queue/owner.ts'
import { pathIn, syncFolder, type Spool } from '#queue/spool.ts'
import { encodeHeader, HEADER_BYTES, NO_MESSAGES } from './format.ts'

/** Below the queue directory. */
export const JOURNAL_FOLDER = 'journal'
/** A segment with `full` bytes in it is full, the next commit begins another; it grows by `piece`. Tests make them small. */
export const segmentBytes = { full: 32 * 1024 * 1024, piece: 1024 * 1024 }
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
const GENERATION_LIMIT = 0xffff_ffff

let sequence = 0

export class Segment {
  readonly path: string
  readonly fd: number
  readonly pageCache: Uint8Array
  generation = 0
  /** Seconds since 1970: no message in it was acknowledged before. */
  startSeconds = NO_MESSAGES
  /** Where the next entry goes. */
  position = HEADER_BYTES
  #allocated = 0

  private constructor(path: string, fd: number, pageCache: Uint8Array) {
    this.path = path
    this.fd = fd
    this.pageCache = pageCache
  }

  /**
   * Makes a segment for this process.
   *
   * @throws {NodeJS.ErrnoException} When the folder or the file can't be made.
   */
  static async create(spool: Spool): Promise<Segment> {
    const folder = pathIn(spool, JOURNAL_FOLDER)
    files.mkdir(folder, FOLDER_MODE)
    sequence += 1
    const path = `${folder}/${process.pid}.${sequence}.${Date.now()}`
    const fd = files.open(path, O_RDWR | O_CREAT | O_EXCL, FILE_MODE)
    const segment = new Segment(path, fd, files.pageCacheId(spool.path))
    try {
      // Without a link left, it was taken for a dead writer's before the lock was on it.
      if (!files.flock(fd, 'exclusive', false) || files.fstat(fd).links === 0) throw new Error(`Cannot lock "${path}"`)
      giveFile(fd, folder)
      segment.begin()
      await files.fsync(fd)
      await syncFolder(folder)
      // The folder itself may be new.
      await syncFolder(spool.path)
      return segment
    } catch (error) {
      segment.discard()
      throw error
    }
  }

  /** Starts over: what it held before counts no more once the header is on disk, with the next sync. */
  begin(): void {
    this.generation = randomInt(1, GENERATION_LIMIT)
    this.startSeconds = NO_MESSAGES
    this.position = HEADER_BYTES
    this.#writeHeader()
    this.#allocated = Math.max(this.#allocated, HEADER_BYTES)
  }

  /** Notes, before the first message is appended, that there are messages from now on. */
  expectMessages(): void {
    if (this.startSeconds !== NO_MESSAGES) return
    this.startSeconds = Math.trunc(Date.now() / 1000)
    this.#writeHeader()
  }

  hasRoomFor(bytes: number): boolean {
    return this.position + bytes <= segmentBytes.full
  }

  /** Appends entries, not yet durable. */
  append(bytes: Uint8Array): void {
    if (this.position + bytes.length > this.#allocated) this.#grow(bytes.length)
    files.write(this.fd, bytes, 0, bytes.length, this.position)
    this.position += bytes.length
  }

  close(): void {
    files.close(this.fd)
  }

  /** Closes and deletes it. */
  discard(): void {
    files.unlink(this.path)
    this.close()
  }

  #writeHeader(): void {
    const header = encodeHeader(this)
    files.write(this.fd, header, 0, header.length, 0)
  }

  #grow(needed: number): void {
    const { piece } = segmentBytes
    const zeros = Buffer.alloc(Math.ceil((this.position + needed - this.#allocated) / piece) * piece)
    files.write(this.fd, zeros, 0, zeros.length, this.#allocated)
    this.#allocated += zeros.length
  }
}
