/**
 * Messages of the journal that are still in the queue: found in whatever queue they are now, and synced as files, so
 * that the journal need not remember them.
 *
 * @module
 */
import { files, O_NOFOLLOW, O_RDONLY, O_RDWR } from '#system/files.ts'
import { isErrno } from '#system/errno.ts'
import type { QueueId } from '#queue/id.ts'
import { foldersAbove, queueFolders, queuePath, statFile, syncFolder, type QueueName, type Spool } from '#queue/spool.ts'

/** In the order in which messages usually move. */
const PLACES: readonly QueueName[] = ['incoming', 'active', 'deferred', 'hold', 'maildrop', 'corrupt', 'saved']
/** Lookups before other work gets its turn. */
const LOOKUPS_PER_TURN = 64
/** A message may move between the look and the opening: so often, one after the other, it does not. */
const ATTEMPTS_MAX = 100

/** The queue that has the message; undefined when none has. Looks twice, as it may move meanwhile. */
export function locate(spool: Spool, id: QueueId): QueueName | undefined {
  return locateOnce(spool, id) ?? locateOnce(spool, id)
}

function locateOnce(spool: Spool, id: QueueId): QueueName | undefined {
  return PLACES.find((queue) => statFile(spool, queue, id) !== undefined)
}

/**
 * Syncs what is left of these messages, and the directories with their names. Of those that have left, the directory that
 * they left: without their entries in the journal, nobody could tell a file that comes back from one that waits.
 *
 * @throws {NodeJS.ErrnoException} When one can't be synced: the journal must remember it then.
 */
export async function syncSurvivors(spool: Spool, ids: Iterable<QueueId>): Promise<void> {
  const folders = new Set<string>()
  let looked = 0
  for (const id of ids) {
    const path = await syncSurvivor(spool, id) ?? queuePath(spool, 'active', id)
    for (const folder of foldersAbove(spool, path)) folders.add(folder)
    looked += 1
    if (looked % LOOKUPS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  for (const folder of folders) if (files.lstat(folder)) await syncFolder(folder)
}

/**
 * Makes durable what left these queues, and what moved in them: a file that is gone stays gone, without a "done".
 *
 * @throws {NodeJS.ErrnoException} When one can't be synced.
 */
export async function syncRemovals(spool: Spool, queues: readonly QueueName[]): Promise<void> {
  for (const folder of queues.flatMap((queue) => queueFolders(spool, queue))) await syncFolder(folder)
}

/** Where the message was when it was synced; undefined: in no queue. */
async function syncSurvivor(spool: Spool, id: QueueId): Promise<string | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const queue = locate(spool, id)
    if (queue === undefined) return undefined
    const path = queuePath(spool, queue, id)
    if (await syncFile(path)) return path
  }
  throw new Error(`Cannot sync ${id} as it moves all the time`)
}

/** False: it moved or went away meanwhile. */
async function syncFile(path: string): Promise<boolean> {
  let fd: number
  try {
    fd = files.open(path, O_RDONLY)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
  try {
    await files.fsync(fd)
    return true
  } catch (error) {
    writeAgain(path)
    throw error
  } finally {
    files.close(fd)
  }
}

/**
 * After a sync that failed the system takes what it could not write for written: the next sync, whoever asks for it, would
 * succeed without it. Bytes that are written again are written out again.
 */
function writeAgain(path: string): void {
  try {
    const fd = files.open(path, O_RDWR | O_NOFOLLOW)
    try {
      const bytes = new Uint8Array(files.fstat(fd).size)
      const length = files.read(fd, bytes, 0, bytes.length, 0)
      files.write(fd, bytes, 0, length, 0)
    } finally {
      files.close(fd)
    }
  } catch {
    // It moved, or the disk takes nothing: the journal remembers the message, and is tried again.
  }
}
