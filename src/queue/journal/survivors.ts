/**
 * Messages of the journal that are still in the queue: found in whatever queue they are now, and synced as files, so
 * that the journal need not remember them.
 *
 * @module
 */
import { files, O_NOFOLLOW, O_RDONLY, O_RDWR } from '#system/files.ts'
import { isErrno } from '#system/errno.ts'
import type { QueueId } from '#queue/id.ts'
import { foldersAbove, queueFolders, queuePath, scanNames, statFile, syncFolder, type QueueName, type Spool } from '#queue/spool.ts'

/** In the order in which messages usually move. */
const PLACES: readonly QueueName[] = ['incoming', 'active', 'deferred', 'hold', 'maildrop', 'corrupt', 'saved']
/** Lookups before other work gets its turn; for more messages than these the queues are listed first. */
const LOOKUPS_PER_TURN = 64
/** Names of a queue that are listed; in one that has more, messages are looked up one by one. */
const LISTED_MAX = 4096
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
export async function syncSurvivors(spool: Spool, ids: ReadonlySet<QueueId>): Promise<void> {
  const folders = new Set<string>()
  const queued = ids.size > LOOKUPS_PER_TURN ? await mayBeQueued(spool, ids) : ids
  if (queued.size < ids.size) addFolders(spool, folders, 'active', ids)
  let looked = 0
  for (const id of queued) {
    const path = await syncSurvivor(spool, id) ?? queuePath(spool, 'active', id)
    for (const folder of foldersAbove(spool, path)) folders.add(folder)
    looked += 1
    if (looked % LOOKUPS_PER_TURN === 0) await nextTurn()
  }
  for (const folder of folders) if (files.lstat(folder)) await syncFolder(folder)
}

function addFolders(spool: Spool, folders: Set<string>, queue: QueueName, ids: ReadonlySet<QueueId>): void {
  for (const id of ids) for (const folder of foldersAbove(spool, queuePath(spool, queue, id))) folders.add(folder)
}

/**
 * Those of `ids` that some queue has, and perhaps some that it has not: most have left, and the names that are left
 * are few. Lists the queues twice, for the reason that `locate()` looks twice.
 */
async function mayBeQueued(spool: Spool, ids: ReadonlySet<QueueId>): Promise<ReadonlySet<QueueId>> {
  const names = new Set<string>()
  const long = new Set<QueueName>()
  for (const queue of [...PLACES, ...PLACES]) {
    if (!long.has(queue) && !addNames(spool, queue, names)) long.add(queue)
    await nextTurn()
  }
  const found = new Set<QueueId>()
  let looked = 0
  for (const id of ids) {
    if (names.has(id) || isInOneOf(spool, long, id)) found.add(id)
    looked += long.size
    if (looked >= LOOKUPS_PER_TURN) looked = await nextTurn()
  }
  return found
}

/** `false`: the queue has more names than are listed. */
function addNames(spool: Spool, queue: QueueName, names: Set<string>): boolean {
  let count = 0
  for (const { name } of scanNames(spool, queue)) {
    names.add(name)
    count += 1
    if (count > LISTED_MAX) return false
  }
  return true
}

function isInOneOf(spool: Spool, queues: ReadonlySet<QueueName>, id: QueueId): boolean {
  for (const queue of queues) if (statFile(spool, queue, id) !== undefined) return true
  return false
}

/** Lets other work have its turn. */
async function nextTurn(): Promise<0> {
  await new Promise((resolve) => setImmediate(resolve))
  return 0
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
