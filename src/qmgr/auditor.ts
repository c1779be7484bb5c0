/**
 * The auditor: once a minute it looks whether every message of the queue has a next event, an owner and an end
 * (audit-rules.ts), and repairs what has not.
 *
 * A round looks at all of active/, which qmgr_message_active_limit bounds, and at some thousand files of incoming/ and
 * deferred/ each, going on where the round before ended, so that a million deferred messages cost no more than a few
 * thousand. Between small portions other work gets its turn. What breaks a rule is remembered, up to a limit, and looked
 * at again in the next round; only what still breaks it then is a violation: logged, repaired and counted.
 *
 * Diagnostics: a warning for each violation, with what was done.
 *
 * @module
 */
import { errnoText } from '#system/errno.ts'
import { files, O_RDONLY, type FileFacts } from '#system/files.ts'
import type { Logger } from '#system/log.ts'
import { readRecords, RECORD } from '#queue/record.ts'
import { isReady, moveFile, queuePath, scanQueue, stampFile, statFile, type QueueId, type Spool } from '#queue/spool.ts'
import { examine, type AuditedQueue, type AuditRules, type Violation } from './audit-rules.ts'

export type AuditTools = {
  readonly spool: Spool
  readonly log: Logger
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly rules: (queue: AuditedQueue) => AuditRules
  /** Whether the active queue has the message in hand. */
  readonly owns: (id: QueueId) => boolean
  /** Takes a message up from incoming/ or deferred/ now. */
  readonly take: (queue: 'incoming' | 'deferred', id: QueueId) => void
  /** Messages in memory that nothing will ever finish; ends them so that they are tried again. Words for the log. */
  readonly releaseStuck: () => readonly string[]
  readonly stopped: () => boolean
}

/** Since the start of this queue manager. */
export type AuditCounts = { readonly looked: number; readonly violations: number }

type Suspect = { readonly queue: AuditedQueue; readonly repair: Violation['repair'] }

/** Files of incoming/, and of deferred/, that one round looks at. */
const FILES_PER_ROUND = 2000
/** Files looked at before other work gets its turn. */
const FILES_PER_TURN = 50
/** Files that broke a rule and will be looked at again. */
const SUSPECTS_MAX = 1000
/** The time of a message stands in its first records. */
const HEAD_BYTES = 1024

/** See the module header. */
export class Auditor {
  readonly #tools: AuditTools
  readonly #cursors = new Map<AuditedQueue, Iterator<QueueId>>()
  #suspects = new Map<QueueId, Suspect>()
  #fresh = new Map<QueueId, Suspect>()
  #running = false
  #looked = 0
  #violations = 0

  constructor(tools: AuditTools) {
    this.#tools = tools
  }

  get counts(): AuditCounts {
    return { looked: this.#looked, violations: this.#violations }
  }

  /** One round; does nothing while the one before has not ended. Never rejects. */
  async round(): Promise<void> {
    if (this.#running) return
    this.#running = true
    try {
      for (const text of this.#tools.releaseStuck()) this.#report(text)
      await this.#lookAgain()
      await this.#portion('active', Infinity)
      await this.#portion('incoming', FILES_PER_ROUND)
      await this.#portion('deferred', FILES_PER_ROUND)
      this.#suspects = this.#fresh
      this.#fresh = new Map()
    } catch (error) {
      this.#tools.log.warning(`queue audit: ${errnoText(error)}`)
    } finally {
      this.#running = false
    }
  }

  /** Closes what the unfinished scans hold open. */
  stop(): void {
    for (const cursor of this.#cursors.values()) cursor.return?.()
    this.#cursors.clear()
  }

  /** Suspects of the last round: those that still break their rule are repaired. */
  async #lookAgain(): Promise<void> {
    let looked = 0
    for (const [id, suspect] of this.#suspects) {
      const violation = this.#look(id, suspect.queue)
      if (violation?.repair === suspect.repair) this.#repair(id, suspect.queue, violation)
      if (++looked % FILES_PER_TURN === 0) await turn()
      if (this.#tools.stopped()) return
    }
  }

  async #portion(queue: AuditedQueue, most: number): Promise<void> {
    for (let looked = 1; looked <= most && !this.#tools.stopped(); looked += 1) {
      const { done, value } = this.#cursor(queue).next()
      if (done === true) {
        this.#cursors.delete(queue)
        return
      }
      const violation = this.#look(value, queue)
      if (violation && this.#fresh.size < SUSPECTS_MAX) this.#fresh.set(value, { queue, repair: violation.repair })
      if (looked % FILES_PER_TURN === 0) await turn()
    }
  }

  #cursor(queue: AuditedQueue): Iterator<QueueId> {
    let cursor = this.#cursors.get(queue)
    if (!cursor) this.#cursors.set(queue, (cursor = scanQueue(this.#tools.spool, queue)))
    return cursor
  }

  #look(id: QueueId, queue: AuditedQueue): Violation | undefined {
    const { spool, now, rules, owns } = this.#tools
    this.#looked += 1
    const owned = owns(id)
    if (owned && queue === 'active') return undefined
    const facts = statFile(spool, queue, id)
    if (!facts?.isFile) return undefined
    const createTime = queue === 'deferred' ? readCreateTime(spool, queue, id, facts) : undefined
    const observed = { queue, ready: isReady(facts), wakeAt: Math.trunc(facts.mtimeMs / 1000), createTime, owned }
    return examine(observed, now() / 1000, rules(queue))
  }

  #repair(id: QueueId, queue: AuditedQueue, { what, repair }: Violation): void {
    const { spool, now, take } = this.#tools
    const seconds = Math.trunc(now() / 1000)
    switch (repair) {
      case 'requeue':
        stampFile(spool, 'active', id, seconds)
        if (moveFile(spool, id, 'active', 'incoming')) take('incoming', id)
        return this.#report(`${id}: ${queue}: ${what}; moved to incoming`)
      case 'corrupt':
        moveFile(spool, id, queue, 'corrupt')
        return this.#report(`${id}: ${queue}: ${what}; moved to corrupt`)
      case 'wake':
        stampFile(spool, queue, id, seconds)
        if (queue !== 'active') take(queue, id)
        return this.#report(`${id}: ${queue}: ${what}; tried now`)
      case 'take':
        if (queue !== 'active') take(queue, id)
        return this.#report(`${id}: ${queue}: ${what}; taken now`)
      default: return repair satisfies never
    }
  }

  #report(text: string): void {
    this.#violations += 1
    this.#tools.log.warning(`queue audit: ${text} (violation ${this.#violations} since the start)`)
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** When the message was created, in seconds; undefined when its first records do not say. */
function readCreateTime(spool: Spool, queue: AuditedQueue, id: QueueId, { size }: FileFacts): number | undefined {
  const head = new Uint8Array(Math.min(size, HEAD_BYTES))
  try {
    const fd = files.open(queuePath(spool, queue, id), O_RDONLY)
    try {
      files.read(fd, head, 0, head.length, 0)
    } finally {
      files.close(fd)
    }
    return createTimeIn(head)
  } catch {
    // Gone, unreadable or damaged: the next attempt will say so.
    return undefined
  }
}

function createTimeIn(head: Uint8Array): number | undefined {
  for (const { type, data } of readRecords(head)) {
    if (type === RECORD.time) return Number.parseInt(Buffer.from(data).toString('latin1'), 10) || undefined
  }
  return undefined
}
