/**
 * The end of a message: its file leaves active/, for the next message or for good; then the log and the journal say so.
 *
 * @module
 */
import type { Clock } from '#system/clock.ts'
import { errnoText } from '#system/errno.ts'
import { files, O_RDONLY } from '#system/files.ts'
import type { Logger } from '#system/log.ts'
import { removeLog } from '#queue/logs.ts'
import { readEnvelope } from '#queue/envelope.ts'
import { QueueFileError } from '#queue/record.ts'
import { isRetired, type SpareKeeper } from '#queue/spare.ts'
import { queuePath, removeFile, statFile, type QueueId, type Spool } from '#queue/spool.ts'
import type { ActiveMessage } from './active-message.ts'

export type RemovalTools = {
  readonly spool: Spool
  readonly spares: SpareKeeper
  readonly clock: Clock
  readonly log: Logger
  /** There is room in the active queue. */
  readonly wake: () => void
  /** A message has left the queue for good. */
  readonly removed: (id: QueueId, createSeconds: number) => void
}

/** See the module header. */
export class Removals {
  readonly #tools: RemovalTools
  readonly #pending = new Map<QueueId, Promise<void>>()

  constructor(tools: RemovalTools) {
    this.#tools = tools
  }

  /** Files that are being removed. */
  get size(): number {
    return this.#pending.size
  }

  has(id: QueueId): boolean {
    return this.#pending.has(id)
  }

  /** Resolves when those under way have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending.values())
  }

  remove({ id, envelope, repeated }: ActiveMessage): void {
    const { spool, spares, clock, log } = this.#tools
    try {
      if (repeated) removeLog(spool, 'defer', id)
      const kept = spares.keep(id, envelope.dataOffset + envelope.contentSize, clock.now() / 1000 - envelope.createTime)
      // A file that is gone was put on hold or requeued by postsuper: it has not left.
      if (kept === 'kept') this.#left(id, envelope.createTime)
      if (kept !== 'declined') return this.#tools.wake()
    } catch (error) {
      log.warning(`${id}: remove: ${errnoText(error)}`)
    }
    const removal = this.#unlink(id, envelope.createTime).finally(() => {
      this.#pending.delete(id)
      this.#tools.wake()
    })
    this.#pending.set(id, removal)
  }

  /** Removes a file that an earlier queue manager was about to remove when it was killed. False: it is not one. */
  finish(id: QueueId): boolean {
    const { spool, clock } = this.#tools
    const facts = statFile(spool, 'active', id)
    if (facts === undefined || !isRetired(facts) || hasRecipients(spool, id) || !removeFile(spool, 'active', id)) return false
    this.#left(id, Math.trunc(clock.now() / 1000))
    return true
  }

  async #unlink(id: QueueId, createSeconds: number): Promise<void> {
    try {
      if (await files.unlinkAsync(queuePath(this.#tools.spool, 'active', id))) this.#left(id, createSeconds)
    } catch (error) {
      this.#tools.log.warning(`${id}: remove: ${errnoText(error)}`)
    }
  }

  #left(id: QueueId, createSeconds: number): void {
    this.#tools.log.info(`${id}: removed`, { queue_id: id })
    this.#tools.removed(id, createSeconds)
  }
}

/** A queue that came from a backup may have lost its modes: what is to be delivered stays. */
function hasRecipients(spool: Spool, id: QueueId): boolean {
  const fd = files.open(queuePath(spool, 'active', id), O_RDONLY)
  try {
    return readEnvelope(fd, { id, recipientLimit: 1 }).recipients.length > 0
  } catch (error) {
    if (error instanceof QueueFileError) return true
    throw error
  } finally {
    files.close(fd)
  }
}
