/**
 * The processes of a mail system without their sockets: receivers, pickup, qmgr with its delivery agents, the bounce
 * services, master and postsuper, each on a disk of the model, below a prefix of its own.
 *
 * Everything that touches the queue is the code of `src/`; what is put together here is what the programs' `main.ts` and
 * qmgr's `manager.ts` put together with sockets.
 */
import { BounceService } from '#bounce/service.ts'
import { readSettings as readBounceSettings } from '#bounce/settings.ts'
import { openCleanup, type Cleanup } from '#cleanup/cleanup.ts'
import type { Config } from '#config/config.ts'
import { ActiveQueue, type ActiveMessage } from '#qmgr/active.ts'
import { Intake } from '#qmgr/intake.ts'
import { noticeTools } from '#qmgr/notices.ts'
import { transportRules } from '#qmgr/rules.ts'
import { Scheduler, type Assignment } from '#qmgr/scheduler.ts'
import { openCommitter, type Committer } from '#queue/commit.ts'
import { contentChunks, openMessage } from '#queue/content.ts'
import { adoptOrphans } from '#queue/journal/recover.ts'
import { journalOf } from '#queue/journal/writer.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { SpareKeeper } from '#queue/spare.ts'
import { moveFile, openSpool, scanQueue, stampFile, type LogName, type QueueId, type Spool } from '#queue/spool.ts'
import type { QueueFile } from '#queue/write.ts'
import { Pickup } from '#receive/pickup/pickup.ts'
import { readSettings as readPickupSettings } from '#receive/pickup/settings.ts'
import type { BounceClient, BounceRequest } from '#service/bounce-client.ts'
import type { DeliverRequest } from '#service/deliver.ts'
import { openDelivered } from '#service/delivered.ts'
import { files } from '#system/files.ts'
import { log } from '#system/log.ts'

/** What the world does with a recipient. */
export type Fate = 'sent' | 'deferred' | 'bounced'

/** The world around the processes. */
export type World = {
  /** A queue file is complete; resolves or rejects as `commit` does, and tells the ledger. */
  committing(file: QueueFile, commit: () => Promise<void>): Promise<void>
  fate(address: string): Fate
  /** The far end has taken a message for these addresses, or for good refused it. */
  ended(request: DeliverRequest, address: string, fate: Fate, content: Buffer): void
  /** A while, in virtual time. */
  pause(msMax: number): Promise<void>
  queued(id: QueueId): void
}

/** What one process has of the configuration, and where it sees the disk. */
export type Place = { readonly config: Config; readonly spool: Spool }

export function placeOf(config: Config, prefix: string): Place {
  const own = config.withOverrides(new Map([['queue_directory', prefix]]))
  return { config: own, spool: openSpool(own) }
}

/** Cleanup whose commits the world hears of. */
export function watchedCleanup({ config, spool }: Place, world: World): Cleanup {
  const committer = openCommitter(spool, config)
  const watched: Committer = {
    commit: (file) => world.committing(file, async () => committer.commit(file)),
    close: async () => committer.close(),
  }
  const cleanup = openCleanup(config, { spool, committer: watched })
  return {
    begin: (flags) => cleanup.begin(flags),
    close: async () => {
      await cleanup.close()
      await committer.close()
    },
  }
}

export function openPickup(place: Place, world: World): { scan(): Promise<void>; close(): Promise<void> } {
  const cleanup = watchedCleanup(place, world)
  // What postsuper puts back belongs to the owner of the queue: here everything does.
  const settings = { ...readPickupSettings(place.config), ownerId: 0 }
  const pickup = new Pickup({ spool: place.spool, cleanup, settings, queued: (id) => world.queued(id) })
  return {
    scan: async () => {
      pickup.scan()
      await pickup.idle()
    },
    close: async () => {
      await pickup.idle()
      await cleanup.close()
    },
  }
}

/** The three services, asked without a socket; closing them is closing their cleanup. */
function openBounces(place: Place, world: World): { client: BounceClient; close(): Promise<void> } {
  const cleanup = watchedCleanup(place, world)
  const settings = readBounceSettings(place.config)
  const services = {
    bounce: new BounceService('bounce', place.spool, settings, cleanup),
    defer: new BounceService('defer', place.spool, settings, cleanup),
    trace: new BounceService('trace', place.spool, settings, cleanup),
  }
  const ask = async (name: LogName, request: BounceRequest): Promise<void> => {
    const { status } = await services[name].handle(request)
    if (status !== 0) throw new Error(`${name} service failure`)
  }
  const client: BounceClient = {
    append: (name, queueId, record, deleteRecipient = false) => ask(name, { kind: 'append', queueId, record, deleteRecipient }),
    flush: (name, message, clean = false) => ask(name, { kind: 'flush', message, clean }),
    verp: (name, message, delimiters) => ask(name, { kind: 'verp', message, delimiters }),
    warn: (message) => ask('defer', { kind: 'warn', message }),
    trace: (message) => ask('trace', { kind: 'trace', message }),
    one: (message, record, deleteRecipient = false) => ask('bounce', { kind: 'one', message, record, deleteRecipient }),
    close: () => undefined,
  }
  return { client, close: () => cleanup.close() }
}

const RETRY = 'retry'
const ADOPT_EVERY_MS = 60_000
const SWEEP_EVERY_MS = 10_000

/** qmgr with its agents, as `qmgr/manager.ts`; and the bounce services, another process. */
export class MailManager {
  readonly #place: Place
  readonly #world: World
  readonly #active: ActiveQueue
  readonly #intake: Intake
  readonly #scheduler: Scheduler<ActiveMessage>
  readonly #spares: SpareKeeper
  readonly #bounces: ReturnType<typeof openBounces>
  readonly #delivered: ReturnType<typeof openDelivered>
  readonly #timers: NodeJS.Timeout[] = []
  readonly #deliveries = new Set<Promise<void>>()
  #stopped = false
  #adopted: Promise<void> = Promise.resolve()
  #woken = false

  constructor(place: Place, bounces: Place, world: World) {
    const { config, spool } = place
    this.#place = place
    this.#world = world
    this.#bounces = openBounces(bounces, world)
    this.#delivered = openDelivered(config, this.#bounces.client)
    this.#scheduler = new Scheduler(transportRules(config))
    this.#spares = new SpareKeeper(spool, config.str('queue_commit') === 'journal')
    const clock = { now: () => Date.now() }
    const journal = journalOf(spool)
    const usesJournal = config.str('queue_commit') === 'journal'
    this.#active = new ActiveQueue({
      spool, spares: this.#spares, clock, log, scheduler: this.#scheduler, wake: () => this.#wake(),
      settings: {
        recipientsAtOnce: 10, retryTransport: RETRY,
        backoff: { minimal: config.time('minimal_backoff_time'), maximal: config.time('maximal_backoff_time') },
        lifetimes: { message: config.time('maximal_queue_lifetime'), bounce: config.time('bounce_queue_lifetime') },
      },
      notices: noticeTools(this.#bounces.client, spool, true),
      routeTools: () => ({
        resolve: (_, recipient) => Promise.resolve({ transport: 'smtp', nexthop: 'far.example', recipient, class: 'default', routed: false }),
        recipientLimit: () => 2, refusal: () => undefined, isDeferredTransport: () => false, errorTransport: 'error',
        retryTransport: RETRY, discardDoubleBounce: () => undefined, doubleBounceSender: 'double-bounce',
        recipientDelimiter: '', filterNexthop: '', myhostname: 'mail.example.org',
      }),
      removed: (id, createSeconds) => {
        if (usesJournal) journal.done(id, createSeconds)
      },
    })
    this.#intake = new Intake({
      spool, log, now: () => clock.now(), activeSize: () => this.#active.size, activeLimit: 1000,
      activate: (id, from) => this.#active.activate(id, from),
    })
  }

  start(): void {
    const { spool, config } = this.#place
    for (const id of scanQueue(spool, 'active')) {
      if (this.#active.finishRemoval(id)) continue
      stampFile(spool, 'active', id, Math.trunc(Date.now() / 1000))
      moveFile(spool, id, 'active', 'incoming')
    }
    this.flush(false)
    const adopt = (isStart: boolean): void => {
      this.#adopted = adoptOrphans(spool, isStart).catch((error: unknown) => log.warning(String(error)))
    }
    adopt(true)
    this.#timers.push(setInterval(() => this.#intake.scan('deferred'), config.time('queue_run_delay') * 1000))
    this.#timers.push(setInterval(() => this.#active.retryStranded(), 10_000))
    this.#timers.push(setInterval(() => adopt(false), ADOPT_EVERY_MS))
    this.#timers.push(setInterval(() => this.#spares.sweep(), SWEEP_EVERY_MS))
  }

  announce(id: QueueId): void {
    if (!this.#stopped) this.#intake.announce([id])
  }

  flush(ignoreTime: boolean): void {
    this.#intake.scan('incoming', ignoreTime)
    this.#intake.scan('deferred', ignoreTime)
  }

  get idle(): boolean {
    return this.#deliveries.size === 0 && this.#active.size === 0
  }

  async stop(): Promise<void> {
    this.#halt()
    while (this.#deliveries.size > 0) await Promise.all(this.#deliveries)
    await this.#active.settled()
    await this.#bounces.close()
    await this.#adopted
    await journalOf(this.#place.spool).close()
  }

  /** The process is gone: what its code still does must not matter. */
  killed(): void {
    this.#halt()
  }

  #halt(): void {
    this.#stopped = true
    this.#intake.stop()
    for (const timer of this.#timers) clearInterval(timer)
  }

  #wake(): void {
    if (this.#woken || this.#stopped) return
    this.#woken = true
    queueMicrotask(() => {
      this.#woken = false
      if (this.#stopped) return
      for (const transport of this.#scheduler.waitingTransports()) {
        for (let next = this.#scheduler.next(transport, Date.now()); next; next = this.#scheduler.next(transport, Date.now())) {
          this.#startDelivery(next)
        }
      }
      this.#intake.poke()
    })
  }

  #startDelivery(assignment: Assignment<ActiveMessage>): void {
    const delivery = this.#deliver(assignment).catch((error: unknown) => {
      log.warning(`delivery: ${String(error)}`)
      return true
    }).then((left) => {
      this.#scheduler.done(assignment, { kind: 'reached' }, Date.now())
      this.#active.entryDone(assignment.entry.message, left)
    }).finally(() => {
      this.#deliveries.delete(delivery)
      this.#wake()
    })
    this.#deliveries.add(delivery)
  }

  /** True: some recipients are left. */
  async #deliver({ entry }: Assignment<ActiveMessage>): Promise<boolean> {
    const { message, recipients, transport } = entry
    const request = requestOf(message, recipients)
    await this.#world.pause(50)
    using open = openMessage(this.#place.spool, 'active', message.id)
    const content = Buffer.concat([...contentChunks(open, { eol: 'lf', dataOffset: request.dataOffset })])
    const stays = await Promise.all(recipients.map(async (recipient) => {
      await this.#world.pause(20)
      const fate = transport === RETRY ? 'deferred' : this.#world.fate(recipient.address)
      if (fate !== 'deferred') this.#world.ended(request, recipient.address, fate, content)
      const status = { sent: '2.0.0', deferred: '4.4.1', bounced: '5.1.1' }[fate]
      return this.#delivered[fate](request, recipient, { status, reason: 'so it is', relay: 'far.example[192.0.2.1]:25', handoff: Date.now() }, open.fd)
    }))
    return stays.includes(true)
  }
}

function requestOf({ id, envelope, activeAtMs }: ActiveMessage, recipients: EnvelopeRecipient[]): DeliverRequest {
  return {
    queueName: 'active', queueId: id, nexthop: 'far.example', recipients, dataOffset: envelope.dataOffset,
    contentSize: envelope.contentSize, contentLength: envelope.contentLength, sendOptions: envelope.sendOptions,
    sender: envelope.sender, encoding: envelope.encoding, envelopeId: envelope.envelopeId, retFlags: envelope.retFlags,
    rewriteContext: envelope.rewriteContext,
    flags: { trace: false, verify: false, userVerify: false, connLoad: false, connStore: false },
    arrival: envelope.arrival, activeArrival: activeAtMs, deliveryStart: Date.now(), clientName: '', clientAddress: '',
    clientPort: '', heloName: '', protocolName: '', saslMethod: '', saslUsername: '', saslSender: '', logIdent: '',
  }
}

/** Bytes of a file that is complete. Looking at them must not change how it is committed. */
export function bytesOf(file: QueueFile): Buffer {
  const collected = file.collected()
  if (collected) return Buffer.from(collected)
  file.flush()
  const bytes = Buffer.alloc(file.size)
  files.read(file.fd, bytes, 0, bytes.length, 0)
  return bytes
}
