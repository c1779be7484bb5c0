/**
 * Connections to the servers of a table: several hosts with the same content, tried in random
 * order, those on UNIX sockets first. A host that fails is left alone for a while.
 *
 * A worker serves many clients at once, so there can be more than one connection; tables
 * with the same hosts and login share them. Idle ones are used first, and closed in the end.
 *
 * Source: mysql_table(5), pgsql_table(5): hosts, idle_interval, retry_interval.
 *
 * @module
 */
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'

/** A connection as far as this file cares. */
export interface Connection {
  /** Whether the server has not closed it, as far as is known. */
  readonly alive: boolean
  /** The process may end while it is idle. */
  setIdle(idle: boolean): void
  close(): void
}

/** One host. */
export type ServerPlace<C> = {
  /** As the setting has it, for log lines. */
  readonly name: string
  readonly kind: 'unix' | 'inet'
  /** @throws {Error} With the reason; it is logged. */
  readonly connect: () => Promise<C>
}

/** Limits, and what tests replace. */
export type ServersOptions = {
  /** `mysql`, for log lines. */
  readonly type: string
  /** How long a host that failed is left alone. */
  readonly retryMs: number
  /** How long a connection may be idle before it is closed. */
  readonly idleMs: number
  /** Most connections at once. */
  readonly connectionsMax: number
  /** How long a lookup waits for a connection while all are busy. */
  readonly waitMs: number
  readonly now?: () => number
  /** From 0 up to, but not including, 1. */
  readonly random?: () => number
}

/**
 * What came of one try. `done`: there is an answer. `refused`: the server cannot answer this;
 * another one may. `lost`: the connection is of no more use.
 */
export type Attempt<R> = { readonly kind: 'done'; readonly value: R } | { readonly kind: 'refused' } | { readonly kind: 'lost' }

type Host<C> = { readonly place: ServerPlace<C>; downUntil: number }
type Lease<C> = { readonly host: Host<C>; readonly connection: C }
type IdleLease<C> = Lease<C> & { readonly timer: NodeJS.Timeout }

/** The connections of one or more tables. */
export class Servers<C extends Connection> {
  readonly #options: ServersOptions
  readonly #hosts: readonly Host<C>[]
  readonly #idle: IdleLease<C>[] = []
  readonly #waiting: (() => void)[] = []
  /** Connections in use or being made. */
  #busy = 0
  #closed = false

  constructor(places: readonly ServerPlace<C>[], options: ServersOptions) {
    this.#options = options
    // A single host may stand for many behind it: after one failure it is tried again at once.
    const all = places.length === 1 ? [...places, ...places] : places
    this.#hosts = all.map((place) => ({ place, downUntil: -Infinity }))
  }

  /**
   * Lets `attempt` use connections until one gives an answer, each host once.
   *
   * @param attempt Logs what it is refused. Never rejects.
   * @returns `undefined`: no host could be asked.
   */
  async run<R>(attempt: (connection: C, host: string) => Promise<Attempt<R>>): Promise<R | undefined> {
    const tried = new Set<Host<C>>()
    for (;;) {
      const lease = await this.#lease(tried)
      if (lease === undefined) return undefined
      const result = await attempt(lease.connection, lease.host.place.name)
      this.#giveBack(lease, result.kind === 'lost')
      if (result.kind === 'done') return result.value
      tried.add(lease.host)
    }
  }

  /** Closes idle connections now and busy ones when they are done. */
  close(): void {
    this.#closed = true
    for (const { connection, timer } of this.#idle.splice(0)) {
      clearTimeout(timer)
      connection.close()
    }
  }

  async #lease(tried: ReadonlySet<Host<C>>): Promise<Lease<C> | undefined> {
    const deadline = performance.now() + this.#options.waitMs
    for (;;) {
      const idle = this.#takeIdle(tried)
      if (idle !== undefined) return idle
      if (this.#busy >= this.#options.connectionsMax) {
        if (!(await this.#wait(deadline - performance.now()))) return undefined
        continue
      }
      const host = this.#pick(this.#hosts.filter((each) => !tried.has(each) && each.downUntil <= this.#now()))
      if (host === undefined) {
        // The place that this lookup does not take is for the next one.
        this.#waiting.shift()?.()
        return undefined
      }
      const connection = await this.#connect(host)
      if (connection !== undefined) return { host, connection }
    }
  }

  /** An idle connection that is still there, on a host that was not tried. */
  #takeIdle(tried: ReadonlySet<Host<C>>): Lease<C> | undefined {
    for (const dead of this.#idle.filter(({ connection }) => !connection.alive)) this.#drop(dead)
    const host = this.#pick([...new Set(this.#idle.map((lease) => lease.host))].filter((each) => !tried.has(each)))
    const lease = this.#idle.findLast((each) => each.host === host)
    if (lease === undefined) return undefined
    this.#forget(lease)
    this.#busy++
    lease.connection.setIdle(false)
    return lease
  }

  /** One at random; those on UNIX sockets come first. */
  #pick(hosts: readonly Host<C>[]): Host<C> | undefined {
    const local = hosts.filter(({ place }) => place.kind === 'unix')
    const from = local.length > 0 ? local : hosts
    return from[Math.trunc((this.#options.random ?? Math.random)() * from.length)]
  }

  async #connect(host: Host<C>): Promise<C | undefined> {
    this.#busy++
    const { type } = this.#options
    try {
      const connection = await host.place.connect()
      if (log.verbose) log.debug(`dict_${type}: successful connection to host ${host.place.name}`)
      return connection
    } catch (error) {
      log.warning(`connect to ${type} server ${host.place.name}: ${errnoText(error)}`)
      this.#setDown(host)
      this.#free()
      return undefined
    }
  }

  #giveBack({ host, connection }: Lease<C>, isLost: boolean): void {
    if (isLost) this.#setDown(host)
    if (isLost || this.#closed || !connection.alive) {
      connection.close()
    } else {
      connection.setIdle(true)
      const timer = setTimeout(() => this.#drop(lease), this.#options.idleMs)
      timer.unref()
      const lease: IdleLease<C> = { host, connection, timer }
      this.#idle.push(lease)
    }
    this.#free()
  }

  #drop(lease: IdleLease<C>): void {
    this.#forget(lease)
    lease.connection.close()
  }

  #forget(lease: IdleLease<C>): void {
    clearTimeout(lease.timer)
    const at = this.#idle.indexOf(lease)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  #free(): void {
    this.#busy--
    this.#waiting.shift()?.()
  }

  /** Waits until a connection is given back; whether one was, in time. */
  #wait(limitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        resolve(true)
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(done), 1)
        log.warning(`${this.#options.type}: all ${this.#busy} connections are busy`)
        resolve(false)
      }, Math.max(limitMs, 0))
      this.#waiting.push(done)
    })
  }

  #setDown(host: Host<C>): void {
    host.downUntil = this.#now() + this.#options.retryMs
  }

  #now(): number {
    return (this.#options.now ?? performance.now.bind(performance))()
  }
}
