/**
 * The life of a queue, from a seed: mail comes from the network and from users, is delivered, deferred, returned, held,
 * requeued and deleted; processes are killed, the mail system is stopped, reloaded and taken over.
 *
 * The same seed gives the same life. What comes out is a list of changes of a disk, and what was promised meanwhile.
 */
import type { CleanupFlags } from '#cleanup/cleanup.ts'
import type { Config } from '#config/config.ts'
import { configFrom } from '#config/load.ts'
import { openCommitter } from '#queue/commit.ts'
import { journaledMessages, prepareJournal, recordRemoved, recoverJournal } from '#queue/journal/recover.ts'
import { segmentPaths } from '#queue/journal/folder.ts'
import { segmentBytes } from '#queue/journal/segment.ts'
import { emptyTally, MessageActions } from '#queue/maintain.ts'
import { appendRecord, RECORD } from '#queue/record.ts'
import { MESSAGE_QUEUES, LOG_QUEUES, type QueueId } from '#queue/spool.ts'
import { deleteSpares, prepareSpares, SPARE_FOLDER } from '#queue/spare.ts'
import { createQueueFile, type QueueFile } from '#queue/write.ts'
import type { DeliverRequest } from '#service/deliver.ts'
import { substituteFiles, type FileSystem } from '#system/files.ts'
import { restoreLog, setLog } from '#system/log.ts'
import { ByteWriter } from '#util/byte-writer.ts'
import { randomFrom, type Random } from '../../fuzz/mutate.ts'
import { silentLog } from '../silent-log.ts'
import { Disk, Inode, type Change } from './disk.ts'
import { Ledger, RETURN_MS_MAX, type Instance } from './ledger.ts'
import { bytesOf, MailManager, openPickup, placeOf, watchedCleanup, type Fate, type Place, type World } from './mail-system.ts'
import { Remains, type FileSystemKind } from './remains.ts'
import { VirtualTime } from './virtual-time.ts'

/** Code remembers a journal by the path of its queue: no two processes have the same, in whatever life. */
let processes = 0

export const NOBODY = { uid: 0, gid: 0 }
const SEGMENT_BYTES = { full: 24 * 1024, piece: 8 * 1024 }
const PID = 4242
const START_MS = 1_800_000_000_000
const SEED_MS = 100_000_000
/** Larger than what the journal takes. */
const LARGE_BYTES = 66_000

const PARAMETERS = {
  myhostname: 'mail.example.org', mydomain: 'example.org', myorigin: 'example.org', mydestination: 'example.org',
  inet_interfaces: '127.0.0.1', compatibility_level: '3.11', queue_commit: 'journal', fast_flush_domains: '',
  minimal_backoff_time: '30s', maximal_backoff_time: '60s', queue_run_delay: '30s', maximal_queue_lifetime: '10m',
  bounce_queue_lifetime: '10m', notify_classes: '', hash_queue_depth: '1',
}

/** A call that fails, once: the `nth` of those that can. */
export type Fault = { readonly nth: number; readonly code: string }

export type LifeOptions = {
  readonly seed: number
  readonly steps: number
  readonly kind: FileSystemKind
  /** Where an earlier life was cut off. */
  readonly begin?: { readonly root: Inode; readonly ledger: Ledger }
  readonly fault?: Fault
  readonly queueCommit?: 'journal' | 'fsync'
}

/** A life that was lived. */
export type Trace = {
  readonly changes: readonly Change[]
  /** The virtual time of each change. */
  readonly times: readonly number[]
  readonly ledger: Ledger
  /** At its beginning; follows the changes. */
  readonly remains: Remains
  /** Calls that could have failed. */
  readonly calls: number
  /** What a person would see. */
  readonly problems: readonly string[]
}

const FALLIBLE = new Set<keyof FileSystem>(['open', 'write', 'rename', 'unlink', 'unlinkAsync', 'mkdir', 'fchmod', 'ftruncate', 'fsync', 'fdatasync', 'utimes', 'read'])

/** Lives one life. */
export async function live(options: LifeOptions): Promise<Trace> {
  const life = new Life(options)
  return life.run()
}

type Receiver = { readonly prefix: string; readonly cleanup: ReturnType<typeof watchedCleanup>; readonly sessions: Set<Promise<void>> }

class Life implements World {
  readonly #options: LifeOptions
  readonly #random: Random
  readonly #time: VirtualTime
  readonly #disk: Disk
  readonly #ledger: Ledger
  readonly #config: Config
  readonly #changes: Change[] = []
  readonly #times: number[] = []
  readonly #problems: string[] = []
  readonly #remains: Remains
  #calls = 0
  readonly #prefixes: string[] = []
  /** When the queue manager was killed. */
  readonly #kills: number[] = []
  #tokens: number
  #receivers: Receiver[] = []
  #manager: MailManager | undefined
  /** Of qmgr and of the bounce services. */
  #managerPrefixes: string[] = []

  constructor(options: LifeOptions) {
    const { seed, kind, begin } = options
    this.#options = options
    this.#random = randomFrom(seed * 7919 + 13)
    for (let i = 0; i < 8; i += 1) this.#random(2)
    this.#time = new VirtualTime(START_MS + seed * SEED_MS)
    this.#disk = new Disk({
      now: () => this.#time.now, pass: () => this.#time.pass(1 + this.#random(30)), device: () => this.#device(),
      fault: (call) => this.#fault(call),
    }, begin?.root ?? emptyQueue())
    this.#ledger = begin?.ledger ?? new Ledger()
    this.#tokens = seed * 1000
    this.#remains = new Remains(kind, this.#disk.root, randomFrom(seed + 17))
    this.#disk.changes = recordInto(this.#changes, this.#times, () => this.#time.now)
    this.#config = configFrom({ ...PARAMETERS, queue_commit: options.queueCommit ?? 'journal' })
  }

  async run(): Promise<Trace> {
    const sizes = { ...segmentBytes }
    const { pid } = process
    const before = setLog(silentLog)
    using time = this.#time.use()
    using disk = substituteFiles(this.#disk.files)
    // What dead processes leave behind is no business of the test runner.
    const listeners = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection')
    process.on('unhandledRejection', (error) => this.#unhandled(error))
    try {
      Object.assign(segmentBytes, SEGMENT_BYTES)
      setPid(PID + (this.#options.seed % 2))
      await this.#live()
    } finally {
      Object.assign(segmentBytes, sizes)
      setPid(pid)
      await this.#time.run(() => false, this.#time.now)
      process.removeAllListeners('unhandledRejection')
      for (const listener of listeners) process.on('unhandledRejection', listener)
      restoreLog(before)
    }
    void [time, disk]
    return this.#trace()
  }

  #trace(): Trace {
    const logFolders = new Set(LOG_QUEUES.flatMap((name) => foldersOf(this.#disk.root.names?.get(name))))
    for (const [at, change] of this.#changes.entries()) {
      if (change.kind === 'link' && logFolders.has(change.dir)) logFolders.add(change.inode)
      const isLeaving = change.kind === 'unlink' || (change.kind === 'rename' && change.toDir === this.#disk.root.names?.get(SPARE_FOLDER))
      if (!isLeaving || change.inode.names || logFolders.has(change.dir)) continue
      // Recovery puts a fresh file in place of a damaged one.
      const next = this.#changes[at + 1]
      if (next?.kind === 'link' && next.dir === change.dir && next.name === change.name) continue
      // A file to be used again has left when its execute bit is gone, one change before its name.
      const before = change.kind === 'rename' ? this.#changes[at - 1] : undefined
      const left = before?.kind === 'attributes' && before.inode === change.inode ? at : at + 1
      this.#ledger.removed(change.name, left, this.#untilSaid(this.#times[at] ?? 0))
    }
    return {
      changes: this.#changes, times: this.#times, ledger: this.#ledger, remains: this.#remains, calls: this.#calls, problems: this.#problems,
    }
  }

  /** A queue manager that was killed could not say what had left just before: the next one does. */
  #untilSaid(ms: number): number {
    return this.#kills.find((kill) => kill >= ms && kill - ms <= RETURN_MS_MAX) ?? ms
  }

  async #live(): Promise<void> {
    await this.#do(this.#startMaster())
    for (let step = 0; step < this.#options.steps; step += 1) await this.#step()
    await this.#do(this.#stopAll())
  }

  /** Lets time pass until the work is done. */
  async #do(work: Promise<void>): Promise<void> {
    let ended = false
    const watched = work.catch((error: unknown) => this.#unhandled(error)).finally(() => (ended = true))
    await this.#time.run(() => ended)
    if (!ended) this.#problems.push('something hangs')
    else await watched
  }

  #unhandled(error: unknown): void {
    if (error instanceof Error && 'code' in error && error.code === 'EOWNERDEAD') return
    if (this.#options.fault !== undefined && isOurs(error)) return
    this.#problems.push(error instanceof Error ? error.stack ?? error.message : String(error))
  }

  get #now(): number {
    return this.#changes.length
  }

  #device(): Promise<void> {
    const slow = this.#random(20) === 0
    return new Promise((resolve) => this.#time.after(slow ? 5 + this.#random(15) : 0.1 + this.#random(30) / 10, resolve))
  }

  #fault(call: keyof FileSystem): string | undefined {
    if (!FALLIBLE.has(call)) return undefined
    this.#calls += 1
    const { fault } = this.#options
    return fault && this.#calls === fault.nth ? fault.code : undefined
  }

  // The world of the processes.

  pause(msMax: number): Promise<void> {
    const ms = this.#random(msMax * 10) / 10
    return new Promise((resolve) => this.#time.after(ms, resolve))
  }

  fate(address: string): Fate {
    const luck = this.#random(10)
    if (!address.startsWith('r')) return luck < 8 ? 'sent' : luck === 8 ? 'deferred' : 'bounced'
    return luck < 6 ? 'sent' : luck < 8 ? 'deferred' : 'bounced'
  }

  ended({ queueId, sender }: DeliverRequest, address: string, fate: Fate): void {
    const instance = this.#ledger.byId.get(queueId)?.at(-1)
    if (fate === 'sent') this.#ledger.settle(address, this.#now)
    if (sender === '') for (const each of instance?.covers ?? []) this.#ledger.settle(each, this.#now)
  }

  async committing(file: QueueFile, commit: () => Promise<void>): Promise<void> {
    const instance = this.#ledger.start(file.id, bytesOf(file), this.#now, file.queue === 'maildrop')
    const held = file.queue === 'hold'
    await commit()
    instance.committedAt = this.#now
    if (!held && file.queue !== 'maildrop') this.queued(file.id)
  }

  queued(id: QueueId): void {
    this.#manager?.announce(id)
  }

  // What people and the network do.

  #prefix(): string {
    processes += 1
    this.#prefixes.push(`/p${processes}`)
    return `/p${processes}`
  }

  #place(): Place {
    return placeOf(this.#config, this.#prefix())
  }

  async #startMaster(): Promise<void> {
    await this.#recover().catch(async (error: unknown) => {
      // Master says why and ends; whoever started it does so again.
      this.#unhandled(error)
      await this.#recover()
    })
    this.#startManager()
    this.#receivers = [this.#startReceiver(), this.#startReceiver()]
  }

  async #recover(): Promise<void> {
    const { spool } = this.#place()
    prepareJournal(spool, NOBODY)
    prepareSpares(spool, NOBODY)
    await recoverJournal(spool, NOBODY)
    deleteSpares(spool, NOBODY)
  }

  #startReceiver(): Receiver {
    const place = this.#place()
    return { prefix: place.spool.path, cleanup: watchedCleanup(place, this), sessions: new Set() }
  }

  #startManager(): void {
    const place = this.#place()
    const bounces = this.#place()
    this.#managerPrefixes = [place.spool.path, bounces.spool.path]
    this.#manager = new MailManager(place, bounces, this)
    this.#manager.start()
  }

  async #stopAll(): Promise<void> {
    await this.#manager?.stop()
    this.#manager = undefined
    await Promise.all(this.#receivers.map(async (receiver) => closeReceiver(receiver)))
    this.#receivers = []
    const { spool } = this.#place()
    await recoverJournal(spool, NOBODY)
    deleteSpares(spool, NOBODY)
    if (segmentPaths(spool).length > 0 && this.#options.fault === undefined) this.#problems.push('the journal is not empty after a clean stop')
  }

  async #step(): Promise<void> {
    const kind = this.#random(32)
    if (kind < 12) this.#receiveSome()
    else if (kind === 12) this.#receive('large')
    else if (kind < 15) await this.#do(this.#submit())
    else if (kind < 20) await this.#do(this.#administer())
    else if (kind === 20) this.#manager?.flush(true)
    else if (kind === 21) this.#killReceiver()
    else if (kind === 22) this.#killManager()
    else if (kind === 23) await this.#do(this.#restart())
    else if (kind === 24) await this.#do(this.#reload())
    else if (kind === 25) await this.#do(this.#takeOver())
    await this.#wait(kind)
  }

  /** Often what was begun is still under way when the next step comes. */
  async #wait(kind: number): Promise<void> {
    const ms = kind > 29 ? 62_000 : kind > 26 ? 1000 + this.#random(30_000) : this.#random(4) === 0 ? this.#random(300) : this.#random(12)
    const end = this.#time.now + ms
    await this.#time.run(() => this.#time.now >= end, end)
    this.#time.now = Math.max(this.#time.now, end)
  }

  #receiveSome(): void {
    for (let count = 1 + this.#random(3); count > 0; count -= 1) this.#receive(this.#random(8) === 0 ? 'held' : 'small')
  }

  #receive(what: 'small' | 'large' | 'held'): void {
    const receiver = this.#receivers[this.#random(this.#receivers.length || 1)]
    if (!receiver) return
    const session = this.#session(receiver, what)
      .catch((error: unknown) => this.#unhandled(error))
      .finally(() => receiver.sessions.delete(session))
    receiver.sessions.add(session)
  }

  async #session({ cleanup }: Receiver, what: 'small' | 'large' | 'held'): Promise<void> {
    await this.pause(3)
    const flags: CleanupFlags = what === 'held' ? { hold: true } : {}
    const message = cleanup.begin(flags)
    for (const [type, payload] of this.#envelope()) message.envelope(type, payload)
    message.content(this.#content(what === 'large' ? LARGE_BYTES : this.#random(1800)))
    message.endContent()
    await message.finish()
  }

  #envelope(): (readonly [number, string])[] {
    const token = this.#tokens += 1
    const recipients = Array.from({ length: 1 + this.#random(3) }, (_, i) => [RECORD.recipient, `r${token}-${i}@far.example`] as const)
    const now = this.#time.now
    return [[RECORD.time, `${Math.trunc(now / 1000)} ${Math.trunc((now % 1000) * 1000)}`], [RECORD.sender, 'sender@client.example'], ...recipients]
  }

  #content(bytes: number): Uint8Array {
    const out = new ByteWriter()
    for (const line of ['Received: from the network', `Subject: number ${this.#tokens}`, 'From: sender@client.example', '']) appendRecord(out, RECORD.text, line)
    for (let left = bytes; left > 0; left -= 800) appendRecord(out, RECORD.text, String.fromCharCode(0x61 + this.#random(26)).repeat(Math.min(left, 800)))
    return out.bytes()
  }

  /** `sendmail`, then pickup. */
  async #submit(): Promise<void> {
    const place = this.#place()
    const file = createQueueFile(place.spool, 'maildrop')
    for (const [type, payload] of this.#envelope()) file.record(type, payload)
    file.record(RECORD.message, '')
    file.write(this.#content(this.#random(1500)))
    file.record(RECORD.extracted, '')
    file.record(RECORD.end, '')
    const committer = openCommitter(place.spool, this.#config)
    await this.committing(file, async () => committer.commit(file))
    await committer.close()
    if (this.#random(3) > 0) await this.#pickup()
  }

  async #pickup(): Promise<void> {
    const pickup = openPickup(this.#place(), this)
    await pickup.scan()
    await pickup.close()
  }

  /** `postsuper` with one or two ids. */
  async #administer(): Promise<void> {
    const { spool } = this.#place()
    const present = this.#ledger.instances.filter(({ committedAt, id }) => committedAt < Infinity && queueOf(this.#disk.root, id) !== undefined)
    const chosen = [this.#pick(present), this.#random(3) === 0 ? this.#pick(present) : undefined].filter((each) => each !== undefined)
    const letter = 'dhHre'.charAt(this.#random(5))
    const tally = emptyTally()
    const actions = new MessageActions(spool, MESSAGE_QUEUES, tally)
    const journaled = letter === 'd' || letter === 'r' ? journaledMessages(spool) : []
    const deleted: Instance[] = []
    for (const instance of chosen) {
      const at = this.#now
      const count = tally.deleted
      if (letter === 'd') actions.delete(instance.id)
      else if (letter === 'h') actions.hold(instance.id)
      else if (letter === 'H') actions.release(instance.id)
      else if (letter === 'r') actions.requeue(instance.id)
      else actions.expire(instance.id)
      if (tally.deleted === count) continue
      deleted.push(instance)
      for (const address of [...instance.recipients.map((each) => each.address), ...instance.covers]) this.#ledger.settle(address, at)
    }
    await recordRemoved(spool, journaled)
    for (const instance of deleted) instance.recordedAt = this.#now
    if (letter === 'r' && this.#random(2) === 0) await this.#pickup()
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#random(list.length || 1)]
  }

  #killReceiver(): void {
    const victim = this.#pick(this.#receivers)
    if (!victim) return
    this.#disk.kill(victim.prefix)
    this.#receivers = [...this.#receivers.filter((each) => each !== victim), this.#startReceiver()]
  }

  #killManager(): void {
    this.#manager?.killed()
    this.#kills.push(this.#time.now)
    for (const prefix of this.#managerPrefixes) this.#disk.kill(prefix)
    this.#startManager()
  }

  async #restart(): Promise<void> {
    if (this.#random(2) === 0) await this.#stopAll()
    else this.#killAll()
    await this.#startMaster()
  }

  #killAll(): void {
    this.#manager?.killed()
    this.#kills.push(this.#time.now)
    for (const prefix of this.#prefixes) this.#disk.kill(prefix)
    this.#receivers = []
  }

  /** New workers; the old ones finish what they are at. */
  async #reload(): Promise<void> {
    const old = this.#receivers
    const manager = this.#manager
    this.#manager = undefined
    this.#receivers = [this.#startReceiver(), this.#startReceiver()]
    await manager?.stop()
    this.#startManager()
    await Promise.all(old.map(async (receiver) => closeReceiver(receiver)))
  }

  /** Master was killed: its receivers still finish their clients when the next one starts. */
  async #takeOver(): Promise<void> {
    const old = this.#receivers
    this.#manager?.killed()
    this.#kills.push(this.#time.now)
    for (const prefix of this.#managerPrefixes) this.#disk.kill(prefix)
    await this.#startMaster()
    await Promise.all(old.map(async (receiver) => closeReceiver(receiver)))
  }
}

/** Made by the failing call, or told by who met it. */
function isOurs(error: unknown): boolean {
  return error instanceof Error && ('code' in error || isOurs(error.cause))
}

async function closeReceiver({ cleanup, sessions }: Receiver): Promise<void> {
  while (sessions.size > 0) await Promise.all(sessions)
  await cleanup.close()
}

/** Some choices are made by the number of the process. */
function setPid(value: number): void {
  Object.defineProperty(process, 'pid', { value, configurable: true, enumerable: true, writable: true })
}

function foldersOf(inode: Inode | undefined): Inode[] {
  return inode?.names ? [inode, ...[...inode.names.values()].flatMap(foldersOf)] : []
}

/** The queue that has a file of this id. */
function queueOf(root: Inode, id: string, queues: readonly string[] = MESSAGE_QUEUES): string | undefined {
  const has = (dir: Inode | undefined): boolean =>
    dir?.names?.has(id) === true || [...dir?.names?.values() ?? []].some((child) => child.names?.has(id) === true)
  return queues.find((queue) => has(root.names?.get(queue)))
}

function emptyQueue(): Inode {
  const attributes = { mode: 0o040700, uid: 0, gid: 0, mtimeMs: 0 }
  const root = new Inode(1, true, attributes)
  for (const [i, name] of [...MESSAGE_QUEUES, ...LOG_QUEUES, 'flush'].entries()) root.names?.set(name, new Inode(100_000 + i, true, attributes))
  return root
}

/** A list that notes the time of each entry. */
function recordInto(changes: Change[], times: number[], now: () => number): Change[] {
  const push = changes.push.bind(changes)
  changes.push = (...added: Change[]) => {
    times.push(now())
    return push(...added)
  }
  return changes
}
