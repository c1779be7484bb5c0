/**
 * The reading side of the intake journal: after a crash of the machine, and after the end of a writing process.
 *
 * A message that a segment holds and no entry calls done must be in some queue, whole. After a crash of the machine
 * its file may be missing or damaged: it is written back. After the end of processes alone, when the page cache that
 * they wrote through is still there, files are the truth: what is missing has left the queue, although its "done" was
 * still unsaid; what is there has come, whatever was done to an earlier message of its name. It only has to be synced
 * before the segment goes.
 *
 * @module
 */
import { log } from '#system/log.ts'
import { asUser, type Identity } from '#system/as-user.ts'
import { errnoText } from '#system/errno.ts'
import { files, O_CREAT, O_EXCL, O_RDONLY, O_RDWR } from '#system/files.ts'
import { isSamePageCache } from '#system/page-cache.ts'
import { readEnvelope } from '#queue/envelope.ts'
import type { QueueId } from '#queue/id.ts'
import { makePrivateFolder } from '#queue/owner.ts'
import { QueueFileError } from '#queue/record.ts'
import { isRetired } from '#queue/spare.ts'
import { pathIn, queuePath, syncFolder, withParents, type QueueName, type Spool } from '#queue/spool.ts'
import { compareFile } from './compare.ts'
import type { JournalEntry } from './format.ts'
import { lockOrphan, mayForget, readSegment, segmentPaths, syncSegments, type SegmentContent } from './folder.ts'
import { JOURNAL_FOLDER } from './segment.ts'
import { locate, syncRemovals, syncSurvivors } from './survivors.ts'
import { journalOf, JournalWriter } from './writer.ts'

/** Where a message waits for its delivery. */
const LIVE_QUEUES: readonly QueueName[] = ['incoming', 'active', 'deferred', 'hold']

type MessageEntry = Extract<JournalEntry, { kind: 'message' }>
type DoneEntry = Extract<JournalEntry, { kind: 'done' }>

const READY_MODE = 0o700

/** What recovery found and did. */
export type Recovery = { readonly restored: readonly QueueId[]; readonly damaged: readonly string[]; readonly segments: number }

/** Makes the journal's folder, which only its owner may enter. */
export function prepareJournal(spool: Spool, owner: Identity): void {
  const path = pathIn(spool, JOURNAL_FOLDER)
  try {
    makePrivateFolder(path, owner)
  } catch (error) {
    throw new Error(`cannot make the intake journal "${path}": ${errnoText(error)}`, { cause: error })
  }
}

/**
 * Empties the journal of ended processes before the mail system starts, or after it has stopped: messages that are
 * missing or damaged as files are written back, all that is left is synced, the segments are deleted.
 *
 * @param owner Who owns queue files, when this process is root.
 * @throws {Error} When something can't be read or written: the segments stay for the next attempt.
 */
export async function recoverJournal(spool: Spool, owner: Identity): Promise<Recovery> {
  try {
    return await recover(spool, owner)
  } catch (error) {
    throw new Error(`cannot recover the intake journal "${pathIn(spool, JOURNAL_FOLDER)}": ${errnoText(error)}`, { cause: error })
  }
}

async function recover(spool: Spool, owner: Identity): Promise<Recovery> {
  const all = segmentPaths(spool).map(readSegment).filter((content) => content !== undefined)
  if (all.length === 0) return { restored: [], damaged: [], segments: 0 }
  const damaged = all.filter((content) => content.damaged).map(({ path }) => path)
  for (const path of damaged) log.warning(`intake journal ${path} is damaged; what can be read of it counts`)
  const { open, done } = openMessages(all)
  const survived = survivedMessages(spool, all)
  const restored = asUser(owner, () => {
    const missing = open.filter((entry) => restore(spool, entry, survived.has(entry))).map(({ id }) => id)
    const inodes = inodesOf(spool, open)
    done.filter((entry) => !survived.has(entry)).forEach((entry) => removeReturned(spool, entry, inodes))
    return missing
  })
  for (const id of restored) log.info(`${id}: restored from the intake journal`, { queue_id: id })
  log.flush()
  const journal = new JournalWriter(spool)
  await sayLeft(spool, journal, open.filter((entry) => survived.has(entry)))
  await syncSurvivors(spool, new Set(open.map(({ id }) => id)))
  await syncRemovals(spool, LIVE_QUEUES)
  // Workers that outlive their master still write theirs, and what is done of those must stay.
  const alone = all.every(({ path }) => isOrphan(path))
  const segments = await deleteOrphans(spool, all, async (content) => alone || mayForget(spool, content.path, lastDoneOf(content)))
  await journal.close()
  return { restored, damaged, segments }
}

/** Messages that left while their queue manager was killed before it could say so: a power cut now must not bring them back. */
async function sayLeft(spool: Spool, journal: JournalWriter, messages: readonly MessageEntry[]): Promise<void> {
  const now = Math.trunc(Date.now() / 1000)
  const left = messages.filter(({ id }) => locate(spool, id) === undefined)
  try {
    await Promise.all(left.map(async ({ id, seconds }) => journal.append({ kind: 'done', id, seconds: Math.max(now, seconds) })))
  } catch (error) {
    log.warning(`cannot put on record what left the queue: ${errnoText(error)}`)
  }
}

/** Messages whose files are as they were left, as the page cache that they were written through is still there. */
function survivedMessages(spool: Spool, contents: readonly SegmentContent[]): ReadonlySet<JournalEntry> {
  const here = files.pageCacheId(spool.path)
  return new Set(contents.filter(({ pageCache }) => isSamePageCache(pageCache, here)).flatMap(({ entries }) => entries))
}

/** Messages that the journal would restore if they vanished now. Ask before messages are removed by hand. */
export function journaledMessages(spool: Spool): QueueId[] {
  const contents = segmentPaths(spool).map(readSegment).filter((content) => content !== undefined)
  return openMessages(contents).open.map(({ id }) => id).filter((id) => locate(spool, id) !== undefined)
}

/**
 * Makes durable what was done to the queues by hand, and says of those of `ids` that are gone by now that this was
 * meant: no recovery brings them back. The same of those in maildrop, which get another id when pickup takes them
 * in: they are synced as files.
 */
export async function recordRemoved(spool: Spool, ids: readonly QueueId[]): Promise<void> {
  const requeued = ids.filter((id) => locate(spool, id) === 'maildrop')
  await syncSurvivors(spool, new Set(requeued))
  await syncRemovals(spool, [...LIVE_QUEUES, 'maildrop'])
  // A segment that was deleted a moment ago is not among those that `ids` are from.
  await syncSegments(spool)
  const gone = [...requeued, ...ids.filter((id) => locate(spool, id) === undefined)]
  if (gone.length === 0) return
  const journal = new JournalWriter(spool)
  for (const id of gone) journal.done(id)
  await journal.close()
}

/**
 * While the mail system runs: the queue manager takes over the segments of processes that have ended, its predecessor's too.
 *
 * @param isStart It has just started: what its predecessor removed last may be on record nowhere, nor any segment of its own be there.
 */
export async function adoptOrphans(spool: Spool, isStart = false): Promise<void> {
  const orphans = segmentPaths(spool).filter(isOrphan)
  // A queue manager that was killed could not: what it removed last must stay away.
  await syncRemovals(spool, ['active'])
  if (orphans.length === 0 && !isStart) return
  // What a killed process wrote last is read from the page cache: before it counts it must be on the disk.
  await syncSegments(spool)
  const { open } = openMessages(segmentPaths(spool).map(readSegment).filter((content) => content !== undefined))
  await sayLeft(spool, journalOf(spool), open)
  const contents = orphans.map(readSegment).filter((content) => content !== undefined)
  await syncSurvivors(spool, new Set(contents.flatMap(({ entries }) => entries.filter((e) => e.kind === 'message').map(({ id }) => id))))
  await syncRemovals(spool, ['active'])
  await deleteOrphans(spool, contents, async (content) => mayForget(spool, content.path, lastDoneOf(content)))
}

function lastDoneOf({ entries }: SegmentContent): number {
  return entries.reduce((last, { kind, seconds }) => kind === 'done' ? Math.max(last, seconds) : last, 0)
}

/** Whether its writer has ended; not when it is gone. */
function isOrphan(path: string): boolean {
  const fd = lockOrphan(path)
  if (fd !== undefined) files.close(fd)
  return fd !== undefined
}

function hasMessages({ entries }: SegmentContent): boolean {
  return entries.some(({ kind }) => kind === 'message')
}

/**
 * Those with messages go first, and each is durably gone before the next one goes, as are those that writers have
 * deleted: a message must not outlive the segment that says it is done.
 */
async function deleteOrphans(
  spool: Spool, contents: readonly SegmentContent[], mayGo: (content: SegmentContent) => Promise<boolean>,
): Promise<number> {
  let count = 0
  await syncFolder(pathIn(spool, JOURNAL_FOLDER))
  for (const content of contents.toSorted((a, b) => Number(hasMessages(b)) - Number(hasMessages(a)))) {
    if (!(await mayGo(content))) continue
    const fd = lockOrphan(content.path)
    if (fd === undefined) continue
    files.unlink(content.path)
    files.close(fd)
    await syncFolder(pathIn(spool, JOURNAL_FOLDER))
    count += 1
  }
  return count
}

/**
 * Messages that no entry of any segment calls done; and what is done, also of messages that no segment holds, or holds
 * any more. Ids come again: "done" means what came before it.
 */
function openMessages(contents: readonly SegmentContent[]): { open: MessageEntry[]; done: DoneEntry[] } {
  const doneEntries = new Map<QueueId, DoneEntry>()
  const messages = new Map<QueueId, MessageEntry>()
  for (const entry of contents.flatMap(({ entries }) => entries)) {
    if (entry.kind === 'done') {
      if ((doneEntries.get(entry.id)?.seconds ?? -1) <= entry.seconds) doneEntries.set(entry.id, entry)
    } else if ((messages.get(entry.id)?.seconds ?? 0) <= entry.seconds) messages.set(entry.id, entry)
  }
  const open = [...messages.values()].filter(({ id, seconds }) => (doneEntries.get(id)?.seconds ?? -1) < seconds)
  const ids = new Set(open.map(({ id }) => id))
  return { open, done: [...doneEntries.values()].filter(({ id }) => !ids.has(id)) }
}

/**
 * Removes the file of a message that had left the queue, when a crash took back its removal: what is left of it, or of
 * another one that was written over it. A whole message that was made later is another one of the same name, too large
 * for the journal. In maildrop it is on its way in again.
 */
function removeReturned(spool: Spool, { id, seconds }: DoneEntry, inodes: Inodes): void {
  const queue = locate(spool, id)
  if (queue === undefined || !LIVE_QUEUES.includes(queue)) return
  const path = queuePath(spool, queue, id)
  if (isReused(path, inodes) || createSeconds(path, id) <= seconds) files.unlink(path)
}

/** Files of messages that are in the queue. */
type Inodes = ReadonlySet<number | bigint | undefined>

function inodesOf(spool: Spool, messages: readonly MessageEntry[]): Inodes {
  return new Set(messages.flatMap(({ id }) => {
    const queue = locate(spool, id)
    return queue === undefined ? [] : [files.lstat(queuePath(spool, queue, id))?.inode]
  }))
}

/** Whether the file belongs to a later message: the crash brought back only the name that it had before (queue/spare.ts). */
function isReused(path: string, inodes: Inodes): boolean {
  return inodes.has(files.lstat(path)?.inode)
}

/** When the message in a file was made; -Infinity: it is no whole message. */
function createSeconds(path: string, id: QueueId): number {
  const fd = files.open(path, O_RDONLY)
  try {
    return readEnvelope(fd, { id, recipientLimit: 1 }).createTime
  } catch (error) {
    if (error instanceof QueueFileError) return -Infinity
    throw error
  } finally {
    files.close(fd)
  }
}

/**
 * Writes a message back that is missing or not whole. True when it was.
 *
 * @param survived Its file is as it was left: only one that the system could not write out is damaged.
 */
function restore(spool: Spool, entry: MessageEntry, survived: boolean): boolean {
  const queue = locate(spool, entry.id)
  if (survived && queue === undefined) return false
  const path = queuePath(spool, queue ?? entry.queue, entry.id)
  if (survived && queue !== undefined && isUnfinished(path, queue)) return false
  const found = queue === undefined ? undefined : compareFile(path, entry.id, entry.bytes)
  if (found === 'whole' || (survived && found === 'other')) return false
  // A new file: what is there may by now be that of another message, whose name the crash lost.
  if (queue !== undefined) files.unlink(path)
  withParents(spool, path, () => writeWhole(path, entry.bytes))
  return true
}

/**
 * Without the execute bit it is in the hands of a receiver that has not acknowledged it: of an earlier master's, or of one
 * that was killed. In active/ it is the rest of a removal that the queue manager was killed in, which is ended here.
 */
function isUnfinished(path: string, queue: QueueName): boolean {
  const facts = files.lstat(path)
  if (facts === undefined || (facts.mode & READY_MODE) === READY_MODE) return false
  if (queue === 'active' && isRetired(facts)) files.unlink(path)
  return true
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const fd = files.open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
  try {
    files.write(fd, bytes, 0, bytes.length, 0)
    files.fchmod(fd, READY_MODE)
  } finally {
    files.close(fd)
  }
}
