/**
 * Where files of active/ go that are not delivered now: to deferred/ with the time of the next attempt as their time
 * stamp, back to incoming/ while somebody still works on them, or to corrupt/.
 *
 * @module
 */
import type { Clock } from '#system/clock.ts'
import { errnoText } from '#system/errno.ts'
import type { Logger } from '#system/log.ts'
import { moveFile, stampFile, type QueueId, type Spool } from '#queue/spool.ts'
import { nextAttempt, type Backoff } from './lifetime.ts'

export type ParkingTools = { readonly spool: Spool; readonly clock: Clock; readonly log: Logger; readonly backoff: Backoff }

const STILL_DELIVERED_WAIT_SECONDS = 60

/** See the module header. */
export class Parking {
  readonly #tools: ParkingTools
  /** Files that could not be moved to deferred/, and the times of their next attempts. */
  readonly #stranded = new Map<QueueId, number>()
  #abandoned = false

  constructor(tools: ParkingTools) {
    this.#tools = tools
  }

  /** Whether the file waits here to be moved. */
  has(id: QueueId): boolean {
    return this.#stranded.has(id)
  }

  /** No further file is moved to deferred/: another queue manager takes over active/. */
  abandon(): void {
    this.#abandoned = true
  }

  /** Tries again to move what could not be moved; called now and then, as nobody else would look for it. */
  retryStranded(): void {
    for (const [id, wakeAt] of this.#stranded) this.#park(id, wakeAt)
  }

  /** The file, unchanged, waits for the next attempt at a message of this age. */
  defer(id: QueueId, createTime: number): void {
    this.#park(id, nextAttempt(this.#now(), createTime, this.#tools.backoff))
  }

  /** The file, whose age is not known, waits for the shortest time. */
  deferUnread(id: QueueId): void {
    this.#park(id, this.#now() + this.#tools.backoff.minimal)
  }

  /** An agent of an earlier queue manager still delivers the message. */
  skipLocked(id: QueueId): void {
    const { spool, log } = this.#tools
    log.info(`${id}: skipped, still being delivered`, { queue_id: id })
    stampFile(spool, 'active', id, this.#now() + STILL_DELIVERED_WAIT_SECONDS)
    moveFile(spool, id, 'active', 'incoming')
  }

  /** The file is kept for an admin. */
  corrupt(id: QueueId): void {
    const { spool, log } = this.#tools
    log.warning(`saving corrupt file "${id}" from queue "active" to queue "corrupt"`, { queue_id: id })
    moveFile(spool, id, 'active', 'corrupt')
  }

  #now(): number {
    return Math.trunc(this.#tools.clock.now() / 1000)
  }

  #park(id: QueueId, wakeAt: number): void {
    const { spool, log } = this.#tools
    if (this.#abandoned) return
    try {
      // Time stamp first: after a crash between the two steps qmgr finds the file in active/.
      if (stampFile(spool, 'active', id, wakeAt)) moveFile(spool, id, 'active', 'deferred')
      this.#stranded.delete(id)
    } catch (error) {
      log.warning(`${id}: defer: ${errnoText(error)}`, { queue_id: id })
      this.#stranded.set(id, wakeAt)
    }
  }
}
