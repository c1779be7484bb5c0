/**
 * One attempt at a time for each recipient within an agent.
 *
 * A queue manager that was killed leaves its requests behind. The next one asks for the same recipients; it is kept
 * from that by the lock of an agent that has begun, but not of one that the machine has kept from reading the first
 * request so long. Then the second waits for the first, and only what is not done by then is tried.
 *
 * @module
 */
import { unfinishedRecipients } from '#queue/mark.ts'
import type { Spool } from '#queue/spool.ts'
import type { DeliverReply, DeliverRequest } from './deliver.ts'

const DONE: DeliverReply = { status: 0 }

/** The recipients that one process is at. */
export class Claims {
  readonly #spool: Spool
  readonly #atWork = new Map<string, Promise<void>>()

  constructor(spool: Spool) {
    this.#spool = spool
  }

  /** Carries out a request: `deliver` is called at once, or with what an earlier one has left. */
  async run(request: DeliverRequest, deliver: (request: DeliverRequest) => Promise<DeliverReply>): Promise<DeliverReply> {
    const keys = request.recipients.map(({ offset }) => `${request.queueId}:${offset}`)
    let waited = false
    for (let earlier = this.#earlier(keys); earlier !== undefined; earlier = this.#earlier(keys)) {
      waited = true
      await earlier
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const key of keys) this.#atWork.set(key, promise)
    try {
      return await (waited ? this.#rest(request, deliver) : deliver(request))
    } finally {
      for (const key of keys) this.#atWork.delete(key)
      resolve()
    }
  }

  #earlier(keys: readonly string[]): Promise<void> | undefined {
    if (this.#atWork.size === 0) return undefined
    const key = keys.find((each) => this.#atWork.has(each))
    return key === undefined ? undefined : this.#atWork.get(key)
  }

  async #rest(request: DeliverRequest, deliver: (request: DeliverRequest) => Promise<DeliverReply>): Promise<DeliverReply> {
    const recipients = unfinishedRecipients(this.#spool, request.queueId, request.recipients)
    return recipients.length === 0 ? DONE : deliver({ ...request, recipients })
  }
}
