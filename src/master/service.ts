/**
 * One service at work: when its workers start, how the limit of clients is
 * divided between them, and what happens when they fail.
 *
 * While no worker accepts, master watches the listeners. A worker that fails
 * before its first client stops the service for a while (throttling): starting
 * it again at once would only fail again.
 *
 * @module
 */
import { log } from '#system/log.ts'
import type { MasterMessage, WorkerMessage } from '#service/control.ts'
import type { WorkerEnd, WorkerHandle, WorkerStarter } from './process.ts'
import { endText, LimitWarning } from './report.ts'
import { shares, type ServiceSpec } from './table.ts'

/** What a service needs from master; replaced in tests. */
export type ServiceTools = {
  readonly start: WorkerStarter
  /** Calls back once when a listener is readable. */
  readonly watch: { watch(fd: number, callback: () => void): void; unwatch(fd: number): void }
  /** Calls back after so many seconds; returns what cancels it. */
  readonly after: (seconds: number, callback: () => void) => () => void
  /** Milliseconds. */
  readonly now: () => number
  /** Sends the wakeup trigger to the service. */
  readonly wake: (spec: ServiceSpec) => void
  /** A worker of ours has crashed: what it was about to tell others may be lost. */
  readonly onCrash: () => void
  /** What a worker is told of the keys of session tickets. */
  readonly ticketKeys: () => MasterMessage
  /** Called when the last worker has ended. */
  readonly onEmpty: () => void
}

type WorkerState = 'starting' | 'ready' | 'leaving'

type Running = { state: WorkerState; used: boolean; full: boolean; handle: WorkerHandle | undefined }

/** How long new workers of a service that reached its limit run with the values for stress. */
const STRESS_SECONDS = 1000
/** Wait before the next attempt when a process could not be started (fork_delay). */
const START_RETRY_SECONDS = 1

/** A service and its workers. */
export class Service {
  readonly #tools: ServiceTools
  readonly #workers = new Set<Running>()
  readonly #limitWarning = new LimitWarning()
  #spec: ServiceSpec
  #listeners: readonly number[]
  #throttled = false
  #closed = false
  #used = false
  #stressUntil = -Infinity
  #cancels: (() => void)[] = []

  constructor(spec: ServiceSpec, listeners: readonly number[], tools: ServiceTools) {
    this.#spec = spec
    this.#listeners = listeners
    this.#tools = tools
  }

  get spec(): ServiceSpec {
    return this.#spec
  }

  /** Process ids of all workers, those that finish their clients included. */
  get pids(): number[] {
    return [...this.#workers].flatMap(({ handle }) => handle?.pid ?? [])
  }

  /** Watches for clients, and wakes the service up when master.cf says so. */
  open(): void {
    const { wakeup, wakeupOnlyIfUsed } = this.#spec.entry
    if (wakeup > 0 && (!wakeupOnlyIfUsed || this.#used)) this.#wake()
    this.#update()
  }

  /** Goes on with a new description: workers of the old one finish their clients, new clients get fresh ones. */
  replace(spec: ServiceSpec, listeners: readonly number[]): void {
    this.#unwatch()
    this.#cancelTimers()
    this.#spec = spec
    this.#listeners = listeners
    this.#throttled = false
    this.#dismiss({ kind: 'stop', reason: 'reload' })
    if (this.#isStressed()) this.#relax()
    this.open()
  }

  /** Takes no more clients; workers finish theirs. The listeners may be closed afterwards. */
  close(): void {
    this.#shut()
    this.#dismiss({ kind: 'stop', reason: 'reload' })
  }

  /** As `close()`, but workers that are not done after `graceMs` end all the same. */
  stop(graceMs: number): void {
    this.#shut()
    this.#dismiss({ kind: 'stop', reason: 'stop', graceMs })
  }

  kill(signal: NodeJS.Signals): void {
    for (const { handle } of this.#workers) handle?.kill(signal)
  }

  #shut(): void {
    this.#closed = true
    this.#unwatch()
    this.#cancelTimers()
  }

  #cancelTimers(): void {
    for (const cancel of this.#cancels) cancel()
    this.#cancels = []
  }

  #after(seconds: number, callback: () => void): void {
    const cancel = this.#tools.after(seconds, () => {
      this.#cancels = this.#cancels.filter((each) => each !== cancel)
      callback()
    })
    this.#cancels.push(cancel)
  }

  #dismiss(message: Parameters<WorkerHandle['send']>[0]): void {
    for (const worker of this.#workers) {
      worker.state = 'leaving'
      worker.handle?.send(message)
    }
  }

  #active(): Running[] {
    return [...this.#workers].filter(({ state }) => state !== 'leaving')
  }

  /** Whether another process may start: a service with a limit of one never has two, old ones included. */
  #hasRoom(): boolean {
    const { entry, processes, program } = this.#spec
    const all = entry.processLimit === 1 || program.kind === 'executable'
    return (all ? this.#workers.size : this.#active().length) < processes
  }

  /** Whether some worker takes the next client. Ours queue it for themselves when they are full. */
  #isServed(): boolean {
    const foreign = this.#spec.program.kind === 'executable'
    return this.#active().some(({ full }) => !foreign || !full)
  }

  /** Watches the listeners while nobody accepts from them. */
  #update(): void {
    if (this.#closed) {
      if (this.#workers.size === 0) this.#tools.onEmpty()
      return
    }
    if (this.#throttled || this.#isServed() || !this.#hasRoom()) {
      this.#unwatch()
      return
    }
    for (const fd of this.#listeners) this.#tools.watch.watch(fd, () => this.#demand())
  }

  #unwatch(): void {
    for (const fd of this.#listeners) this.#tools.watch.unwatch(fd)
  }

  #demand(): void {
    this.#unwatch()
    this.#start()
  }

  #start(): void {
    const worker: Running = { state: 'starting', used: false, full: false, handle: undefined }
    this.#workers.add(worker)
    const limits = this.#shares()
    const start = { listeners: this.#listeners, limit: limits.at(-1) ?? 0, stress: this.#isStressed() }
    try {
      worker.handle = this.#tools.start(this.#spec, start, {
        onMessage: (message) => this.#onMessage(worker, message),
        onExit: (end) => this.#onExit(worker, end),
      })
      this.#share()
    } catch (error) {
      this.#onExit(worker, { status: null, signal: null, error: error instanceof Error ? error : new Error(String(error)) })
    }
  }

  #shares(): number[] {
    const { entry, program } = this.#spec
    return program.kind === 'executable' ? [] : shares(entry.processLimit, this.#active().length)
  }

  #share(): void {
    const limits = this.#shares()
    this.#active().forEach((worker, i) => worker.handle?.send({ kind: 'limit', clients: limits[i] ?? 0 }))
  }

  #onMessage(worker: Running, message: WorkerMessage): void {
    switch (message.kind) {
      case 'ready':
        if (worker.state === 'starting') worker.state = 'ready'
        break
      case 'used':
        worker.used = true
        this.#firstUse()
        break
      case 'full':
        worker.full = message.full
        if (message.full) this.#onFull()
        break
      case 'busy':
        this.#onBusy()
        break
      case 'ticket-keys':
        worker.handle?.send(this.#tools.ticketKeys())
        break
      case 'leaving':
        if (worker.state === 'leaving') break
        worker.state = 'leaving'
        this.#share()
        break
      default:
        message satisfies never
    }
    if (!this.#closed) this.#update()
  }

  #firstUse(): void {
    if (this.#used) return
    this.#used = true
    const { wakeup, wakeupOnlyIfUsed } = this.#spec.entry
    if (wakeup > 0 && wakeupOnlyIfUsed && !this.#closed) this.#after(wakeup, () => this.#wake())
  }

  /** Wakes up what is woken up from time to time anyway. */
  wakeNow(): void {
    const { wakeup, wakeupOnlyIfUsed } = this.#spec.entry
    if (wakeup > 0 && (!wakeupOnlyIfUsed || this.#used) && !this.#throttled) this.#tools.wake(this.#spec)
  }

  #wake(): void {
    if (!this.#throttled) this.#tools.wake(this.#spec)
    this.#after(this.#spec.entry.wakeup, () => this.#wake())
  }

  /** A worker has no time left: another one may take a share of the clients. */
  #onBusy(): void {
    const starting = this.#active().some(({ state }) => state === 'starting')
    if (!this.#closed && !this.#throttled && !starting && this.#hasRoom()) this.#start()
  }

  /** All places are taken: the service is under stress. */
  #onFull(): void {
    const { entry, processes, program } = this.#spec
    const active = this.#active()
    if (active.some(({ full }) => !full) || entry.processLimit <= 1) return
    if (program.kind === 'executable' && active.length < processes) return
    this.#limitWarning.warn(this.#spec, this.#tools.now())
    if (entry.type === 'inet' || entry.type === 'pass') this.#stress()
  }

  #isStressed(): boolean {
    return this.#tools.now() < this.#stressUntil
  }

  #stress(): void {
    const already = this.#isStressed()
    this.#stressUntil = this.#tools.now() + STRESS_SECONDS * 1000
    if (already) return
    this.#tellStress(true)
    this.#after(STRESS_SECONDS, () => this.#relax())
  }

  #relax(): void {
    const left = this.#stressUntil - this.#tools.now()
    if (left > 0) this.#after(left / 1000, () => this.#relax())
    else this.#tellStress(false)
  }

  #tellStress(stress: boolean): void {
    for (const { handle } of this.#workers) handle?.send({ kind: 'stress', stress })
  }

  #onExit(worker: Running, end: WorkerEnd): void {
    this.#workers.delete(worker)
    this.#report(worker, end)
    if (!this.#closed) this.#share()
    this.#update()
  }

  #report(worker: Running, end: WorkerEnd): void {
    if (end.error !== undefined) {
      log.warning(`cannot start ${this.#spec.path}: ${end.error.message}`)
      this.#pause(START_RETRY_SECONDS)
      return
    }
    if (end.status === 0) return
    const pid = worker.handle?.pid ?? 0
    if (!(this.#closed && end.signal === 'SIGTERM')) log.warning(endText(this.#spec.path, pid, end))
    if (!this.#closed) this.#tools.onCrash()
    if (worker.used || this.#closed) return
    log.warning(`${this.#spec.path}: bad command startup -- throttling`)
    this.#pause(this.#spec.throttleSeconds)
  }

  #pause(seconds: number): void {
    if (this.#closed) return
    this.#throttled = true
    this.#after(seconds, () => {
      this.#throttled = false
      this.#update()
    })
  }
}
