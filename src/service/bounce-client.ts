/**
 * What delivery agents and qmgr tell the services bounce, defer and trace.
 *
 * The three are one program: `append` adds a recipient to the log of a message,
 * the other requests make a notice of the whole log, as new mail, and remove it.
 *
 * @module
 */
import type { StatusRecord } from '#queue/logs.ts'
import { isQueueId, type LogName, type QueueId } from '#queue/spool.ts'
import type { Config } from '#config/config.ts'
import { openClient, type Client } from './conversation.ts'
import { hasShape, isRecord, type Shape } from './shape.ts'

/** The message that a notice is about. */
export type NoticeMessage = {
  readonly queueName: string
  readonly queueId: QueueId
  /** `7bit`, `8bit` or empty. */
  readonly encoding: string
  readonly sendOptions: number
  /** Internal form. Empty: the notice goes to the postmaster. */
  readonly sender: string
  readonly envelopeId: string
  readonly retFlags: number
}

/** One request to bounce, defer or trace. */
export type BounceRequest =
  /** Add a recipient to the log. `deleteRecipient`: the service marks it done at `record.offset`. */
  | { readonly kind: 'append'; readonly queueId: QueueId; readonly record: StatusRecord; readonly deleteRecipient?: boolean }
  /** Send the notice of all logged recipients to the sender and remove the log. `clean`: remove the log also when that fails. */
  | { readonly kind: 'flush'; readonly message: NoticeMessage; readonly clean?: boolean }
  /** As `flush`, one notice for each recipient, with the recipient in the return address. */
  | { readonly kind: 'verp'; readonly message: NoticeMessage; readonly delimiters: string }
  /** Tell the sender that the mail is delayed; the log stays. */
  | { readonly kind: 'warn'; readonly message: NoticeMessage }
  /** Report successes and deliverability; remove the log. */
  | { readonly kind: 'trace'; readonly message: NoticeMessage }
  /** A notice about a single recipient without a log. */
  | { readonly kind: 'one'; readonly message: NoticeMessage; readonly record: StatusRecord; readonly deleteRecipient?: boolean }

/** 0: done; -1: not done, try later. */
export type BounceReply = { readonly status: number }

const MESSAGE = {
  queueName: 'string', queueId: 'string', encoding: 'string', sendOptions: 'number', sender: 'string', envelopeId: 'string',
  retFlags: 'number',
} as const satisfies Shape

const RECORD = { recipient: 'string', status: 'string', action: 'string', reason: 'string' } as const satisfies Shape

const REQUESTS: Readonly<Record<string, Shape>> = {
  append: { queueId: 'string', record: RECORD },
  one: { message: MESSAGE, record: RECORD },
  verp: { message: MESSAGE, delimiters: 'string' },
  flush: { message: MESSAGE },
  warn: { message: MESSAGE },
  trace: { message: MESSAGE },
} satisfies Record<BounceRequest['kind'], Shape>

/** Tells whether a message is a request for bounce, defer or trace. */
export function isBounceRequest(message: unknown): message is BounceRequest {
  if (!isRecord(message) || typeof message['kind'] !== 'string') return false
  const shape = Object.hasOwn(REQUESTS, message['kind']) ? REQUESTS[message['kind']] : undefined
  return shape !== undefined && hasShape(message, shape) && namesMessage(message)
}

function namesMessage(request: Readonly<Record<string, unknown>>): boolean {
  const holder = isRecord(request['message']) ? request['message'] : request
  return typeof holder['queueId'] === 'string' && isQueueId(holder['queueId'])
}

/** Tells whether a message is a reply of bounce, defer or trace. */
export function isBounceReply(message: unknown): message is BounceReply {
  return hasShape(message, { status: 'number' })
}

/**
 * The three services. Every call rejects with a `ConversationError` when the
 * service cannot be reached, or an `Error` when it reports failure: the
 * recipient then stays in the queue.
 */
export type BounceClient = {
  append(log: LogName, queueId: QueueId, record: StatusRecord, deleteRecipient?: boolean): Promise<void>
  flush(log: LogName, message: NoticeMessage, clean?: boolean): Promise<void>
  verp(log: LogName, message: NoticeMessage, delimiters: string): Promise<void>
  warn(message: NoticeMessage): Promise<void>
  trace(message: NoticeMessage): Promise<void>
  one(message: NoticeMessage, record: StatusRecord, deleteRecipient?: boolean): Promise<void>
  close(): void
}

/** A client of the services that `bounce_service_name`, `defer_service_name` and `trace_service_name` name. */
export function openBounceClient(config: Config): BounceClient {
  const names = {
    bounce: config.str('bounce_service_name'),
    defer: config.str('defer_service_name'),
    trace: config.str('trace_service_name'),
  } as const satisfies Record<LogName, string>
  const clients = new Map<LogName, Client<BounceRequest, BounceReply>>()
  const ask = async (log: LogName, request: BounceRequest): Promise<void> => {
    const client = clients.get(log) ?? openClient<BounceRequest, BounceReply>(`private/${names[log]}`, isBounceReply)
    clients.set(log, client)
    const { status } = await client.request(request)
    if (status !== 0) throw new Error(`${names[log]} service failure`)
  }
  return {
    append: (log, queueId, record, deleteRecipient = false) => ask(log, { kind: 'append', queueId, record, deleteRecipient }),
    flush: (log, message, clean = false) => ask(log, { kind: 'flush', message, clean }),
    verp: (log, message, delimiters) => ask(log, { kind: 'verp', message, delimiters }),
    warn: (message) => ask('defer', { kind: 'warn', message }),
    trace: (message) => ask('trace', { kind: 'trace', message }),
    one: (message, record, deleteRecipient = false) => ask('bounce', { kind: 'one', message, record, deleteRecipient }),
    close: () => {
      for (const client of clients.values()) client.close()
    },
  }
}
