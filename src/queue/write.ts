/**
 * Making a queue file: a temporary name, the inode, the final name; or one that another message left (queue/spare.ts).
 * Then records.
 *
 * Writes are collected, and reach the file 64 kB at a time: a usual message is one
 * write. Until the commit (queue/commit.ts) sets the execute bit no other program
 * takes the file as a message, so an abandoned one is harmless.
 *
 * After an error of any call the file is of no use: `remove()` it.
 *
 * @module
 */
import { log } from '#system/log.ts'
import { isErrno } from '#system/errno.ts'
import { files, O_CREAT, O_EXCL, O_RDWR } from '#system/files.ts'
import { encodeRaw } from '#util/raw-text.ts'
import { longId, microTime, shortId, type MicroTime, type QueueId } from './id.ts'
import { putAscii, putHead, RECORD_HEAD_BYTES_MAX } from './record.ts'
import {
  LOG_QUEUES, moveFile, pathIn, queuePath, withParents, type QueueName, type Spool,
} from './spool.ts'
import { takeSpare } from './spare.ts'

/** Bytes collected before a write. */
const BUFFER_BYTES = 65_536
/** What is not smaller is not collected for the next write, if it does not fit into this one. */
const DIRECT_BYTES = BUFFER_BYTES / 2
/** Write buffers kept for the next files. */
const POOL_BUFFERS_MAX = 32
/** New names tried before giving up on a queue directory. */
const ATTEMPTS_MAX = 1000

const pool: Uint8Array[] = []

/** Mode bits beyond the owner's: what postdrop leaves in maildrop is readable by all. */
const EXTRA_MODE = { incoming: 0, maildrop: 0o044 } as const

/** Queues in which files are made. */
export type CreateQueue = keyof typeof EXTRA_MODE

/** What `new QueueFile()` is made from; see `createQueueFile()`. */
type Opened = {
  readonly spool: Spool
  readonly queue: CreateQueue
  readonly id: QueueId
  readonly fd: number
  readonly time: MicroTime
}

/** A queue file in the making. Its maker either commits or removes it. */
export class QueueFile {
  readonly spool: Spool
  readonly id: QueueId
  /** Open for reading and writing, until the commit or `remove()`. */
  readonly fd: number
  /** Creation time; the queue id has it too. */
  readonly seconds: number
  readonly microseconds: number
  /** Permission bits that the complete file gets. */
  readonly mode: number
  #queue: QueueName
  #buffer: Uint8Array | undefined = pool.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
  /** Bytes in the buffer. */
  #filled = 0
  /** File offset of the first byte in the buffer. */
  #start = 0
  #open = true

  constructor({ spool, queue, id, fd, time }: Opened) {
    this.spool = spool
    this.#queue = queue
    this.id = id
    this.fd = fd
    this.seconds = time.seconds
    this.microseconds = time.microseconds
    this.mode = 0o700 | EXTRA_MODE[queue]
  }

  /** The queue the file is in now. */
  get queue(): QueueName {
    return this.#queue
  }

  get path(): string {
    return queuePath(this.spool, this.#queue, this.id)
  }

  /** Bytes written so far: the offset of the next record. */
  get size(): number {
    return this.#start + this.#filled
  }

  /** Appends bytes. @throws {NodeJS.ErrnoException} ENOSPC, EFBIG, EIO: the file is lost. */
  write(bytes: Uint8Array): void {
    if (bytes.length > BUFFER_BYTES - this.#filled) {
      this.flush()
      if (bytes.length >= DIRECT_BYTES) {
        files.write(this.fd, bytes, 0, bytes.length, this.#start)
        this.#start += bytes.length
        return
      }
    }
    this.#room().set(bytes, this.#filled)
    this.#filled += bytes.length
  }

  /** Appends one record, without a copy on the way. @returns Its offset. */
  record(type: number, payload: Uint8Array | string): number {
    const offset = this.size
    if (typeof payload !== 'string') this.#bytesRecord(type, payload)
    else if (!this.#textRecord(type, payload)) this.#bytesRecord(type, encodeRaw(payload))
    return offset
  }

  /** `false`: not ASCII, or too long for the buffer. */
  #textRecord(type: number, payload: string): boolean {
    const bytes = payload.length + RECORD_HEAD_BYTES_MAX
    if (bytes > BUFFER_BYTES) return false
    if (bytes > BUFFER_BYTES - this.#filled) this.flush()
    const buffer = this.#room()
    const start = putHead(buffer, this.#filled, type, payload.length)
    if (!putAscii(buffer, start, payload)) return false
    this.#filled = start + payload.length
    return true
  }

  #bytesRecord(type: number, payload: Uint8Array): void {
    if (payload.length + RECORD_HEAD_BYTES_MAX > BUFFER_BYTES - this.#filled) this.flush()
    this.#filled = putHead(this.#room(), this.#filled, type, payload.length)
    this.write(payload)
  }

  /** Overwrites bytes that were written before. */
  patch(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.size) throw new RangeError(`Cannot patch ${this.id} beyond its end`)
    const inBuffer = offset - this.#start
    if (inBuffer >= 0) {
      this.#room().set(bytes, inBuffer)
      return
    }
    if (inBuffer + bytes.length > 0) this.flush()
    files.write(this.fd, bytes, 0, bytes.length, offset)
  }

  /**
   * The whole file, when it still fits the buffer; the view stays good until the next write or `close()`.
   * undefined: a part has been written out.
   */
  collected(): Uint8Array | undefined {
    return this.#start === 0 ? this.#room().subarray(0, this.#filled) : undefined
  }

  /** Writes out what is collected, so that the file can be read through `fd`. */
  flush(): void {
    if (this.#filled === 0) return
    files.write(this.fd, this.#room(), 0, this.#filled, this.#start)
    this.#start += this.#filled
    this.#filled = 0
  }

  /** Writes out all, and says that it is a whole message: qmgr delivers what it finds so, also after a crash. */
  seal(): void {
    this.flush()
    files.fchmod(this.fd, this.mode)
  }

  /** Moves the file from incoming to hold, before it is complete: qmgr never gets to see it. */
  hold(): void {
    if (!moveFile(this.spool, this.id, this.#queue, 'hold')) throw new Error(`Cannot hold ${this.id}: file is gone`)
    this.#queue = 'hold'
  }

  /** Closes the descriptor; what is still in the buffer is lost. Calling it again does nothing. */
  close(): void {
    if (this.#buffer && pool.length < POOL_BUFFERS_MAX) pool.push(this.#buffer)
    this.#buffer = undefined
    if (!this.#open) return
    this.#open = false
    files.close(this.fd)
  }

  /** Closes and deletes the file. `false`: it was gone already. */
  remove(): boolean {
    try {
      return files.unlink(this.path)
    } finally {
      this.close()
    }
  }

  #room(): Uint8Array {
    if (!this.#buffer) throw new Error(`Cannot write ${this.id}: it is closed`)
    return this.#buffer
  }
}

/** Opens a file under a temporary name; `undefined` when the name is in use. */
function openTemporary(path: string, mode: number): number | undefined {
  try {
    return files.open(path, O_RDWR | O_CREAT | O_EXCL, mode)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return undefined
    throw error
  }
}

function newId({ longIds }: Spool, { seconds, microseconds }: MicroTime, inode: number | bigint): QueueId {
  return longIds ? longId(seconds, microseconds, inode) : shortId(microseconds, inode)
}

/** A file that another message left; undefined: there is none. */
function reusedFile(spool: Spool, queue: CreateQueue): QueueFile | undefined {
  const time = microTime()
  const taken = takeSpare(spool, (inode) => queuePath(spool, queue, newId(spool, time, inode)))
  return taken && new QueueFile({ spool, queue, id: newId(spool, time, taken.inode), fd: taken.fd, time })
}

/** Gives the open file its queue id. Closes and deletes it when that fails. */
function nameFile(spool: Spool, queue: CreateQueue, fd: number, temporary: string): QueueFile {
  try {
    const time = microTime()
    const id = newId(spool, time, files.fstat(fd).inode)
    const path = queuePath(spool, queue, id)
    withParents(spool, path, () => files.rename(temporary, path))
    return new QueueFile({ spool, queue, id, fd, time })
  } catch (error) {
    files.close(fd)
    files.unlink(temporary)
    throw error
  }
}

/** Short ids come again: logs of an earlier message of this name must not count for the new one. */
function removeStaleLogs(spool: Spool, id: QueueId): void {
  for (const name of LOG_QUEUES) {
    const path = queuePath(spool, name, id)
    if (!files.lstat(path)) continue
    files.unlink(path)
    log.warning(`${id}: removed spurious ${name} log`)
  }
}

/**
 * Makes an empty queue file, under its final name, incomplete (not executable).
 *
 * @throws {NodeJS.ErrnoException} ENOSPC, EACCES and kin; nothing is left behind then.
 */
export function createQueueFile(spool: Spool, queue: CreateQueue): QueueFile {
  const file = (queue === 'incoming' ? reusedFile(spool, queue) : undefined) ?? newFile(spool, queue)
  if (queue === 'incoming' && !spool.longIds) removeStaleLogs(spool, file.id)
  return file
}

function newFile(spool: Spool, queue: CreateQueue): QueueFile {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const temporary = pathIn(spool, `${queue}/${microTime().microseconds}.${process.pid}`)
    const fd = openTemporary(temporary, 0o600 | EXTRA_MODE[queue])
    if (fd === undefined) continue
    return nameFile(spool, queue, fd, temporary)
  }
  throw new Error(`Cannot create a file in queue "${queue}": ${ATTEMPTS_MAX} names are in use`)
}
