/**
 * The queue manager without its sockets: intake, active queue, scheduler and agents put together.
 *
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Config } from '#config/config.ts'
import { monotonicClock, systemClock, type Clock } from '#system/clock.ts'
import { log } from '#system/log.ts'
import { othersUseJournal } from '#queue/journal/folder.ts'
import { adoptOrphans } from '#queue/journal/recover.ts'
import { journalOf, type JournalWriter } from '#queue/journal/writer.ts'
import { SpareKeeper } from '#queue/spare.ts'
import { moveFile, openSpool, scanQueue, stampFile, type QueueId, type Spool } from '#queue/spool.ts'
import { openRouter, type Router } from '#rewrite/resolve.ts'
import { openBounceClient, type BounceClient } from '#service/bounce-client.ts'
import { ActiveQueue, type ActiveMessage } from './active.ts'
import { Agents } from './agents.ts'
import { auditTools, type Flights } from './audit-tools.ts'
import { Auditor } from './auditor.ts'
import type { TransportRules } from './destinations.ts'
import { Intake } from './intake.ts'
import { noticeTools } from './notices.ts'
import { RETRY_TRANSPORT, routeToolsFor } from './route-tools.ts'
import { transportRules } from './rules.ts'
import { Scheduler, type Assignment, type Outcome } from './scheduler.ts'

/** How often dead destinations are looked at. */
const EXPIRE_DEAD_EVERY_MS = 10_000
/** How often the journal is searched for segments of workers that have ended. */
const ADOPT_EVERY_MS = 60_000
/** How often kept files that nobody takes are looked for. */
const SWEEP_EVERY_MS = 10_000
/** How often the auditor looks at the queue. */
const AUDIT_EVERY_MS = 60_000
/** How long deliveries under way may hold up the next queue manager, or the end of the mail system (4 seconds). */
const STOP_WAIT_MS = 3000

/** See the module header; `start()` begins the first scans. */
export class QueueManager {
  readonly #config: Config
  readonly #spool: Spool
  readonly #spares: SpareKeeper
  readonly #clock: Clock
  /** Waits of destinations and deliveries: no dead destination stays dead because the time of day was set back. */
  readonly #ticks: Clock
  readonly #rules: (transport: string) => TransportRules
  readonly #scheduler: Scheduler<ActiveMessage>
  readonly #active: ActiveQueue
  readonly #agents: Agents
  readonly #intake: Intake
  readonly #auditor: Auditor
  readonly #flights: Flights = new Map()
  readonly #router: Router
  readonly #bounces: BounceClient
  readonly #journal: JournalWriter
  /** Segments of ended processes are dealt with. */
  #adopted: Promise<void> = Promise.resolve()
  #flushing = false
  #woken = false
  #inFlight = 0
  #stopped = false
  #abandoned = false
  #wakeTimer: NodeJS.Timeout | undefined
  readonly #timers: NodeJS.Timeout[] = []
  #idle: (() => void) | undefined

  constructor(config: Config, clock: Clock = systemClock, ticks: Clock = monotonicClock) {
    this.#config = config
    this.#clock = clock
    this.#ticks = ticks
    this.#spool = openSpool(config, '.')
    this.#spares = new SpareKeeper(this.#spool, config.str('queue_commit') === 'journal')
    this.#router = openRouter(config)
    this.#bounces = openBounceClient(config)
    this.#journal = journalOf(this.#spool)
    this.#rules = transportRules(config)
    this.#scheduler = new Scheduler(this.#rules)
    this.#active = this.#openActive()
    this.#agents = new Agents({
      log, confirmDelayCleared: config.bool('confirm_delay_cleared'),
      unfinished: (message, recipients) => this.#active.unfinished(message, recipients),
    })
    this.#intake = new Intake({
      spool: this.#spool, log, now: () => clock.now(),
      activeSize: () => this.#active.size, activeLimit: config.int('qmgr_message_active_limit'),
      activate: (id, from) => this.#active.activate(id, from),
    })
    this.#auditor = this.#openAuditor()
  }

  /** Takes up what an earlier queue manager left in active/, then scans both queues. */
  start(): void {
    const now = Math.trunc(this.#clock.now() / 1000)
    for (const id of scanQueue(this.#spool, 'active')) {
      if (this.#active.finishRemoval(id)) continue
      stampFile(this.#spool, 'active', id, now)
      moveFile(this.#spool, id, 'active', 'incoming')
    }
    this.#intake.scan('incoming')
    this.#intake.scan('deferred')
    const every = (ms: number, work: () => void): void => void this.#timers.push(setInterval(work, ms))
    every(this.#config.time('queue_run_delay') * 1000, () => {
      this.#flushing = false
      this.#intake.scan('deferred')
    })
    every(EXPIRE_DEAD_EVERY_MS, () => {
      this.#scheduler.expire(this.#ticks.now())
      this.#active.retryStranded()
      this.#wake()
    })
    every(SWEEP_EVERY_MS, () => this.#spares.sweep())
    every(AUDIT_EVERY_MS, () => void this.#auditor.round())
    // At once too: a predecessor that was killed may not have said what it removed last.
    this.#adopt(true)
    every(ADOPT_EVERY_MS, () => this.#adopt(false))
  }

  #adopt(isStart: boolean): void {
    this.#adopted = adoptOrphans(this.#spool, isStart).catch((error: unknown) => log.warning(`intake journal: ${String(error)}`))
  }

  async #closeJournal(): Promise<void> {
    await this.#adopted
    await this.#journal.close()
  }

  /** Receivers say that these messages stand in incoming/. */
  announce(ids: readonly QueueId[]): void {
    this.#intake.announce(ids)
  }

  /**
   * Carries out trigger bytes: W, I incoming scan; D deferred scan; F forget what is dead and let
   * defer_transports go; A look at messages before their time. Others are ignored, qmgr(8).
   */
  trigger(bytes: Uint8Array): void {
    const request = Buffer.from(bytes).toString('latin1')
    const ignoreTime = request.includes('A')
    if (request.includes('F')) {
      this.#flushing = true
      this.#scheduler.revive()
    }
    if (/[WI]/.test(request)) this.#intake.scan('incoming', ignoreTime)
    if (request.includes('D')) this.#intake.scan('deferred', ignoreTime)
    this.#wake()
  }

  /**
   * Takes in and starts nothing more; resolves when the deliveries under way have ended. Those that take long are left
   * to their agents, who finish and mark them, and hold locks so that the next queue manager waits with these messages.
   */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#intake.stop()
    this.#auditor.stop()
    for (const timer of this.#timers) clearInterval(timer)
    clearTimeout(this.#wakeTimer)
    const ended = await Promise.race([this.#workEnded(), wait(STOP_WAIT_MS, false, { ref: false })])
    if (!ended) return this.#letGo()
    this.#agents.close()
    this.#bounces.close()
    await this.#closeJournal()
  }

  async #workEnded(): Promise<true> {
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
    await this.#active.settled()
    return true
  }

  async #letGo(): Promise<void> {
    this.#abandoned = true
    await this.#active.abandon()
    await this.#closeJournal()
  }

  /**
   * Master is gone without a word: the next one starts a queue manager that takes over active/, so that this one may
   * not touch a message any more. What agents are at, they mark; only what was removed is still put on record.
   */
  async abandon(): Promise<void> {
    this.#stopped = true
    this.#intake.stop()
    this.#auditor.stop()
    for (const timer of this.#timers) clearInterval(timer)
    clearTimeout(this.#wakeTimer)
    await this.#letGo()
  }

  #openActive(): ActiveQueue {
    const config = this.#config
    const usesJournal = config.str('queue_commit') === 'journal'
    return new ActiveQueue({
      spool: this.#spool, spares: this.#spares, clock: this.#clock, log, scheduler: this.#scheduler,
      settings: {
        recipientsAtOnce: Math.min(config.int('qmgr_message_recipient_limit'), config.int('default_recipient_limit')),
        backoff: { minimal: config.time('minimal_backoff_time'), maximal: config.time('maximal_backoff_time') },
        lifetimes: { message: config.time('maximal_queue_lifetime'), bounce: config.time('bounce_queue_lifetime') },
        retryTransport: RETRY_TRANSPORT,
      },
      notices: noticeTools(this.#bounces, this.#spool, !config.bool('disable_verp_bounces')),
      routeTools: routeToolsFor({
        config, spool: this.#spool, clock: this.#clock, ticks: this.#ticks, router: this.#router, rules: this.#rules,
        scheduler: this.#scheduler, flushing: () => this.#flushing,
      }),
      wake: () => this.#wake(),
      removed: (id, createSeconds) => {
        if (usesJournal || othersUseJournal(this.#spool)) this.#journal.done(id, createSeconds)
      },
    })
  }

  #openAuditor(): Auditor {
    return new Auditor(auditTools({
      config: this.#config, spool: this.#spool, clock: this.#clock, ticks: this.#ticks, active: this.#active, intake: this.#intake,
      scheduler: this.#scheduler, flights: this.#flights, stopped: () => this.#stopped,
      giveUp: (assignment) => this.#landed(assignment, () => this.#failed(assignment, new Error('its agent is silent'))),
    }))
  }

  /** A delivery has ended, one way or the other; only the first end counts. */
  #landed(assignment: Assignment<ActiveMessage>, end: () => void): void {
    if (!this.#flights.delete(assignment)) return
    end()
    this.#inFlight -= 1
    this.#wake()
    if (this.#stopped && this.#inFlight === 0) this.#idle?.()
  }

  /** Starts what may start, once at the end of this turn of the loop. */
  #wake(): void {
    if (this.#woken || this.#stopped) return
    this.#woken = true
    queueMicrotask(() => {
      this.#woken = false
      this.#startDeliveries()
      this.#intake.poke()
    })
  }

  #startDeliveries(): void {
    if (this.#stopped) return
    const now = this.#ticks.now()
    for (const transport of this.#scheduler.waitingTransports()) {
      for (let next = this.#scheduler.next(transport, now); next; next = this.#scheduler.next(transport, now)) {
        this.#deliver(next)
      }
    }
    this.#sleepUntil(this.#scheduler.nextWake(now), now)
  }

  #sleepUntil(wakeAt: number | undefined, now: number): void {
    clearTimeout(this.#wakeTimer)
    if (wakeAt !== undefined) this.#wakeTimer = setTimeout(() => this.#wake(), wakeAt - now)
  }

  #deliver(assignment: Assignment<ActiveMessage>): void {
    this.#inFlight += 1
    this.#flights.set(assignment, this.#ticks.now())
    this.#agents.deliver(assignment).then(
      ({ outcome, left }) => this.#landed(assignment, () => this.#ended(assignment, outcome, left)),
      (error: unknown) => this.#landed(assignment, () => this.#failed(assignment, error)),
    )
  }

  #ended(assignment: Assignment<ActiveMessage>, outcome: Outcome, left: boolean): void {
    if (this.#abandoned) return
    const consequence = this.#scheduler.done(assignment, outcome, this.#ticks.now())
    if (outcome.kind === 'transport-failed') this.#suspend(assignment, outcome.reason)
    else this.#active.entryDone(assignment.entry.message, left)
    if (!consequence) return
    const { dead, reason } = consequence
    if (assignment.entry.transport === RETRY_TRANSPORT) this.#giveBack(dead)
    else this.#active.suspend(dead, reason)
  }

  #failed(assignment: Assignment<ActiveMessage>, error: unknown): void {
    if (this.#abandoned) return
    log.warning(`${assignment.entry.message.id}: delivery request failed: ${String(error)}`)
    this.#scheduler.done(assignment, { kind: 'reached' }, this.#ticks.now())
    this.#active.entryDone(assignment.entry.message, true)
  }

  #suspend(assignment: Assignment<ActiveMessage>, reason: { status: string; text: string }): void {
    if (assignment.entry.transport === RETRY_TRANSPORT) this.#giveBack([assignment.entry])
    else this.#active.suspend([assignment.entry], reason)
  }

  /** Without a retry service nobody can report; the recipients simply wait for their next attempt. */
  #giveBack(entries: readonly { readonly message: ActiveMessage }[]): void {
    for (const { message } of entries) this.#active.entryDone(message, true)
  }
}
