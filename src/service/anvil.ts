/**
 * Requests to anvil, which counts what clients do: connections now, and events
 * within a unit of time, for all workers of a service together.
 *
 * Several events of one turn of the event loop travel in one message. Nobody waits for the answer to `disconnect`,
 * which goes with the next event that comes within a few milliseconds.
 *
 * Source: anvil(8); postconf(5) smtpd_client_*_limit, anvil_rate_time_unit.
 *
 * @module
 */
import { log } from '#system/log.ts'
import { openClient, type Client } from './conversation.ts'
import { hasShape, isRecord } from './shape.ts'

/**
 * What can be told and asked. `connect` and `disconnect` go in pairs, on the connection of one worker: what a worker
 * leaves behind when it dies is taken back. `tls_so_far` only asks.
 */
export const ANVIL_EVENTS = ['connect', 'disconnect', 'message', 'recipient', 'tls', 'tls_so_far', 'auth'] as const

export type AnvilEvent = (typeof ANVIL_EVENTS)[number]

/** One event: who did what. `client` is `service:address`, the address cut to its network. */
export type AnvilItem = { readonly event: AnvilEvent; readonly client: string }

/** Events of one turn. */
export type AnvilRequest = { readonly items: readonly AnvilItem[] }

/** Connections now (after `connect` and `disconnect`, else 0), and events of this kind within the unit of time. */
export type AnvilCount = { readonly count: number; readonly rate: number }

/** One count for each item, in order. */
export type AnvilReply = { readonly counts: readonly AnvilCount[] }

export function isAnvilRequest(message: unknown): message is AnvilRequest {
  if (!isRecord(message) || !Array.isArray(message['items'])) return false
  return message['items'].every(
    (item: unknown) => isRecord(item) && typeof item['client'] === 'string' && isEvent(item['event']),
  )
}

function isEvent(value: unknown): value is AnvilEvent {
  return ANVIL_EVENTS.some((known) => known === value)
}

export function isAnvilReply(message: unknown): message is AnvilReply {
  return hasShape(message, { counts: [{ count: 'number', rate: 'number' }] })
}

/** Nobody counts, or nobody answers: no limit is reached. */
const UNCOUNTED: AnvilCount = { count: 0, rate: 0 }
/** How often a service that is not there is worth a line. */
const WARN_EVERY_MS = 60_000
/** How long a `disconnect` waits for other events. */
const DISCONNECT_DELAY_MS = 5
/** How long a client may be kept waiting for its count. */
const TIMEOUT_MS = 10_000

type Waiting = { readonly item: AnvilItem; readonly resolve: (count: AnvilCount) => void }

/** The asking end, one for the process. */
export class AnvilClient {
  readonly #path: string
  readonly #client: Client<AnvilRequest, AnvilReply>
  #waiting: Waiting[] = []
  /** Whether what waits is sent at the end of this turn; else the timer does it. */
  #isDue = false
  #delay: NodeJS.Timeout | undefined
  #warnedAt = -Infinity

  /** @param path `private/anvil` (anvil_service_name has no parameter in Postfix). */
  constructor(path = 'private/anvil') {
    this.#path = path
    // The connection is what ties `connect` to its worker: it stays.
    this.#client = openClient(path, isAnvilReply, { idleMs: 0 })
  }

  /** Tells of one event. Never rejects; without an answer the counts are 0. */
  tell(event: AnvilEvent, client: string): Promise<AnvilCount> {
    this.#schedule(event)
    return new Promise((resolve) => this.#waiting.push({ item: { event, client }, resolve }))
  }

  close(): void {
    clearTimeout(this.#delay)
    this.#client.close()
  }

  #schedule(event: AnvilEvent): void {
    if (this.#isDue) return
    if (event === 'disconnect') {
      this.#delay ??= setTimeout(() => void this.#send(), DISCONNECT_DELAY_MS)
      return
    }
    this.#isDue = true
    setImmediate(() => void this.#send())
  }

  async #send(): Promise<void> {
    clearTimeout(this.#delay)
    this.#delay = undefined
    this.#isDue = false
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length === 0) return
    const giveUp = (error: unknown): void => {
      this.#warn(error)
      for (const { resolve } of waiting) resolve(UNCOUNTED)
    }
    const timer = setTimeout(() => giveUp(new Error('no answer in time')), TIMEOUT_MS)
    try {
      const { counts } = await this.#client.request({ items: waiting.map(({ item }) => item) })
      waiting.forEach(({ resolve }, i) => resolve(counts[i] ?? UNCOUNTED))
    } catch (error) {
      giveUp(error)
    } finally {
      clearTimeout(timer)
    }
  }

  #warn(error: unknown): void {
    if (performance.now() - this.#warnedAt < WARN_EVERY_MS) return
    this.#warnedAt = performance.now()
    log.warning(`problem talking to service ${this.#path}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
