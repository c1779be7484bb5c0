/**
 * A worker: one process for one line of master.cf, which serves many clients.
 *
 * Its life, in this order: read the command line and the configuration; open the
 * log; run the program's setup, with the rights it was started with; give the
 * rights up; only then take the first client. It ends when it was idle for
 * max_idle, when master says so, or when master is gone; clients at work are
 * finished first.
 *
 * @module
 */
import { closeSync } from 'node:fs'
import { chdir } from 'node:process'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { checkBasics } from '#config/basics.ts'
import { loadConfig } from '#config/load.ts'
import type { ServiceType } from '#config/master-cf.ts'
import { errnoText } from '#system/errno.ts'
import { clib } from '#system/ffi.ts'
import { log, setLog, type Logger, type OpenLog } from '#system/log.ts'
import { pageCacheId } from '#system/page-cache.ts'
import { loadingDone } from '#system/loading.ts'
import { chroot } from '#system/posix.ts'
import { becomeUser, getpwnam } from '#system/users.ts'
import {
  FIRST_LISTENER_FD, isMasterMessage, LIMIT_VARIABLE, LISTEN_BACKLOG, PROGRAM_VARIABLE,
  type MasterMessage, type WorkerMessage,
} from './control.ts'
import { LoadWatch } from './load.ts'
import { openProgramLog, reopenProgramLog } from './logging.ts'
import { useProxymap } from './proxymap.ts'
import { Serving, type WorkerHandlers } from './serve.ts'
import { Slots } from './slots.ts'
import { TicketKeysClient } from './ticket-keys.ts'
import { parseWorkerArguments, type WorkerArguments } from './worker-arguments.ts'

export type { ClientInfo, WorkerHandlers } from './serve.ts'

/** What a program gets from its worker. */
export type Worker = {
  /** `smtpd`: the command of master.cf. Programs with two names (smtp and lmtp) tell them apart by this. */
  readonly program: string
  /** With the `-o` of the service. Under stress another object: ask anew for each session. */
  readonly config: Config
  /** main.cf without the `-o` of this service: what another service (cleanup) would see. */
  readonly common: Config
  readonly log: Logger
  readonly service: { readonly name: string; readonly type: ServiceType }
  /** The words of master.cf after the options: `argv=…` of pipe. */
  readonly args: readonly string[]
  /** Aborts when no new clients are taken: finish those at work. */
  readonly stop: AbortSignal
  /** How many clients at once, 0 for any number. */
  readonly clientLimit: number
  /** Places for clients. Programs with `counted: false` give them to their requests. */
  readonly slots: Slots
  /** Whether new sessions use the values for `stress`. */
  readonly stress: boolean
  /**
   * Session tickets of TLS servers, which all workers must be able to read.
   *
   * @param use Called with TICKET_KEY_BYTES before the first client, and again for each new set of keys; never where
   * there is no master.
   */
  useTicketKeys(use: (keys: Buffer) => void): void
}

/** Makes a program's handlers. It runs with the rights of the start: open here what needs them. */
export type WorkerSetup = (worker: Worker) => Promise<WorkerHandlers> | WorkerHandlers

/** How long a program rests after a fatal error, so that master does not restart it at full speed. */
const FATAL_PAUSE_MS = 1000
/** Clients after which a worker makes place for a fresh one: max_use for each of Postfix's processes that it stands for. */
const DEFAULT_PROCESSES = 100
/** A fresh worker costs half a second of processor time, and there is nothing to be gained by it so often. */
const DEFAULT_USE_FACTOR = 50

/**
 * Runs the program of this process until it ends. Does not return before that, and does not throw.
 *
 * @param program Its name in the log, where master does not give another.
 */
export async function runWorker(program: string, setup: WorkerSetup): Promise<void> {
  process.umask(0o077)
  process.on('SIGHUP', () => undefined)
  process.on('SIGINT', () => undefined)
  process.on('uncaughtException', dieOfBug)
  process.on('unhandledRejection', dieOfBug)
  // Standard error leads to master; a worker that outlives master may still write there.
  process.stderr.on('error', () => undefined)
  try {
    const args = parseWorkerArguments(process.argv.slice(2))
    await new Life(process.env[PROGRAM_VARIABLE] ?? program, args).run(setup)
  } catch (error) {
    if (error instanceof ConfigError) for (const text of error.warnings) log.warning(text)
    fatalExit(errnoText(error))
  }
}

function fatalExit(text: string): never {
  log.fatal(text)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FATAL_PAUSE_MS)
  process.exit(1)
}

/** A broken assumption: this process cannot be trusted any more; master starts another. */
function dieOfBug(error: unknown): never {
  log.panic(error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exit(1)
}

class Life {
  readonly #program: string
  readonly #args: WorkerArguments
  readonly #listeners: readonly number[]
  readonly #common: Config
  readonly #calm: Config
  readonly #log: OpenLog
  readonly #slots: Slots
  readonly #stop = new AbortController()
  readonly #load = new LoadWatch(() => this.#tell({ kind: 'busy' }))
  readonly #hasMaster = process.channel !== undefined
  #tense: Config | undefined
  #ticketKeys: TicketKeysClient | undefined
  #stress: boolean
  #serving: Serving | undefined
  #clients = 0
  #full = false
  #idleTimer: NodeJS.Timeout | undefined
  #idleMs = 0

  constructor(program: string, args: WorkerArguments) {
    this.#program = program
    this.#args = args
    this.#listeners = Array.from({ length: args.listeners }, (_, i) => FIRST_LISTENER_FD + i)
    process.title = [program, ...process.argv.slice(2)].join(' ')
    this.#common = loadConfig()
    const own = new Map([['process_name', program], ['service_name', args.name]])
    this.#calm = this.#common.withOverrides(new Map([...own, ...args.overrides]))
    this.#stress = this.#calm.str('stress') !== ''
    this.#slots = new Slots(Number(process.env[LIMIT_VARIABLE] ?? 0))
    this.#log = openProgramLog(this.#calm, { program, common: this.#common, verbose: args.verbose > 0 })
    setLog(this.#log)
    checkBasics(this.#calm)
  }

  async run(setup: WorkerSetup): Promise<void> {
    chdir(this.#calm.str('queue_directory'))
    useProxymap()
    const handlers = await setup(this.#worker())
    await loadingDone()
    this.#giveUpRights()
    const serving = new Serving(handlers, {
      type: this.#args.type,
      listeners: this.#listeners,
      backlog: LISTEN_BACKLOG,
      slots: this.#slots,
      onUse: () => this.#used(),
    })
    this.#serving = serving
    this.#idleMs = (handlers.maxIdle ?? this.#calm.time('max_idle')) * 1000
    this.#listenToMaster(handlers)
    if (process.connected) await this.#ticketKeys?.first()
    await serving.open()
    this.#watchSlots(serving)
    this.#tell({ kind: 'ready' })
    this.#rest()
  }

  #worker(): Worker {
    const config = (): Config => this.#config()
    const stress = (): boolean => this.#stress
    const slots = this.#slots
    return {
      program: this.#program,
      get config() {
        return config()
      },
      common: this.#common,
      log: this.#log,
      service: { name: this.#args.name, type: this.#args.type },
      args: this.#args.rest,
      stop: this.#stop.signal,
      get clientLimit() {
        return slots.limit
      },
      slots,
      get stress() {
        return stress()
      },
      useTicketKeys: (use) => {
        this.#ticketKeys = new TicketKeysClient(() => this.#tell({ kind: 'ticket-keys' }), use)
      },
    }
  }

  #config(): Config {
    if (!this.#stress) return this.#calm
    this.#tense ??= this.#calm.withOverrides(new Map([['stress', 'yes']]))
    return this.#tense
  }

  /** Everything that needs root or the whole file system has been opened. */
  #giveUpRights(): void {
    const owner = this.#args.unprivileged ? this.#mailOwner() : undefined
    if (this.#args.chroot) {
      // What loads files at its first use must do so before they are out of reach.
      clib()
      pageCacheId('.')
      new Date().getTimezoneOffset()
      chroot(this.#calm.str('queue_directory'))
      chdir('/')
    }
    if (owner !== undefined) becomeUser(owner)
  }

  #mailOwner(): NonNullable<ReturnType<typeof getpwnam>> {
    const name = this.#calm.str('mail_owner')
    const owner = getpwnam(name)
    if (owner === undefined) throw new Error(`file ${this.#calm.directory}/main.cf: parameter mail_owner: unknown user name value: ${name}`)
    return owner
  }

  #listenToMaster(handlers: WorkerHandlers): void {
    process.on('SIGTERM', () => this.#leave('stop', 0))
    process.on('disconnect', () => this.#orphaned(handlers))
    process.on('message', (message) => {
      if (isMasterMessage(message)) this.#obey(message)
    })
    if (this.#hasMaster && !process.connected) this.#orphaned(handlers)
  }

  #orphaned(handlers: WorkerHandlers): void {
    // After an orderly stop the clients at work are all that is left.
    if (!handlers.orphaned || this.#stop.signal.aborted) {
      this.#leave('master is gone')
      return
    }
    this.#serving?.close()
    handlers.orphaned().finally(() => this.#exit()).catch(dieOfBug)
  }

  #obey(message: MasterMessage): void {
    switch (message.kind) {
      case 'limit':
        this.#slots.limit = message.clients
        this.#report()
        break
      case 'stress':
        this.#stress = message.stress
        break
      case 'stop':
        this.#leave(message.reason, message.graceMs)
        break
      case 'ticket-keys':
        this.#ticketKeys?.got(Buffer.from(message.keys, 'base64'), message.lifeMs)
        break
      default:
        message satisfies never
    }
  }

  #tell(message: WorkerMessage): void {
    if (process.connected) process.send?.(message)
  }

  #used(): void {
    this.#load.measure(() => this.#slots.used > 0)
    if (this.#clients++ === 0) this.#tell({ kind: 'used' })
    // The built-in 100 is meant for a process with one client at a time; a site's own number is taken at its word.
    const perProcess = this.#calm.int('max_use') * (this.#calm.isSet('max_use') ? 1 : DEFAULT_USE_FACTOR)
    const most = perProcess * (this.#slots.limit > 0 ? this.#slots.limit : DEFAULT_PROCESSES)
    if (this.#idleMs > 0 && this.#clients >= most) this.#leave('max_use')
    else this.#rest()
  }

  #watchSlots(serving: Serving): void {
    serving.onSlots(() => {
      this.#report()
      this.#rest()
    })
  }

  /** Tells master when the limit is reached, and when there is room again. */
  #report(): void {
    if (this.#slots.full === this.#full) return
    this.#full = this.#slots.full
    this.#tell({ kind: 'full', full: this.#full })
  }

  /** Starts the time without clients anew. */
  #rest(): void {
    clearTimeout(this.#idleTimer)
    if (this.#idleMs === 0 || this.#stop.signal.aborted || this.#slots.used > 0) return
    this.#idleTimer = setTimeout(() => this.#leave('idle'), this.#idleMs)
  }

  /** Takes no more clients, and ends when those at work are done. */
  #leave(reason: string, graceMs?: number): void {
    if (graceMs !== undefined) setTimeout(() => this.#exit(), graceMs)
    if (this.#stop.signal.aborted) return
    clearTimeout(this.#idleTimer)
    this.#serving?.close()
    // An open listener would keep its address from the next master.
    for (const fd of this.#listeners) closeSync(fd)
    this.#tell({ kind: 'leaving' })
    this.#stop.abort(new Error(`No new clients: ${reason}`))
    if (reason === 'reload') reopenProgramLog(this.#log, this.#common)
    this.#finish().catch(dieOfBug)
  }

  async #finish(): Promise<void> {
    await this.#serving?.finished()
    this.#exit()
  }

  #exit(): void {
    this.#log.debug(`${this.#program}: exit after ${this.#clients} clients`)
    this.#log.flush()
    process.exit(0)
  }
}
