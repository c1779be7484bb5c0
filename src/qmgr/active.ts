/**
 * The active queue: messages that are being delivered, from the moment their file is renamed to `active/`
 * until it is deferred, removed or found damaged.
 *
 * A message is loaded (envelope read, recipients routed, entries given to the scheduler), its entries end one
 * by one, and when the last has ended the message is finished: bounce, next batch of recipients, trace report,
 * expiry, delay warning, and then removal or deferral, in this order.
 *
 * Reads, writes: active/, and moves files between incoming/, active/, deferred/ and corrupt/ (queue/moves.ts).
 * Diagnostics: a damaged file is kept in corrupt/ with a warning; a file that is gone was taken by postsuper.
 *
 * @module
 */
import { externalAddress } from '#mail/address.ts'
import { errnoText } from '#system/errno.ts'
import type { Clock } from '#system/clock.ts'
import type { Logger } from '#system/log.ts'
import type { Envelope, EnvelopeRecipient } from '#queue/envelope.ts'
import { removeLog } from '#queue/logs.ts'
import type { SpareKeeper } from '#queue/spare.ts'
import { moveFile, stampFile, type QueueId, type Spool } from '#queue/spool.ts'
import type { ActiveMessage, NoticeTools } from './active-message.ts'
import { hasLog, isWhole, loadFile, markWarned, unfinishedRecipients } from './active-file.ts'
import { isExpired, isWarningDue, nextAttempt, type Backoff, type Lifetimes } from './lifetime.ts'
import { Removals } from './removals.ts'
import { routeRecipients, type RouteTools } from './route.ts'
import type { Entry, Reason, Scheduler } from './scheduler.ts'

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

export type { ActiveMessage, NoticeTools } from './active-message.ts'

type Loaded = { readonly envelope: Envelope; readonly forceExpired: boolean }

const STILL_DELIVERED_WAIT_SECONDS = 60

/** See the module header. */
export class ActiveQueue {
  readonly #tools: ActiveTools
  readonly #messages = new Map<QueueId, ActiveMessage>()
  readonly #removals: Removals
  /** Messages whose entries have all ended, while notices about them are made. */
  readonly #finishing = new Set<Promise<void>>()
  /** Files that could not be moved to deferred/, and the times of their next attempts. */
  readonly #stranded = new Map<QueueId, number>()
  #abandoned = false

  constructor(tools: ActiveTools) {
    this.#tools = tools
    this.#removals = new Removals(tools)
  }

  /** Messages in the active queue, those included whose files are being removed. */
  get size(): number {
    return this.#messages.size + this.#removals.size
  }

  /** Resolves when no message is being finished or removed any more. */
  async settled(): Promise<void> {
    while (this.#finishing.size + this.#removals.size > 0) await Promise.all([...this.#finishing, this.#removals.settled()])
  }

  /** Another queue manager takes over active/: no further file is touched. Resolves when those under way are removed. */
  async abandon(): Promise<void> {
    this.#abandoned = true
    await this.#removals.settled()
  }

  /** Tries again to move what could not be moved to deferred/; called now and then, as nobody else would look for it. */
  retryStranded(): void {
    for (const [id, wakeAt] of this.#stranded) this.#park(id, wakeAt)
  }

  has(id: QueueId): boolean {
    return this.#messages.has(id)
  }

  /** Removes the file of a message that an earlier queue manager was about to remove. False: it is to be delivered. */
  finishRemoval(id: QueueId): boolean {
    return this.#removals.finish(id)
  }

  /** Whether somebody here sees to the file: it is in memory, being removed, or waits to be moved to deferred/. */
  owns(id: QueueId): boolean {
    return this.#messages.has(id) || this.#removals.has(id) || this.#stranded.has(id)
  }

  /**
   * Messages of which nothing is under way: no entry in `atWork`, no routing, no notice. There are none, unless a
   * program is wrong; see auditor.ts.
   */
  withoutWork(atWork: ReadonlySet<ActiveMessage>): ActiveMessage[] {
    return [...this.#messages.values()].filter((message) => message.steps === 0 && !atWork.has(message))
  }

  /** Gives up what was thought to be under way: the file waits for its next attempt like any other. */
  release(message: ActiveMessage): void {
    this.#defer(message)
  }

  /**
   * Takes a message into the active queue and schedules its recipients.
   *
   * @returns False when the file is gone, not ready or damaged: then there is nothing to wait for.
   */
  async activate(id: QueueId, from: 'incoming' | 'deferred'): Promise<boolean> {
    const { spool, clock } = this.#tools
    if (this.#messages.has(id) || !moveFile(spool, id, from, 'active')) return false
    const loaded = this.#loadOrPark(id)
    if (!loaded) return false
    const message: ActiveMessage = {
      id, envelope: loaded.envelope, forceExpired: loaded.forceExpired, activeAtMs: clock.now(),
      pending: 0, steps: 0, left: false, repeated: false,
    }
    this.#messages.set(id, message)
    this.#logActive(message)
    message.steps += 1
    try {
      await this.#begin(message)
    } catch (error) {
      this.#cannot('start', message, error)
    } finally {
      message.steps -= 1
    }
    return true
  }

  async #begin(message: ActiveMessage): Promise<void> {
    const { spool } = this.#tools
    if (message.forceExpired && hasLog(spool, 'defer', message.id)) {
      message.left = true
      await this.#finishSoon(message)
      return
    }
    removeLog(spool, 'defer', message.id)
    await this.#schedule(message)
  }

  /** One entry has ended. `left`: some of its recipients stay in the queue. */
  entryDone(message: ActiveMessage, left: boolean): void {
    message.left ||= left
    message.pending -= 1
    if (message.pending === 0) void this.#finishSoon(message)
  }

  /**
   * Sends entries that nobody will try soon to the retry service, which reports the reason for each recipient.
   * Recipients that an agent has already marked as done are left out.
   */
  suspend(entries: readonly Entry<ActiveMessage>[], reason: Reason): void {
    const { scheduler, settings, wake } = this.#tools
    const nexthop = `${reason.status} ${reason.text}`
    for (const { message, recipients } of entries) {
      const open = this.#openOf(message, recipients)
      if (open.length > 0) {
        message.pending += scheduler.add(message, settings.retryTransport, nexthop, nexthop, open)
      }
      this.entryDone(message, open.length > 0)
    }
    wake()
  }

  /** All, where that can't be read: a recipient too many is found done by the next attempt. */
  #openOf(message: ActiveMessage, recipients: EnvelopeRecipient[]): EnvelopeRecipient[] {
    try {
      return this.unfinished(message, recipients)
    } catch (error) {
      this.#tools.log.warning(`${message.id}: cannot read its recipients: ${errnoText(error)}`)
      return recipients
    }
  }

  /** The recipients whose record in the queue file still says "to do". */
  unfinished(message: ActiveMessage, recipients: readonly EnvelopeRecipient[]): EnvelopeRecipient[] {
    return unfinishedRecipients(this.#tools.spool, message.id, recipients)
  }

  /** A file that can't be read now must not stay in active/, where nobody looks for it. */
  #loadOrPark(id: QueueId): Loaded | undefined {
    const { clock, log, settings } = this.#tools
    try {
      return this.#load(id)
    } catch (error) {
      log.warning(`open active ${id}: ${errnoText(error)}`)
      this.#park(id, Math.trunc(clock.now() / 1000) + settings.backoff.minimal)
      return undefined
    }
  }

  /** Reads the envelope, or its next recipients; undefined when the message can't be delivered now. */
  #load(id: QueueId, before?: Envelope): Loaded | undefined {
    const { spool, log, scheduler, settings } = this.#tools
    const loaded = loadFile({ spool, log, recipientsAtOnce: settings.recipientsAtOnce }, id, before)
    switch (loaded.kind) {
      case 'gone': return undefined
      case 'locked': return this.#skipLocked(id)
      case 'damaged': return this.#corrupt(id)
      case 'loaded':
        // `postqueue -i`: what is dead is tried again, once.
        if (loaded.flush) scheduler.revive()
        return loaded
      default: return loaded satisfies never
    }
  }

  #skipLocked(id: QueueId): undefined {
    const { spool, clock, log } = this.#tools
    log.info(`${id}: skipped, still being delivered`, { queue_id: id })
    const wakeAt = Math.trunc(clock.now() / 1000) + STILL_DELIVERED_WAIT_SECONDS
    stampFile(spool, 'active', id, wakeAt)
    moveFile(spool, id, 'active', 'incoming')
    return undefined
  }

  #corrupt(id: QueueId): undefined {
    const { spool, log } = this.#tools
    log.warning(`saving corrupt file "${id}" from queue "active" to queue "corrupt"`, { queue_id: id })
    moveFile(spool, id, 'active', 'corrupt')
    this.#messages.delete(id)
    return undefined
  }

  #logActive({ id, envelope }: ActiveMessage): void {
    const size = envelope.contentLength > 0 ? envelope.contentLength : envelope.contentSize
    const sender = externalAddress(envelope.sender)
    const fields = { queue_id: id, from: sender, size, nrcpt: envelope.recipientCount }
    this.#tools.log.info(
      `${id}: from=<${sender}>, size=${size}, nrcpt=${envelope.recipientCount} (queue active)`, fields,
    )
  }

  /** Routes the recipients just read and hands them to the scheduler. */
  async #schedule(message: ActiveMessage): Promise<void> {
    const { scheduler, wake } = this.#tools
    // While routing waits for a table, the message must not look finished.
    message.pending += 1
    let left = false
    try {
      for (const group of await this.#groups(message)) {
        message.pending += scheduler.add(message, group.transport, group.key, group.nexthop, group.recipients)
      }
    } catch (error) {
      this.#tools.log.warning(`${message.id}: cannot route: ${errnoText(error)}`)
      left = true
    }
    this.entryDone(message, left)
    wake()
  }

  async #groups(message: ActiveMessage): ReturnType<typeof routeRecipients> {
    const { routeTools, settings } = this.#tools
    const { recipients } = message.envelope
    if (!message.forceExpired) return routeRecipients(message.envelope, routeTools(message))
    const nexthop = '4.3.0 message is administratively expired'
    return [{ transport: settings.retryTransport, nexthop, key: nexthop, recipients }]
  }

  /** Never rejects. */
  #finishSoon(message: ActiveMessage): Promise<void> {
    message.steps += 1
    const finishing = this.#finish(message)
      .catch((error: unknown) => this.#cannot('finish', message, error))
      .finally(() => {
        message.steps -= 1
        this.#finishing.delete(finishing)
      })
    this.#finishing.add(finishing)
    return finishing
  }

  #cannot(what: 'start' | 'finish', message: ActiveMessage, error: unknown): void {
    this.#tools.log.warning(`${message.id}: cannot ${what}: ${errnoText(error)}`)
    this.#defer(message)
  }

  async #finish(message: ActiveMessage): Promise<void> {
    const { id } = message
    const { spool } = this.#tools
    if (hasLog(spool, 'bounce', id) && !(await this.#notice(message, 'bounce', 'bounce failed'))) return
    if (message.left && !isWhole(spool, id)) {
      this.#corrupt(id)
      return
    }
    if (message.envelope.more !== undefined) {
      if (this.#loadMore(message)) await this.#schedule(message)
      return
    }
    if (hasLog(spool, 'trace', id) && !(await this.#notice(message, 'trace', 'trace failed'))) return
    if (message.left && (await this.#expireOrWarn(message)) === 'stays') this.#defer(message)
    else if (this.#messages.has(id)) this.#remove(message)
  }

  async #expireOrWarn(message: ActiveMessage): Promise<'stays' | 'done'> {
    const { clock, log, settings } = this.#tools
    const { envelope, id } = message
    const now = clock.now() / 1000
    if (message.forceExpired || isExpired(now, envelope.createTime, envelope.sender, settings.lifetimes)) {
      const status = message.forceExpired ? 'force-expired' : 'expired'
      const from = externalAddress(envelope.sender)
      log.info(`${id}: from=<${from}>, status=${status}, returned to sender`, { queue_id: id, from, status })
      await this.#notice(message, 'expire', 'bounce failed')
      return 'done'
    }
    if (envelope.warnTime !== undefined && isWarningDue(now, envelope.warnTime)) {
      if (!(await this.#notice(message, 'warn', 'delay warning failed'))) return 'done'
      markWarned(this.#tools.spool, id, envelope)
    }
    return 'stays'
  }

  /** Asks for a notice; when that fails the message is deferred as it is, and false is returned. */
  async #notice(message: ActiveMessage, kind: keyof NoticeTools, failure: string): Promise<boolean> {
    try {
      await this.#tools.notices[kind](message)
      return true
    } catch {
      this.#tools.log.info(`${message.id}: status=deferred (${failure})`, { queue_id: message.id, status: 'deferred' })
      this.#defer(message)
      return false
    }
  }

  #loadMore(message: ActiveMessage): boolean {
    const loaded = this.#load(message.id, message.envelope)
    if (!loaded) {
      this.#messages.delete(message.id)
      return false
    }
    message.envelope = loaded.envelope
    return true
  }

  /** The file, unchanged, goes to `deferred/` with the time of the next attempt as its time stamp. */
  #defer({ id, envelope }: ActiveMessage): void {
    const { clock, settings } = this.#tools
    if (!this.#messages.delete(id)) return
    this.#park(id, nextAttempt(Math.trunc(clock.now() / 1000), envelope.createTime, settings.backoff))
  }

  #park(id: QueueId, wakeAt: number): void {
    const { spool, log } = this.#tools
    if (this.#abandoned) return
    try {
      // Time stamp first: after a crash between the two steps qmgr finds the file in active/.
      if (stampFile(spool, 'active', id, wakeAt)) moveFile(spool, id, 'active', 'deferred')
      this.#stranded.delete(id)
    } catch (error) {
      log.warning(`${id}: defer: ${errnoText(error)}`, { queue_id: id })
      this.#stranded.set(id, wakeAt)
    }
  }

  /** The id is free for a new message as soon as the file is gone, so it is forgotten first. */
  #remove(message: ActiveMessage): void {
    if (this.#abandoned) return
    this.#messages.delete(message.id)
    this.#removals.remove(message)
  }
}
