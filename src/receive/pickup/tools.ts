/**
 * What pickup works with.
 *
 * @module
 */
import type { Cleanup } from '#cleanup/cleanup.ts'
import type { QueueId, Spool } from '#queue/spool.ts'
import type { PickupSettings } from './settings.ts'

/** `queued` hears of each message that is in the incoming queue. */
export type PickupTools = {
  readonly spool: Spool
  readonly cleanup: Cleanup
  readonly settings: PickupSettings
  readonly queued: (id: QueueId) => void
}
