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
import { errnoText } from '#system/errno.ts'
import type { Envelope, EnvelopeRecipient } from '#queue/envelope.ts'
import { removeLog } from '#queue/logs.ts'
import { unfinishedRecipients } from '#queue/mark.ts'
import { moveFile, type QueueId } from '#queue/spool.ts'
import { logActive, parties, type ActiveMessage, type NoticeTools } from './active-message.ts'
import { hasLog, isWhole, loadFile, openRecipients } from './active-file.ts'
import type { ActiveTools } from './active-tools.ts'
import { expireOrWarn, type EndingTools } from './ending.ts'
import { Parking } from './parking.ts'
import { Removals } from './removals.ts'
import { routeRecipients } from './route.ts'
import type { Entry, Reason } from './destinations.ts'

export type { ActiveMessage, NoticeTools } from './active-message.ts'

type Loaded = { readonly envelope: Envelope; readonly forceExpired: boolean }

/** See the module header. */
export class ActiveQueue {
  readonly #tools: ActiveTools
  readonly #messages = new Map<QueueId, ActiveMessage>()
  readonly #removals: Removals
  readonly #parking: Parking
  readonly #ending: EndingTools
  /** Messages whose entries have all ended, while notices about them are made. */
  readonly #finishing = new Set<Promise<void>>()
  #abandoned = false

  constructor(tools: ActiveTools) {
    this.#tools = tools
    const { spool, clock, log, settings } = tools
    this.#removals = new Removals(tools)
    this.#parking = new Parking({ spool, clock, log, backoff: settings.backoff })
    this.#ending = { spool, clock, log, lifetimes: settings.lifetimes, notice: (...request) => this.#notice(...request) }
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
    this.#parking.abandon()
    await this.#removals.settled()
  }

  /** Tries again to move what could not be moved to deferred/; called now and then, as nobody else would look for it. */
  retryStranded(): void {
    this.#parking.retryStranded()
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
    return this.#messages.has(id) || this.#removals.has(id) || this.#parking.has(id)
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
    logActive(message, this.#tools.log)
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
    const { spool, log, scheduler, settings, wake } = this.#tools
    const nexthop = `${reason.status} ${reason.text}`
    for (const { message, recipients } of entries) {
      const open = openRecipients(spool, log, message.id, recipients)
      if (open.length > 0) {
        message.pending += scheduler.add(message, settings.retryTransport, nexthop, nexthop, open)
      }
      this.entryDone(message, open.length > 0)
    }
    wake()
  }

  /** The recipients whose record in the queue file still says "to do". */
  unfinished(message: ActiveMessage, recipients: readonly EnvelopeRecipient[]): EnvelopeRecipient[] {
    return unfinishedRecipients(this.#tools.spool, message.id, recipients)
  }

  /** A file that can't be read now must not stay in active/, where nobody looks for it. */
  #loadOrPark(id: QueueId): Loaded | undefined {
    try {
      return this.#load(id)
    } catch (error) {
      this.#tools.log.warning(`open active ${id}: ${errnoText(error)}`)
      this.#parking.deferUnread(id)
      return undefined
    }
  }

  /** Reads the envelope, or its next recipients; undefined when the message can't be delivered now. */
  #load(id: QueueId, before?: Envelope): Loaded | undefined {
    const { spool, log, scheduler, settings } = this.#tools
    const loaded = loadFile({ spool, log, recipientsAtOnce: settings.recipientsAtOnce }, id, before)
    switch (loaded.kind) {
      case 'gone': return undefined
      case 'locked':
        this.#parking.skipLocked(id)
        return undefined
      case 'damaged':
        this.#corrupt(id)
        return undefined
      case 'loaded':
        // `postqueue -i`: what is dead is tried again, once.
        if (loaded.flush) scheduler.revive()
        return loaded
      default: return loaded satisfies never
    }
  }

  #corrupt(id: QueueId): void {
    this.#parking.corrupt(id)
    this.#messages.delete(id)
  }

  /** Routes the recipients just read and hands them to the scheduler. */
  async #schedule(message: ActiveMessage): Promise<void> {
    const { scheduler, wake } = this.#tools
    // While routing waits for a table, the message must not look finished.
    message.pending += 1
    let left = false
    try {
      for (const { transport, key, nexthop, recipients } of await this.#groups(message)) {
        for (const together of parties(message, recipients)) {
          message.pending += scheduler.add(message, transport, key, nexthop, together)
        }
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
    if (message.left && (await expireOrWarn(message, this.#ending)) === 'stays') this.#defer(message)
    else if (this.#messages.has(id)) this.#remove(message)
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

  #defer({ id, envelope }: ActiveMessage): void {
    if (this.#messages.delete(id)) this.#parking.defer(id, envelope.createTime)
  }

  /** The id is free for a new message as soon as the file is gone, so it is forgotten first. */
  #remove(message: ActiveMessage): void {
    if (this.#abandoned) return
    this.#messages.delete(message.id)
    this.#removals.remove(message)
  }
}
