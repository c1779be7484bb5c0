/**
 * What the active queue needs from the queue manager.
 *
 * @module
 */
import type { Clock } from '#system/clock.ts'
import type { Logger } from '#system/log.ts'
import type { SpareKeeper } from '#queue/spare.ts'
import type { QueueId, Spool } from '#queue/spool.ts'
import type { ActiveMessage, NoticeTools } from './active-message.ts'
import type { Backoff, Lifetimes } from './lifetime.ts'
import type { RouteTools } from './route.ts'
import type { Scheduler } from './scheduler.ts'

export type ActiveSettings = {
  readonly recipientsAtOnce: number
  readonly backoff: Backoff
  readonly lifetimes: Lifetimes
  readonly retryTransport: string
}

export type ActiveTools = {
  readonly spool: Spool
  /** Keeps files of removed messages for the next ones. */
  readonly spares: SpareKeeper
  readonly clock: Clock
  readonly log: Logger
  readonly scheduler: Scheduler<ActiveMessage>
  readonly settings: ActiveSettings
  readonly notices: NoticeTools
  readonly routeTools: (message: ActiveMessage) => RouteTools
  /** New work stands in the scheduler. */
  readonly wake: () => void
  /** A message has left the queue for good. */
  readonly removed: (id: QueueId, createSeconds: number) => void
}
