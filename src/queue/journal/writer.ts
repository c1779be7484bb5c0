/**
 * The writing side of the intake journal: one per process.
 *
 * Entries that come while a sync runs wait together and share the next one: the sync in flight is the batch, and no
 * timer holds back the first message. A full or old segment is put aside, its messages that are still queued are
 * synced as files, and it is used again. After a failed write or sync its segment is never trusted again.
 *
 * @module
 */
import { log } from '#system/log.ts'
import { errnoText } from '#system/errno.ts'
import { files } from '#system/files.ts'
import type { QueueId } from '#queue/id.ts'
import type { Spool } from '#queue/spool.ts'
import { entryBytes, putEntry, type JournalEntry } from './format.ts'
import { mayForget } from './folder.ts'
import { Segment } from './segment.ts'
import { syncRemovals, syncSurvivors } from './survivors.ts'

type Waiting = { readonly entry: JournalEntry; readonly resolve: () => void; readonly reject: (error: unknown) => void }
type Used = { readonly segment: Segment; readonly ids: Set<QueueId>; lastDoneSeconds: number }

/** How long "done" may wait for a sync that runs anyway; and after one that failed. */
const DONE_WAIT_MS = 100
const DONE_RETRY_MS = 1000
/** A message from further ahead than the clock was ever set back: its time is made up. */
const FUTURE_SECONDS_MAX = 86_400
/** A segment with messages is put aside after this time, so that the journal stays short. */
const SEGMENT_AGE_MAX_MS = 60_000
/** Bytes of one sync: more waiting entries go with the next. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024

/** Appends what is acknowledged and what has left, and syncs it; see the module header. */
export class JournalWriter {
  readonly #spool: Spool
  #waiting: Waiting[] = []
  #current: Used | undefined
  #spare: Segment | undefined
  #running = false
  #doneTimer: NodeJS.Timeout | undefined
  /** What is done, and could not be said. */
  #unsaid: Waiting[] = []
  #ageTimer: NodeJS.Timeout | undefined
  #settling: Promise<void> = Promise.resolve()
  #idle: (() => void) | undefined
  /** Reused for every batch. */
  #batch = Buffer.allocUnsafe(256 * 1024)

  constructor(spool: Spool) {
    this.#spool = spool
  }

  /** Resolves when the entry is durable. @throws {NodeJS.ErrnoException} ENOSPC, EIO: it is not. */
  append(entry: JournalEntry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject })
      this.#start()
    })
  }

  /**
   * A message has left the queue. Goes with the next sync, within 100 ms.
   *
   * @param createSeconds When it was made, where that is known: the clock may have been set back since.
   */
  done(id: QueueId, createSeconds = 0): void {
    const now = Math.trunc(Date.now() / 1000)
    const seconds = createSeconds < now + FUTURE_SECONDS_MAX ? Math.max(now, createSeconds) : now
    this.#waiting.push({ entry: { kind: 'done', id, seconds }, resolve: ignore, reject: ignore })
    this.#startIn(DONE_WAIT_MS)
  }

  /**
   * Syncs what is still queued and deletes the segments. One that says what is done stays as long as another process
   * remembers those messages; whoever looks after the journal then deletes it.
   */
  async close(): Promise<void> {
    // What comes while this waits for the disk is written too.
    for (;;) {
      await this.#quiet()
      const used = this.#current
      if (used) await this.#settle(used)
      const forget = used !== undefined && await mayForget(this.#spool, used.segment.path, used.lastDoneSeconds)
      if (this.#running || this.#waiting.length > 0 || this.#current !== used) continue
      if (forget) used.segment.discard()
      else used?.segment.close()
      break
    }
    this.#stopTimers()
    this.#spare?.discard()
    this.#current = this.#spare = undefined
  }

  /** Writes what waits, now. */
  async #quiet(): Promise<void> {
    this.#stopTimers()
    this.#repeat()
    this.#start()
    if (this.#running) await new Promise<void>((resolve) => (this.#idle = resolve))
    await this.#settling
  }

  #stopTimers(): void {
    clearTimeout(this.#doneTimer)
    clearTimeout(this.#ageTimer)
    this.#doneTimer = undefined
  }

  #startIn(milliseconds: number): void {
    this.#doneTimer ??= setTimeout(() => {
      this.#doneTimer = undefined
      this.#repeat()
      this.#start()
    }, milliseconds).unref()
  }

  #repeat(): void {
    this.#waiting.push(...this.#unsaid.splice(0))
  }

  #start(): void {
    if (this.#running || this.#waiting.length === 0) return
    this.#running = true
    // What else ends in this turn of the loop joins.
    setImmediate(() => void this.#run())
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch()
      try {
        await this.#commit(batch)
        for (const { resolve } of batch) resolve()
      } catch (error) {
        this.#abandon(error)
        this.#takeBack(batch)
        for (const { reject } of batch) reject(error)
      }
    }
    this.#running = false
    this.#idle?.()
  }

  #takeBatch(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { entry } of this.#waiting) {
      bytes += entryBytes(entry)
      if (count > 0 && bytes > BATCH_BYTES_MAX) break
      count += 1
    }
    return count === this.#waiting.length ? this.#waiting.splice(0) : this.#waiting.splice(0, count)
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const size = batch.reduce((sum, { entry }) => sum + entryBytes(entry), 0)
    const used = await this.#room(size)
    const { segment } = used
    if (batch.some(({ entry }) => entry.kind === 'message')) segment.expectMessages()
    if (this.#batch.length < size) this.#batch = Buffer.allocUnsafe(size * 2)
    let at = 0
    for (const { entry } of batch) at = putEntry(this.#batch, at, entry, segment.generation)
    segment.append(this.#batch.subarray(0, at))
    for (const { entry } of batch) {
      if (entry.kind === 'message') used.ids.add(entry.id)
      else used.lastDoneSeconds = Math.max(used.lastDoneSeconds, entry.seconds)
    }
    await files.fdatasync(segment.fd)
  }

  /** The segment that takes the next batch. */
  async #room(bytes: number): Promise<Used> {
    const full = this.#current
    if (full?.segment.hasRoomFor(bytes)) return full
    // Forgotten first: when no other can be made, the error must not be taken for one of this segment.
    this.#current = undefined
    if (full) this.#putAside(full)
    const spare = this.#spare
    this.#spare = undefined
    const segment = spare ?? await Segment.create(this.#spool)
    const used: Used = { segment, ids: new Set(), lastDoneSeconds: 0 }
    this.#current = used
    clearTimeout(this.#ageTimer)
    this.#ageTimer = setTimeout(() => this.#grownOld(used), SEGMENT_AGE_MAX_MS).unref()
    return used
  }

  #grownOld(used: Used): void {
    if (this.#current !== used || this.#running) {
      if (this.#current === used) this.#ageTimer = setTimeout(() => this.#grownOld(used), DONE_WAIT_MS).unref()
      return
    }
    this.#current = undefined
    this.#putAside(used)
  }

  /** Its messages become durable as files; then it can be used again. One at a time, in the background. */
  #putAside(used: Used): void {
    const { segment, lastDoneSeconds } = used
    this.#settling = this.#settling.then(async () => {
      try {
        await this.#settle(used)
        if (!(await mayForget(this.#spool, segment.path, lastDoneSeconds))) {
          segment.close()
          return
        }
        segment.begin()
        await files.fdatasync(segment.fd)
        if (this.#spare) segment.discard()
        else this.#spare = segment
      } catch (error) {
        // It stays as it is, and the next start of the mail system reads it.
        log.error(`intake journal ${segment.path}: ${errnoText(error)}`)
        segment.close()
      }
    })
  }

  /** What it remembers becomes durable without it. Those that are done have left active/, where qmgr removes them. */
  async #settle({ ids, lastDoneSeconds }: Used): Promise<void> {
    await syncSurvivors(this.#spool, ids)
    if (lastDoneSeconds > 0) await syncRemovals(this.#spool, ['active'])
  }

  /** What is done is said again, later. Refused messages are done too: the failed segment may hold them all the same. */
  #takeBack(batch: readonly Waiting[]): void {
    for (const { entry } of batch) {
      this.#unsaid.push({ entry: { kind: 'done', id: entry.id, seconds: entry.seconds }, resolve: ignore, reject: ignore })
    }
    this.#startIn(DONE_RETRY_MS)
  }

  /** What the disk has of this segment is unknown: it is left for recovery, and the next batch gets a fresh one. */
  #abandon(error: unknown): void {
    log.error(`intake journal: ${errnoText(error)}`)
    const used = this.#current
    this.#current = undefined
    if (!used) return
    this.#settling = this.#settling.then(async () => {
      try {
        await this.#settle(used)
        if (await mayForget(this.#spool, used.segment.path, used.lastDoneSeconds)) used.segment.discard()
        else used.segment.close()
      } catch {
        used.segment.close()
      }
    })
  }
}

function ignore(): void {
  // Nobody waits for a "done": when it is lost, a crash repeats a delivery of the last moment.
}

const writers = new Map<string, JournalWriter>()

/** The writer of this process for a queue directory. */
export function journalOf(spool: Spool): JournalWriter {
  let writer = writers.get(spool.path)
  if (!writer) writers.set(spool.path, (writer = new JournalWriter(spool)))
  return writer
}
