/**
 * Mail that cleanup refused and that goes back to its sender, for programs whose
 * own clients cannot be told: who submits mail with a command, or has it forwarded.
 *
 * @module
 */
import type { CleanupTools } from '#cleanup/cleanup.ts'
import type { RefusedMessage, RefusedRecipient } from '#cleanup/tools.ts'
import type { Config } from '#config/config.ts'
import { externalAddress } from '#mail/address.ts'
import type { StatusRecord } from '#queue/logs.ts'
import { isQueueId, type QueueId } from '#queue/spool.ts'
import { log } from '#system/log.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'
import type { BounceClient } from './bounce-client.ts'
import { delaysText } from './delay-text.ts'

const cleanupLog = log.as('cleanup')

/**
 * The `bounceRejected` of a cleanup: logs each recipient as bounced and has the notice sent.
 * With soft_bounce, or without a bounce service, the mail stays where it came from.
 */
export function returnRefused(config: Config, bounces: BounceClient): NonNullable<CleanupTools['bounceRejected']> {
  const soft = config.bool('soft_bounce')
  const decimalsMax = config.int('delay_logging_resolution_limit')
  return async (message) => {
    const id = idOf(message)
    for (const recipient of message.recipients) {
      await bounces.append(soft ? 'defer' : 'bounce', id, statusRecord(message, recipient))
      logRecipient(message, recipient, soft ? 'SOFTBOUNCE' : 'bounced', decimalsMax)
    }
    if (soft) throw new Error('soft_bounce is on')
    await sendNotice(bounces, id, message)
  }
}

function idOf({ id }: RefusedMessage): QueueId {
  if (!isQueueId(id)) throw new TypeError(`Cannot return "${id}" as it is not a queue id`)
  return id
}

async function sendNotice(bounces: BounceClient, id: QueueId, message: RefusedMessage): Promise<void> {
  const { queueName, encoding, sendOptions, sender, envelopeId, returnFlags, verp } = message
  const notice = { queueName, queueId: id, encoding, sendOptions, sender, envelopeId, retFlags: returnFlags }
  if (verp === undefined) await bounces.flush('bounce', notice, true)
  else await bounces.verp('bounce', notice, verp)
}

function statusRecord({ status, reason }: RefusedMessage, recipient: RefusedRecipient): StatusRecord {
  const { offset, address, original, dsnOrcpt, notify } = recipient
  return {
    recipient: externalAddress(address), original: externalAddress(original), offset, dsnOrcpt, notify, status, reason,
    action: 'failed',
  }
}

function logRecipient(message: RefusedMessage, recipient: RefusedRecipient, word: string, decimalsMax: number): void {
  const { id, arrival, status, reason } = message
  const to = externalAddress(recipient.address)
  const original = externalAddress(recipient.original)
  const originally = original === '' || equalsIgnoreCase(original, to) ? '' : `, orig_to=<${original}>`
  const now = Date.now()
  const times = { arrival: arrival.seconds * 1000 + arrival.microseconds / 1000, active: now, handoff: now, done: now }
  const text = `${id}: to=<${to}>${originally}, relay=none, ${delaysText(times, decimalsMax)}, dsn=${status}, status=${word} (${reason})`
  cleanupLog.info(text, { queue_id: id, to, relay: 'none', dsn: status, status: word })
}
