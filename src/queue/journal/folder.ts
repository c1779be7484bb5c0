/**
 * The segments of all processes: reading them, and how long one that says what is done is needed.
 *
 * @module
 */
import { files, O_RDONLY, O_RDWR } from '#system/files.ts'
import { isErrno } from '#system/errno.ts'
import { UNKNOWN_PAGE_CACHE } from '#system/page-cache.ts'
import { pathIn, syncFolder, type Spool } from '#queue/spool.ts'
import { decodeHeader, HEADER_BYTES, NO_MESSAGES, readEntries, type JournalEntry, type SegmentHeader } from './format.ts'
import { JOURNAL_FOLDER } from './segment.ts'

const READ_BYTES = 1024 * 1024
/** As `Segment.create()` names them; what else lies there (lost+found) is not ours. */
const SEGMENT_REGEXP = /^\d+\.\d+\.\d+$/

/** Paths of all segments. */
export function segmentPaths(spool: Spool): string[] {
  const folder = pathIn(spool, JOURNAL_FOLDER)
  const paths: string[] = []
  try {
    const reader = files.openDirectory(folder)
    for (let name = reader.read(); name !== undefined; name = reader.read()) {
      if (SEGMENT_REGEXP.test(name)) paths.push(`${folder}/${name}`)
    }
    reader.close()
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
  return paths.toSorted(byAge)
}

/** Older ones first: by the time in their names, then by their numbers. */
function byAge(a: string, b: string): number {
  const [, numberA = '', timeA = ''] = a.slice(a.lastIndexOf('/')).split('.')
  const [, numberB = '', timeB = ''] = b.slice(b.lastIndexOf('/')).split('.')
  return Number(timeA) - Number(timeB) || Number(numberA) - Number(numberB)
}

/** Whether another process writes messages to the journal: one of an earlier configuration, or one with an own queue_commit. */
export function othersUseJournal(spool: Spool): boolean {
  return segmentPaths(spool).some((path) => !path.includes(`/${process.pid}.`))
}

/** Opens a file, or gives undefined when it is gone. */
function openIfThere(path: string, flags: number): number | undefined {
  try {
    return files.open(path, flags)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

function readHeader(path: string): SegmentHeader | undefined {
  const fd = openIfThere(path, O_RDONLY)
  if (fd === undefined) return undefined
  try {
    const bytes = Buffer.alloc(HEADER_BYTES)
    return files.read(fd, bytes, 0, HEADER_BYTES, 0) === HEADER_BYTES ? decodeHeader(bytes) : undefined
  } finally {
    files.close(fd)
  }
}

/**
 * Whether another segment may still hold a message that this one says is done.
 *
 * @param lastDoneSeconds Of the newest such entry; 0 when there is none.
 */
export function isNeeded(spool: Spool, path: string, lastDoneSeconds: number): boolean {
  if (lastDoneSeconds === 0) return false
  const now = Date.now() / 1000
  return segmentPaths(spool).some((other) => {
    const start = (other === path ? undefined : readHeader(other))?.startSeconds ?? NO_MESSAGES
    // One that begins in the future was begun before the clock was set back.
    return start !== NO_MESSAGES && (start <= lastDoneSeconds || start > now)
  })
}

/**
 * Whether a segment may go, or be used again: no other one holds a message that this one says is done, and none that was
 * deleted or begun anew comes back with one after a crash.
 *
 * @param lastDoneSeconds As for `isNeeded()`.
 */
export async function mayForget(spool: Spool, path: string, lastDoneSeconds: number): Promise<boolean> {
  if (lastDoneSeconds === 0) return true
  if (isNeeded(spool, path, lastDoneSeconds)) return false
  await syncSegments(spool, path)
  return true
}

/**
 * Makes durable what was done to the segments: none that was deleted or begun anew comes back with its messages.
 *
 * @param except Of this one it does not matter.
 */
export async function syncSegments(spool: Spool, except?: string): Promise<void> {
  const folder = pathIn(spool, JOURNAL_FOLDER)
  // A new queue has none.
  if (files.lstat(folder) === undefined) return
  for (const path of segmentPaths(spool)) if (path !== except) await syncBytes(path)
  await syncFolder(folder)
}

async function syncBytes(path: string): Promise<void> {
  const fd = openIfThere(path, O_RDONLY)
  if (fd === undefined) return
  try {
    await files.fdatasync(fd)
  } finally {
    files.close(fd)
  }
}

/** A segment as it stands on disk, and the page cache that its writer wrote through. */
export type SegmentContent = {
  readonly path: string
  readonly entries: readonly JournalEntry[]
  readonly damaged: boolean
  readonly pageCache: Uint8Array
}

/** Reads a segment; one without a whole header has no entries. undefined: it is gone. */
export function readSegment(path: string): SegmentContent | undefined {
  const fd = openIfThere(path, O_RDONLY)
  if (fd === undefined) return undefined
  try {
    const bytes = readAll(fd)
    const header = decodeHeader(bytes)
    if (!header) return { path, entries: [], damaged: bytes.some((byte) => byte !== 0), pageCache: UNKNOWN_PAGE_CACHE }
    let damaged = false
    const entries = [...readEntries(bytes, header.generation, () => (damaged = true))]
    return { path, entries, damaged, pageCache: header.pageCache }
  } finally {
    files.close(fd)
  }
}

function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(files.fstat(fd).size)
  let filled = 0
  while (filled < bytes.length) {
    const got = files.read(fd, bytes, filled, Math.min(READ_BYTES, bytes.length - filled), filled)
    if (got === 0) break
    filled += got
  }
  return bytes.subarray(0, filled)
}

/** The segment, locked, of a process that has ended; undefined while its writer lives, or when it is gone. */
export function lockOrphan(path: string): number | undefined {
  const fd = openIfThere(path, O_RDWR)
  if (fd === undefined) return undefined
  if (files.flock(fd, 'exclusive', false)) return fd
  files.close(fd)
  return undefined
}
