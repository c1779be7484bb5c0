/**
 * qmgr asks a delivery agent to deliver one message to some of its recipients.
 *
 * The agent logs, marks and reports every recipient itself; the reply only says
 * whether any is left for a later attempt, and whether the destination as a
 * whole seems dead.
 *
 * @module
 */
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { isQueueId, type QueueId } from '#queue/id.ts'
import { hasShape, isRecord, type Shape } from './shape.ts'

/** What qmgr wants besides plain delivery. */
export type DeliverFlags = {
  /** Report successes too, in the trace log (sendmail -v, DSN SUCCESS). */
  readonly trace: boolean
  /** Only find out whether the recipients are deliverable; deliver nothing (address probe). */
  readonly verify: boolean
  /** sendmail -bv: report deliverability to the sender; deliver nothing. */
  readonly userVerify: boolean
  /** The sender was told of the delay and is owed news of its end (confirm_delay_cleared). */
  readonly delayWarned?: boolean
  /** The agent may take a connection from its cache. */
  readonly connLoad: boolean
  /** The agent may keep the connection for the next message. */
  readonly connStore: boolean
}

/** Times in milliseconds since 1970, but for `arrival`. */
export type DeliverRequest = {
  readonly queueName: 'active'
  readonly queueId: QueueId
  /** Where the content begins in the queue file. */
  readonly dataOffset: number
  /** Field 1 of the size record: content and envelope. */
  readonly contentSize: number
  /** Bytes of content only. */
  readonly contentLength: number
  /** Bits: SMTPUTF8 and REQUIRETLS wishes, see queue/envelope. */
  readonly sendOptions: number
  /** Internal form, empty for the null sender. */
  readonly sender: string
  readonly nexthop: string
  /** `7bit`, `8bit` or empty. */
  readonly encoding: string
  readonly envelopeId: string
  readonly retFlags: number
  readonly flags: DeliverFlags
  readonly arrival: { readonly seconds: number; readonly microseconds: number }
  /** When the message entered the active queue. */
  readonly activeArrival: number
  /** When qmgr gave the recipients to this request. Default: when the agent got it. */
  readonly deliveryStart?: number
  readonly clientName: string
  readonly clientAddress: string
  readonly clientPort: string
  readonly heloName: string
  readonly protocolName: string
  readonly saslMethod: string
  readonly saslUsername: string
  readonly saslSender: string
  readonly logIdent: string
  readonly rewriteContext: string
  readonly recipients: readonly EnvelopeRecipient[]
}

/** The destination as a whole cannot be reached: qmgr slows down or stops for it. */
export type DeadHop = {
  /** `4.4.1` */
  readonly status: string
  readonly reason: string
  readonly diagType?: string
  readonly diagText?: string
  readonly mtaType?: string
  readonly mtaName?: string
}

/** `status`: 0 when no recipient is left, -1 when some stay in the queue. */
export type DeliverReply = { readonly status: number; readonly hop?: DeadHop }

const RECIPIENT = { offset: 'number', address: 'string', original: 'string', dsnOrcpt: 'string', notify: 'number' } as const

const REQUEST = {
  queueName: 'string', queueId: 'string', dataOffset: 'number', contentSize: 'number', contentLength: 'number',
  sendOptions: 'number', sender: 'string', nexthop: 'string', encoding: 'string', envelopeId: 'string', retFlags: 'number',
  flags: { trace: 'boolean', verify: 'boolean', userVerify: 'boolean', connLoad: 'boolean', connStore: 'boolean' },
  arrival: { seconds: 'number', microseconds: 'number' }, activeArrival: 'number',
  clientName: 'string', clientAddress: 'string', clientPort: 'string', heloName: 'string', protocolName: 'string',
  saslMethod: 'string', saslUsername: 'string', saslSender: 'string', logIdent: 'string', rewriteContext: 'string',
  recipients: [RECIPIENT],
} as const satisfies Shape

const HOP = { status: 'string', reason: 'string' } as const satisfies Shape

/** Tells whether a message is a request of qmgr. */
export function isDeliverRequest(message: unknown): message is DeliverRequest {
  return hasShape(message, REQUEST) && isRecord(message) && typeof message['queueId'] === 'string' && isQueueId(message['queueId'])
}

/** Tells whether a message is the reply of a delivery agent. */
export function isDeliverReply(message: unknown): message is DeliverReply {
  if (!isRecord(message) || typeof message['status'] !== 'number') return false
  return message['hop'] === undefined || hasShape(message['hop'], HOP)
}
