/**
 * The supervisor: the services of master.cf, their listeners and workers, from
 * start to stop, with reloads between.
 *
 * @module
 */
import { closeSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { readConfigFile } from '#config/load.ts'
import { isPending } from '#config/parameters/pending.ts'
import { MASTER_DEFAULTS, parseMasterCf, type ServiceEntry } from '#config/master-cf.ts'
import { monotonicClock } from '#system/clock.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { ReadinessWatch } from '#system/readiness.ts'
import type { User } from '#system/users.ts'
import { sendTrigger } from '#service/trigger.ts'
import { endpointsOf, endpointText, openEndpoint, type Endpoint } from './endpoints.ts'
import { processStarter, type WorkerStarter } from './process.ts'
import { findProgram } from './programs.ts'
import { Service, type ServiceTools } from './service.ts'
import { TicketKeys } from './ticket-keys.ts'
import { compareTables, isDisabled, lastEntries, serviceSpec, type ServiceSpec } from './table.ts'

/** How long workers may go on after SIGTERM: less than `postfix stop` waits before it kills. */
const STOP_GRACE_MS = 4000
/** How long after that the rest is killed. */
const KILL_AFTER_MS = 500
/** The longest delay that a timer of Node.js takes. */
const TIMER_MS_MAX = 2_147_483_647

/** Reads master.cf, resolves its services, and says which do not run. @throws {ConfigError} @throws {EndpointError} */
export async function readServices(config: Config): Promise<ServiceSpec[]> {
  const file = join(config.directory, 'master.cf')
  warnPending(config.names(), 'main.cf')
  const defaults = { ...MASTER_DEFAULTS, chroot: isOldest(config), processLimit: config.int('default_process_limit') }
  const parsed = parseMasterCf(readConfigFile(file), file, defaults, (text) => log.warning(text))
  const entries = lastEntries(parsed, (entry) => {
    log.warning(`duplicate master.cf entry for service "${entry.name}" (${entry.type}) -- using the last entry`)
  })
  const disabled = config.list('master_service_disable')
  const specs: ServiceSpec[] = []
  for (const entry of entries) {
    if (isDisabled(entry, disabled)) continue
    const spec = await specOf(entry, config, file)
    if (spec !== undefined) specs.push(spec)
  }
  return specs
}

/** Before level 1, `-` in the chroot column means yes. Source: master(5). */
function isOldest(config: Config): boolean {
  return Number.parseInt(config.str('compatibility_level'), 10) < 1
}

/** What a site sets and this version does not act on is said once, at each start. */
function warnPending(names: Iterable<string>, where: string): void {
  for (const name of names) if (isPending(name)) log.warning(`${where}: parameter ${name} has no effect in this version of Posthorn`)
}

async function specOf(entry: ServiceEntry, config: Config, file: string): Promise<ServiceSpec | undefined> {
  const program = findProgram(entry.command, config.str('daemon_directory'))
  if (program.kind === 'library') return undefined
  if (program.kind === 'unknown') {
    log.error(`${file}: line ${entry.line}: cannot run service ${entry.name}/${entry.type}: command ${entry.command}: ${program.reason}`)
    return undefined
  }
  warnPending(entry.overrides.keys(), `master.cf: ${entry.name}/${entry.type}`)
  try {
    return serviceSpec(entry, config, program, await endpointsOf(entry, config))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError(`${file}: line ${entry.line}: ${error.message}`)
  }
}

/** All services of one instance. */
export class Master {
  readonly #owner: User
  readonly #watch = new ReadinessWatch()
  readonly #services = new Map<string, Service>()
  /** Services that are gone from master.cf, while their workers finish. */
  readonly #leaving = new Set<Service>()
  readonly #listeners = new Map<string, number>()
  /** Not of the configuration: sessions are resumed after a reload too. */
  readonly #ticketKeys = new TicketKeys()
  #config: Config
  #starter: WorkerStarter
  #stopping = false
  #onStopped: () => void = () => undefined

  constructor(config: Config, owner: User) {
    this.#config = config
    this.#owner = owner
    this.#starter = processStarter(config)
  }

  /** Process ids of all workers. */
  get pids(): Set<number> {
    return new Set([...this.#services.values(), ...this.#leaving].flatMap((service) => service.pids))
  }

  /** Opens all listeners, then all services: nothing runs unless everything can be bound. */
  async start(specs: readonly ServiceSpec[]): Promise<void> {
    for (const spec of specs) for (const endpoint of spec.endpoints) await this.#listen(endpoint)
    for (const spec of specs) this.#add(spec)
  }

  /**
   * Goes on with another configuration. Listeners that both have stay as they are.
   *
   * @param specs Its services, from `readServices()`.
   */
  async reload(config: Config, specs: readonly ServiceSpec[]): Promise<void> {
    const before = [...this.#services.values()].map(({ spec }) => spec)
    const change = compareTables(before, specs)
    for (const endpoint of change.opened) await this.#listenOrWarn(endpoint)
    this.#config = config
    this.#starter = processStarter(config)
    for (const key of change.removedKeys) this.#remove(key)
    for (const spec of change.kept) this.#services.get(spec.key)?.replace(spec, this.#fds(spec))
    for (const text of change.closed) this.#unlisten(text)
    for (const spec of change.added) this.#add(spec)
  }

  /** Ends all workers; those that have work may go on for a few seconds. Resolves when all have ended. */
  async stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    const stopped = Promise.withResolvers<void>()
    this.#onStopped = stopped.resolve
    const all = [...this.#services.values(), ...this.#leaving]
    for (const service of all) service.stop(STOP_GRACE_MS)
    setTimeout(() => {
      for (const service of all) service.kill('SIGKILL')
    }, STOP_GRACE_MS + KILL_AFTER_MS).unref()
    this.#checkEmpty()
    await stopped.promise
  }

  #checkEmpty(): void {
    for (const service of this.#leaving) if (service.pids.length === 0) this.#leaving.delete(service)
    if (this.#stopping && this.pids.size === 0) this.#onStopped()
  }

  async #listen(endpoint: Endpoint): Promise<void> {
    const text = endpointText(endpoint)
    if (!this.#listeners.has(text)) this.#listeners.set(text, await openEndpoint(endpoint, this.#owner))
  }

  /** At a reload the mail system runs on without a listener that cannot be had. */
  async #listenOrWarn(endpoint: Endpoint): Promise<void> {
    try {
      await this.#listen(endpoint)
    } catch (error) {
      log.error(errnoText(error))
    }
  }

  #unlisten(text: string): void {
    const fd = this.#listeners.get(text)
    if (fd === undefined) return
    this.#listeners.delete(text)
    closeSync(fd)
    const path = /^(?:unix|datagram|fifo):(.*)$/.exec(text)?.[1]
    try {
      if (path !== undefined) unlinkSync(path)
    } catch (error) {
      log.warning(`remove ${path}: ${errnoText(error)}`)
    }
  }

  #fds(spec: ServiceSpec): number[] {
    return spec.endpoints.flatMap((endpoint) => this.#listeners.get(endpointText(endpoint)) ?? [])
  }

  #add(spec: ServiceSpec): void {
    const service = new Service(spec, this.#fds(spec), this.#tools())
    this.#services.set(spec.key, service)
    service.open()
  }

  #remove(key: string): void {
    const service = this.#services.get(key)
    if (service === undefined) return
    this.#services.delete(key)
    this.#leaving.add(service)
    service.close()
    this.#checkEmpty()
  }

  #tools(): ServiceTools {
    return {
      start: (spec, start, events) => this.#starter(spec, start, events),
      watch: this.#watch,
      after: (seconds, callback) => {
        const timer = setTimeout(callback, Math.min(seconds * 1000, TIMER_MS_MAX))
        return () => clearTimeout(timer)
      },
      now: () => monotonicClock.now(),
      wake: (spec) => wake(spec, this.#config.time('trigger_timeout')),
      // A receiver may have died between its last acknowledgment and its word to qmgr.
      onCrash: () => {
        for (const service of this.#services.values()) service.wakeNow()
      },
      ticketKeys: () => this.#ticketKeys.message(this.#config.time('smtpd_tls_session_cache_timeout'), monotonicClock.now()),
      onEmpty: () => this.#checkEmpty(),
    }
  }
}

/** Sends `W` to a service, as a client of it. */
function wake(spec: ServiceSpec, timeoutSeconds: number): void {
  const [endpoint] = spec.endpoints
  if (endpoint === undefined) return
  if (endpoint.kind === 'inet') {
    const host = endpoint.host === '0.0.0.0' ? '127.0.0.1' : endpoint.host === '::' ? '::1' : endpoint.host
    const socket = connect(endpoint.port, host, () => socket.end('W\0'))
    socket.on('error', (error) => log.warning(`connect to ${host}:${endpoint.port}: ${errnoText(error)}`))
    return
  }
  if (endpoint.kind === 'datagram') return
  sendTrigger(endpoint.path, 'W', timeoutSeconds * 1000).catch((error: unknown) => {
    log.warning(`unable to trigger ${endpoint.path}: ${errnoText(error)}`)
  })
}
