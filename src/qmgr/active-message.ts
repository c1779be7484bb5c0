/**
 * A message of the active queue, and what is done about it as a whole.
 *
 * @module
 */
import { externalAddress } from '#mail/address.ts'
import type { Logger } from '#system/log.ts'
import type { Envelope, EnvelopeRecipient } from '#queue/envelope.ts'
import type { QueueId } from '#queue/spool.ts'

/** One message of the active queue. */
export type ActiveMessage = {
  readonly id: QueueId
  envelope: Envelope
  readonly activeAtMs: number
  /** Entries, queued or under way, that have not ended. */
  pending: number
  /** Routing, and notices being made: what goes on without an entry. */
  steps: number
  /** Some recipient was deferred: the message stays. */
  left: boolean
  /** `postsuper -e` asked for its end. */
  readonly forceExpired: boolean
  /** An agent died with it, and another was asked: what the first one reported may be out of date. */
  repeated: boolean
}

/** Notices about a message, made by the bounce service; each rejects when the notice could not be queued. */
export type NoticeTools = {
  bounce(message: ActiveMessage): Promise<void>
  /** Turns the deferrals into a bounce and marks their recipients done. */
  expire(message: ActiveMessage): Promise<void>
  warn(message: ActiveMessage): Promise<void>
  trace(message: ActiveMessage): Promise<void>
}

/** The line of a message that has become active. */
export function logActive({ id, envelope }: ActiveMessage, log: Logger): void {
  const size = envelope.contentLength > 0 ? envelope.contentLength : envelope.contentSize
  const sender = externalAddress(envelope.sender)
  const fields = { queue_id: id, from: sender, size, nrcpt: envelope.recipientCount }
  log.info(`${id}: from=<${sender}>, size=${size}, nrcpt=${envelope.recipientCount} (queue active)`, fields)
}

/** With VERP each recipient has a sender of its own, and so a delivery of its own. */
export function parties({ envelope }: ActiveMessage, recipients: EnvelopeRecipient[]): EnvelopeRecipient[][] {
  return envelope.verp === undefined ? [recipients] : recipients.map((recipient) => [recipient])
}
