/**
 * How far one delivery request has come: which recipients are done, which wait for
 * another server, and what is to be said of the rest.
 *
 * A temporary failure does not end a recipient while servers are left: it is
 * logged, and the recipient is kept for the next one.
 *
 * Source: smtp(8); RFC 5321 §5.1 (other servers), §4.5.4.1.
 */
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import type { Delivered, RecipientReport } from '#service/delivered.ts'
import type { DeadHop, DeliverReply, DeliverRequest } from '#service/deliver.ts'
import { log } from '#system/log.ts'
import { isSoft, type Failure, type ServerReply } from './failure.ts'
import type { Session } from './session.ts'

/** One recipient on its way: `open` until something is known in this session. */
export type Slot = { readonly recipient: EnvelopeRecipient; state: 'open' | 'keep' | 'done' }

/** What the progress of a request needs. */
export type ProgressTools = {
  readonly delivered: Delivered
  readonly softBounce: boolean
  /** A server that does not report deliveries itself is the last stop: the mail is delivered, not relayed. */
  readonly assumeFinal: boolean
  /** Whether log lines say which TLS was used. */
  readonly logTls: boolean
  /** The queue file, for marks. */
  readonly fd: number
}

/** The state of one request. */
export class Progress {
  readonly request: DeliverRequest
  /** Recipients that are not done. */
  left: Slot[]
  /** No server is tried after this one. */
  finalServer = false
  /** No destination is tried after this one. */
  finalNexthop = false
  /** A session came to its regular end, so the destination is alive whatever follows. */
  completeSession = false
  /** The failure that counts when no server is left. */
  why: Failure | undefined
  /** `tls=` while there is no session. */
  tls: string | undefined
  session: Session | undefined
  setupDone: number | undefined
  done: number | undefined
  readonly #tools: ProgressTools
  readonly #handoff: number
  readonly #pending: Promise<boolean>[] = []
  #stays = false
  #hop: DeadHop | undefined

  /** @param handoff When the request arrived, milliseconds since 1970. */
  constructor(request: DeliverRequest, handoff: number, tools: ProgressTools) {
    this.request = request
    this.#handoff = request.deliveryStart ?? handoff
    this.#tools = tools
    this.left = request.recipients.map((recipient) => ({ recipient, state: 'open' }))
  }

  /** Recipients that nothing is known of in this session. */
  get open(): Slot[] {
    return this.left.filter(({ state }) => state === 'open')
  }

  /** Whether this failure leaves the recipients to another server. */
  isKept(failure: Failure): boolean {
    return !this.finalServer && (isSoft(failure) || this.#tools.softBounce)
  }

  /**
   * Ends, or keeps, all open recipients.
   *
   * @param throttle The destination as a whole is in trouble, not this message.
   */
  fail(failure: Failure, throttle: boolean): void {
    this.why = failure
    if (this.isKept(failure)) {
      this.#logKept(failure)
      for (const slot of this.open) slot.state = 'keep'
    } else {
      const now = Date.now()
      this.setupDone ??= now
      this.done = now
      for (const slot of this.open) this.#end(slot, failure, throttle)
    }
    if (throttle && this.session !== undefined) this.session.tainted = true
  }

  /** Ends, or keeps, one recipient. */
  failRecipient(slot: Slot, failure: Failure): void {
    this.why = failure
    if (this.isKept(failure)) {
      this.#logKept(failure)
      slot.state = 'keep'
    } else {
      this.#end(slot, failure, false)
    }
  }

  /** One recipient is served. */
  succeed(slot: Slot, reply: ServerReply, dsn = reply.dsn): void {
    slot.state = 'done'
    const { session } = this
    const reports = session?.capabilities.dsn === true
    const report: RecipientReport = {
      ...this.#report(dsn, reply.text), action: this.#tools.assumeFinal && !reports ? 'delivered' : 'relayed',
      successReportedElsewhere: reports,
      diagType: 'smtp', diagText: reply.text,
      ...(session === undefined ? {} : { mtaType: 'dns', mtaName: session.host }),
    }
    this.#note(this.#tools.delivered.sent(this.request, slot.recipient, report, this.#tools.fd))
  }

  /** Ends a session: who was kept is open again, for the next server. */
  endSession(): void {
    this.left = this.left.filter(({ state }) => state !== 'done')
    for (const slot of this.left) slot.state = 'open'
    this.session = undefined
    this.setupDone = undefined
    this.done = undefined
  }

  /** The answer to the request, once everything about every recipient is on record. */
  async reply(): Promise<DeliverReply> {
    for (const stays of await Promise.all(this.#pending)) this.#stays ||= stays
    log.flush()
    return { status: this.#stays ? -1 : 0, ...(this.#hop === undefined ? {} : { hop: this.#hop }) }
  }

  /** Resolves when nothing will be marked any more: only then may the queue file be closed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#pending)
  }

  #end(slot: Slot, failure: Failure, throttle: boolean): void {
    slot.state = 'done'
    const report: RecipientReport = {
      ...this.#report(failure.dsn, failure.reason),
      ...(failure.diagnostic === undefined ? {} : { diagType: 'smtp', diagText: failure.diagnostic }),
      ...(failure.mta === undefined ? {} : { mtaType: 'dns', mtaName: failure.mta }),
    }
    const { delivered, fd } = this.#tools
    const stays = isSoft(failure)
      ? delivered.deferred(this.request, slot.recipient, report, fd)
      : delivered.bounced(this.request, slot.recipient, report, fd)
    this.#note(throttle && !this.completeSession ? stays.then((stay) => this.#deadHop(stay, failure)) : stays)
  }

  #deadHop(stays: boolean, failure: Failure): boolean {
    if (stays) {
      this.#hop ??= {
        status: failure.dsn, reason: failure.reason,
        ...(failure.diagnostic === undefined ? {} : { diagType: 'smtp', diagText: failure.diagnostic }),
        ...(failure.mta === undefined ? {} : { mtaType: 'dns', mtaName: failure.mta }),
      }
    }
    return stays
  }

  #report(status: string, reason: string): RecipientReport {
    const { session } = this
    const tls = this.#tools.logTls ? session?.tlsStatus ?? this.tls : undefined
    return {
      status, reason, relay: session?.relay ?? 'none', handoff: this.#handoff,
      ...(session === undefined ? {} : { connectionUse: session.uses }),
      ...(tls === undefined ? {} : { tls }),
      ...(this.setupDone === undefined ? {} : { setupDone: this.setupDone }),
      ...(this.done === undefined ? {} : { done: this.done }),
    }
  }

  #note(stays: boolean | Promise<boolean>): void {
    if (typeof stays === 'boolean') this.#stays ||= stays
    else this.#pending.push(stays)
  }

  #logKept(failure: Failure): void {
    const { queueId } = this.request
    log.info(`${queueId}: ${failure.reason}`, { queue_id: queueId })
  }
}
