/**
 * Maintenance of the queue by the admin, one message at a time: what postsuper does to a queue id.
 *
 * Only complete messages count. The queue manager moves files meanwhile, so a message that was not
 * found is looked for once more.
 *
 * @module
 */
import { isErrno, errnoText } from '#system/errno.ts'
import { files } from '#system/files.ts'
import { log } from '#system/log.ts'
import { isQueueId, type QueueId } from './id.ts'
import { reopenBounced } from './reopen.ts'
import {
  isReady, LOG_QUEUES, MESSAGE_QUEUES, queuePath, renameInSpool, statFile, type LogName, type QueueName, type Spool,
  type SpoolName,
} from './spool.ts'

/** How many messages were treated. */
export type Tally = {
  requeued: number
  deleted: number
  expired: number
  held: number
  released: number
  /** Renamed because the name did not match the inode. */
  renamed: number
}

export function emptyTally(): Tally {
  return { requeued: 0, deleted: 0, expired: 0, held: 0, released: 0, renamed: 0 }
}

/** Mode bit of a message that the next delivery attempt returns to its sender. */
export const EXPIRE_MODE = 0o010
/** Rounds over the queues until a message counts as absent. */
const ROUNDS_MAX = 2
const MODE_MASK = 0o7777

export function isMessageQueue(queue: SpoolName): queue is QueueName {
  return MESSAGE_QUEUES.some((name) => name === queue)
}

export function isLogQueue(queue: SpoolName): queue is LogName {
  return LOG_QUEUES.some((name) => name === queue)
}

/** Renames, with the warning that postsuper prints when it fails. `false`: it is not there, or it failed. */
export function renameReported(spool: Spool, from: string, to: string): boolean {
  try {
    const done = renameInSpool(spool, from, to)
    if (done && log.verbose) log.info(`renamed file ${from} as ${to}`)
    return done
  } catch (error) {
    log.warning(`rename file ${from} as ${to}: ${errnoText(error)}`)
    return false
  }
}

/** Removes a file, with the warning that postsuper prints when it fails. `false`: it is not there, or it failed. */
export function removeReported(path: string): boolean {
  try {
    const done = files.unlink(path)
    if (done && log.verbose) log.info(`removed file ${path}`)
    return done
  } catch (error) {
    log.warning(`remove file ${path}: ${errnoText(error)}`)
    return false
  }
}

/** Marks a file as expired. `false`: it was marked before, or it failed. */
export function expireReported(path: string, mode: number): boolean {
  if ((mode & EXPIRE_MODE) !== 0) return false
  try {
    files.chmod(path, (mode & MODE_MASK) | EXPIRE_MODE)
    return true
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) log.warning(`expire file ${path}: cannot set permission: ${errnoText(error)}`)
    return false
  }
}

/** One action on one message in one queue. `true`: it was done. */
type Action = (queue: QueueName, id: QueueId, mode: number) => boolean

/** Actions on messages by their queue id, within some queues. */
export class MessageActions {
  readonly #spool: Spool
  readonly #queues: readonly QueueName[]
  readonly #tally: Tally

  constructor(spool: Spool, queues: readonly SpoolName[], tally: Tally) {
    this.#spool = spool
    this.#queues = queues.filter(isMessageQueue)
    this.#tally = tally
  }

  /** Removes the logs of a message, then the message. */
  delete(id: string): void {
    if (this.#find(id, this.#queues, (queue, name) => this.#remove(queue, name))) this.#tally.deleted++
  }

  /** Puts a message where pickup takes it in anew. */
  requeue(id: string): void {
    const queues = this.#queues.filter((queue) => queue !== 'maildrop')
    if (this.#find(id, queues, (queue, name) => this.#requeueFrom(queue, name))) this.#tally.requeued++
  }

  hold(id: string): void {
    const queues = this.#queues.filter((queue) => queue !== 'maildrop' && queue !== 'hold')
    if (this.#find(id, queues, (queue, name) => this.#move(queue, 'hold', name, 'placed on hold'))) this.#tally.held++
  }

  release(id: string): void {
    const queues = this.#queues.filter((queue) => queue === 'hold')
    const done = this.#find(id, queues, (queue, name) => this.#move(queue, 'deferred', name, 'released from hold'))
    if (done) this.#tally.released++
  }

  /** The next delivery attempt returns the message. */
  expire(id: string): void {
    const queues = this.#queues.filter((queue) => queue !== 'maildrop')
    if (this.#find(id, queues, (queue, name, mode) => this.#expire(queue, name, mode))) this.#tally.expired++
  }

  #find(id: string, queues: readonly QueueName[], action: Action): boolean {
    if (!isQueueId(id)) {
      log.warning(`invalid mail queue id: ${id}`)
      return false
    }
    for (let round = 0; round < ROUNDS_MAX; round++) {
      for (const queue of queues) {
        const facts = statFile(this.#spool, queue, id)
        if (facts && isReady(facts) && action(queue, id, facts.mode)) return true
      }
    }
    return false
  }

  #remove(queue: QueueName, id: QueueId): boolean {
    for (const name of LOG_QUEUES) removeReported(queuePath(this.#spool, name, id))
    return removeReported(queuePath(this.#spool, queue, id)) && report(id, 'removed')
  }

  #requeueFrom(queue: QueueName, id: QueueId): boolean {
    const path = queuePath(this.#spool, 'maildrop', id)
    reopenBounced(this.#spool, queue, id)
    if (!renameReported(this.#spool, queuePath(this.#spool, queue, id), path)) return false
    stampNow(path)
    return report(id, 'requeued')
  }

  #move(from: QueueName, to: QueueName, id: QueueId, text: string): boolean {
    return renameReported(this.#spool, queuePath(this.#spool, from, id), queuePath(this.#spool, to, id))
      && report(id, text)
  }

  #expire(queue: QueueName, id: QueueId, mode: number): boolean {
    return expireReported(queuePath(this.#spool, queue, id), mode) && report(id, 'expired')
  }
}

function report(id: QueueId, text: string): true {
  log.info(`${id}: ${text}`, { queue_id: id })
  return true
}

/** pickup takes files by age; a message that waited for days is new here. */
function stampNow(path: string): void {
  const now = Math.floor(Date.now() / 1000)
  try {
    files.utimes(path, now, now)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) log.warning(`${path}: reset time stamps: ${errnoText(error)}`)
  }
}
