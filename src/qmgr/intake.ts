/**
 * How messages enter the active queue: those just announced by their receiver, and scans of incoming/ and deferred/.
 *
 * A scan reads directory entries one at a time and takes turns with the other scan and with announced
 * messages, so that neither a flood of new mail nor a million deferred messages starves the other, and memory
 * does not grow with the queue. A scan asked for while one runs is done after it.
 *
 * Source: qmgr(8); postconf(5) qmgr_message_active_limit, queue_run_delay.
 *
 * @module
 */
import type { FileFacts } from '#system/files.ts'
import type { Logger } from '#system/log.ts'
import { isReady, scanQueue, statFile, type QueueId, type Spool } from '#queue/spool.ts'

export type IntakeTools = {
  readonly spool: Spool
  readonly log: Logger
  readonly now: () => number
  /** Messages in the active queue, and how many there may be. */
  readonly activeSize: () => number
  readonly activeLimit: number
  /** Names in a queue, read as they are asked for; default: its directory. */
  readonly entriesOf?: (spool: Spool, queue: 'incoming' | 'deferred') => Iterable<QueueId>
  readonly activate: (id: QueueId, from: 'incoming' | 'deferred') => Promise<boolean>
}

type Scan = {
  readonly queue: 'incoming' | 'deferred'
  entries: Iterator<QueueId> | undefined
  wanted: boolean
  /** Look at messages before their time (`A`). */
  ignoreTime: boolean
  ignoreTimeNext: boolean
}

/** Announced messages kept in memory; when there are more, a scan of incoming/ finds the rest. */
const ANNOUNCED_MAX = 50_000
/** Directory entries looked at before other work gets its turn. */
const ENTRIES_PER_TURN = 64
/** Activations under way at once: routing may wait for a slow table. */
const ACTIVATIONS_MAX = 200

/** See the module header. */
export class Intake {
  readonly #tools: IntakeTools
  readonly #incoming = newScan('incoming')
  readonly #deferred = newScan('deferred')
  #announced: QueueId[] = []
  #announcedAt = 0
  #activating = 0
  #scheduled = false
  #turn = 0
  #stopped = false

  constructor(tools: IntakeTools) {
    this.#tools = tools
  }

  /** Receivers say that these messages stand in incoming/. */
  announce(ids: readonly QueueId[]): void {
    if (this.#announced.length - this.#announcedAt > ANNOUNCED_MAX) this.#incoming.wanted = true
    else for (const id of ids) this.#announced.push(id)
    this.poke()
  }

  /** Asks for a scan; `ignoreTime` takes messages whose next attempt is not due yet. */
  scan(queue: 'incoming' | 'deferred', ignoreTime = false): void {
    const scan = queue === 'incoming' ? this.#incoming : this.#deferred
    scan.wanted = true
    if (ignoreTime) scan.ignoreTimeNext = true
    this.poke()
  }

  /** Whether a scan of this queue is under way or about to begin. */
  isScanning(queue: 'incoming' | 'deferred'): boolean {
    const scan = queue === 'incoming' ? this.#incoming : this.#deferred
    return scan.entries !== undefined || scan.wanted
  }

  /** Takes one message up, where the auditor found that nobody else does. */
  take(queue: 'incoming' | 'deferred', id: QueueId): void {
    this.#consider(id, queue, false)
  }

  /** Nothing is taken in any more. */
  stop(): void {
    this.#stopped = true
  }

  /** Looks for work in the next turn of the loop; called when the active queue has room again. */
  poke(): void {
    if (this.#scheduled || this.#stopped) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#work()
    })
  }

  #work(): void {
    for (let looked = 0; looked < ENTRIES_PER_TURN; looked += 1) {
      if (this.#stopped || !this.#hasRoom()) return
      if (!this.#takeOne()) return
    }
    this.poke()
  }

  #hasRoom(): boolean {
    const { activeSize, activeLimit } = this.#tools
    return this.#activating < ACTIVATIONS_MAX && activeSize() + this.#activating < activeLimit
  }

  /** One entry from the sources in turn; false when none has any. */
  #takeOne(): boolean {
    for (let tried = 0; tried < 3; tried += 1) {
      this.#turn = (this.#turn + 1) % 3
      if (this.#turn === 0 ? this.#takeAnnounced() : this.#step(this.#turn === 1 ? this.#incoming : this.#deferred)) {
        return true
      }
    }
    return false
  }

  #takeAnnounced(): boolean {
    const id = this.#announced[this.#announcedAt]
    if (id === undefined) return false
    this.#announcedAt += 1
    // Under a load that never lets it run empty it must not grow for ever.
    if (this.#announcedAt === this.#announced.length || this.#announcedAt >= ANNOUNCED_MAX) {
      this.#announced = this.#announced.slice(this.#announcedAt)
      this.#announcedAt = 0
    }
    this.#consider(id, 'incoming', false)
    return true
  }

  #step(scan: Scan): boolean {
    if (!scan.entries) {
      if (!scan.wanted) return false
      scan.wanted = false
      scan.ignoreTime = scan.ignoreTimeNext
      scan.ignoreTimeNext = false
      const { spool, entriesOf = scanQueue } = this.#tools
      scan.entries = entriesOf(spool, scan.queue)[Symbol.iterator]()
    }
    const { done, value } = scan.entries.next()
    if (done === true) scan.entries = undefined
    else this.#consider(value, scan.queue, scan.ignoreTime)
    return true
  }

  /** Activates a message that is complete and due. */
  #consider(id: QueueId, queue: 'incoming' | 'deferred', ignoreTime: boolean): void {
    const facts = statFile(this.#tools.spool, queue, id)
    if (!facts || !this.#isDue(facts, id, queue, ignoreTime)) return
    this.#activating += 1
    this.#tools.activate(id, queue)
      .catch((error: unknown) => this.#tools.log.warning(`${id}: cannot activate: ${String(error)}`))
      .finally(() => {
        this.#activating -= 1
        this.poke()
      })
  }

  #isDue(facts: FileFacts, id: QueueId, queue: string, ignoreTime: boolean): boolean {
    if (!facts.isFile) {
      this.#tools.log.warning(`${queue}/${id}: uid ${facts.uid}: not a regular file`)
      return false
    }
    if (!isReady(facts)) return false
    return ignoreTime || Math.trunc(facts.mtimeMs / 1000) <= Math.trunc(this.#tools.now() / 1000) + 1
  }
}

function newScan(queue: 'incoming' | 'deferred'): Scan {
  return { queue, entries: undefined, wanted: false, ignoreTime: false, ignoreTimeNext: false }
}
