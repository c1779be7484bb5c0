/**
 * Hands entries to delivery agents and reads their verdict on the destination.
 *
 * Each transport is a service below private/ that answers many requests at once; how many it carries out at
 * a time is its process limit in master.cf. An agent that ends in the middle (reload, crash) may have delivered
 * to some recipients: those it marked are not tried again.
 *
 * @module
 */
import { availableParallelism } from 'node:os'
import { verpAddress } from '#mail/verp.ts'
import type { Logger } from '#system/log.ts'
import { ConversationError, openClient, type Client } from '#service/conversation.ts'
import { isDeliverReply, type DeliverReply, type DeliverRequest } from '#service/deliver.ts'
import type { Envelope, EnvelopeRecipient } from '#queue/envelope.ts'
import type { ActiveMessage } from './active-message.ts'
import type { Assignment, Outcome } from './scheduler.ts'

/** The end of one delivery: for the scheduler, and for the message. */
export type Delivered = { readonly outcome: Outcome; readonly left: boolean }

/** Connections to one service: with several processes behind it, each gets its share; requests of one turn share a write. */
const CONNECTIONS_MAX = 2 * availableParallelism()
const SEE_LOG = '-- see a previous warning/fatal/panic logfile record for the problem description'
/** RFC 3463 §3.4 "other or undefined mail system status": nobody answers, or nobody finished. */
const UNAVAILABLE = { status: '4.3.0', text: 'mail transport unavailable' }
const TRANSPORT_DEAD = { status: '4.3.0', text: 'unknown mail transport error' }

/** What handing entries to agents needs. */
export type AgentsTools = {
  readonly log: Logger
  /** Recipients of an entry whose record is still open. */
  readonly unfinished: (message: ActiveMessage, recipients: readonly EnvelopeRecipient[]) => EnvelopeRecipient[]
  /** Senders that were told of a delay are told of its end. */
  readonly confirmDelayCleared: boolean
}

/** Clients of the delivery services, opened as they are needed. */
export class Agents {
  readonly #clients = new Map<string, Client<DeliverRequest, DeliverReply>>()
  readonly #log: Logger
  readonly #confirmDelayCleared: boolean
  readonly #unfinished: (message: ActiveMessage, recipients: readonly EnvelopeRecipient[]) => EnvelopeRecipient[]

  constructor(tools: AgentsTools) {
    this.#log = tools.log
    this.#unfinished = tools.unfinished
    this.#confirmDelayCleared = tools.confirmDelayCleared
  }

  /** Delivers one entry; never rejects. */
  async deliver(assignment: Assignment<ActiveMessage>): Promise<Delivered> {
    const { transport, message, recipients } = assignment.entry
    const client = this.#client(transport)
    try {
      return verdict(await client.request(this.#request(assignment, recipients)))
    } catch (error) {
      if (!(error instanceof ConversationError)) throw error
      if (error.problem !== 'lost') return this.#dead(transport, error)
      // A worker that ends after a reload closes its connections; a second loss in a row is a crash.
      const open = this.#unfinished(message, recipients)
      if (open.length === 0) return { outcome: { kind: 'reached' }, left: false }
      return this.#again(assignment, open)
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
  }

  async #again(assignment: Assignment<ActiveMessage>, open: EnvelopeRecipient[]): Promise<Delivered> {
    const { transport, message } = assignment.entry
    message.repeated = true
    try {
      return verdict(await this.#client(transport).request(this.#request(assignment, open)))
    } catch (error) {
      return this.#dead(transport, error)
    }
  }

  #dead(transport: string, error: unknown): Delivered {
    const absent = error instanceof ConversationError && error.problem === 'absent'
    this.#log.warning(absent
      ? `connect to transport private/${transport}: ${error.reason}`
      : `transport ${transport} failure ${SEE_LOG}`)
    this.#log.debug(error instanceof ConversationError ? error.message : String(error))
    return { outcome: { kind: 'transport-failed', reason: absent ? UNAVAILABLE : TRANSPORT_DEAD }, left: true }
  }

  #request(assignment: Assignment<ActiveMessage>, recipients: EnvelopeRecipient[]): DeliverRequest {
    const request = deliverRequest(assignment, recipients)
    const { warnTime } = assignment.entry.message.envelope
    // A warning time below zero says that the warning was sent.
    if (!this.#confirmDelayCleared || warnTime === undefined || warnTime >= 0) return request
    return { ...request, flags: { ...request.flags, delayWarned: true } }
  }

  #client(transport: string): Client<DeliverRequest, DeliverReply> {
    let client = this.#clients.get(transport)
    if (!client) {
      client = openClient(`private/${transport}`, isDeliverReply, { connections: CONNECTIONS_MAX })
      this.#clients.set(transport, client)
    }
    return client
  }
}

function verdict(reply: DeliverReply): Delivered {
  const left = reply.status !== 0
  if (!reply.hop) return { outcome: { kind: 'reached' }, left }
  return { outcome: { kind: 'hop-failed', reason: { status: reply.hop.status, text: reply.hop.reason } }, left }
}

const TRACE_VERIFY = 256
const TRACE_USER_VERIFY = 512
const TRACE_RECORD = 1024

function deliverRequest({ entry, store }: Assignment<ActiveMessage>, recipients: EnvelopeRecipient[]): DeliverRequest {
  const { message, nexthop } = entry
  const { envelope } = message
  const attribute = (name: string): string => envelope.attributes.get(name) ?? ''
  return {
    queueName: 'active', queueId: message.id, nexthop, recipients,
    dataOffset: envelope.dataOffset, contentSize: envelope.contentSize, contentLength: envelope.contentLength,
    sendOptions: envelope.sendOptions, sender: senderFor(envelope, recipients), encoding: envelope.encoding,
    envelopeId: envelope.envelopeId, retFlags: envelope.retFlags, rewriteContext: envelope.rewriteContext,
    flags: {
      trace: (envelope.traceFlags & TRACE_RECORD) !== 0, verify: (envelope.traceFlags & TRACE_VERIFY) !== 0,
      userVerify: (envelope.traceFlags & TRACE_USER_VERIFY) !== 0, connLoad: true, connStore: store,
    },
    arrival: envelope.arrival, activeArrival: message.activeAtMs, deliveryStart: Date.now(),
    clientName: attribute('log_client_name'), clientAddress: attribute('log_client_address'),
    clientPort: attribute('log_client_port'), heloName: attribute('log_helo_name'),
    protocolName: attribute('log_protocol_name'), saslMethod: attribute('sasl_method'),
    saslUsername: attribute('sasl_username'), saslSender: attribute('sasl_sender'), logIdent: attribute('log_ident'),
  }
}

/** With VERP the sender names the recipient, who travels alone. */
function senderFor({ sender, verp }: Envelope, recipients: readonly EnvelopeRecipient[]): string {
  const [recipient] = recipients
  if (verp === undefined || recipient === undefined) return sender
  return verpAddress(sender, recipient.original || recipient.address, verp)
}
