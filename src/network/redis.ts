/**
 * A client of Redis: the one place that knows the package behind it.
 *
 * It connects at the first command, and again after the connection was lost; a command that meets a lost connection
 * is repeated once. Every step is bounded in time, and nothing is queued while there is no server.
 *
 * Source: https://redis.io/commands; ioredis 6.
 */
import type { Cluster as ClusterClass, Redis as RedisClass, RedisOptions } from 'ioredis'
import type { ConnectionOptions } from 'node:tls'
import { errnoText } from '#system/errno.ts'
import { within } from './database/connection.ts'
import { Kept } from './database/kept.ts'
import type { RedisPlace } from './redis-url.ts'

/** Which server, and how to talk to it. */
export type RedisSettings = {
  readonly place: RedisPlace
  /** Who we are to the sentinels. */
  readonly sentinel: { readonly user: string; readonly password: string }
  /** Made when the first connection needs it. @throws {Error} A file cannot be read. */
  readonly tls: () => ConnectionOptions
  /** For connecting, and for each command. */
  readonly timeoutMs: number
}

/** A command that reads. */
export type RedisCommand =
  | { readonly name: 'get'; readonly key: Uint8Array }
  | { readonly name: 'hget'; readonly key: Uint8Array; readonly field: Uint8Array }
  | { readonly name: 'sismember'; readonly key: Uint8Array; readonly member: Uint8Array }

/** No answer; the text is for the log. */
export class RedisFailure extends Error {
  override readonly name = 'RedisFailure'
}

/** The server refuses the command: asking again would not help. */
const REFUSAL_REGEXP = /^(?:ERR|WRONGTYPE|NOAUTH|WRONGPASS|NOPERM|MISCONF|CROSSSLOT|OOM)\b/
/** Who fails while connecting: the clearer of two reasons. */
const UNCLEAR_REGEXP = /^(?:Connection is closed\.?|Failed to refresh slots cache\.|None of startup nodes is available)$/
const TEXT_BYTES_MAX = 300

/** Options of each connection, also of those to the nodes of a cluster. */
function commonOptions({ place: { user, password, tls: isSecure }, tls, timeoutMs }: RedisSettings) {
  return {
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    connectionName: 'posthorn',
    ...(user === '' ? {} : { username: user }),
    ...(password === '' ? {} : { password }),
    ...(isSecure ? { tls: tls() } : {}),
  } satisfies RedisOptions
}

function optionsOf(settings: RedisSettings) {
  const { place: { kind, addresses, name, database, tls: isSecure }, sentinel, tls, timeoutMs } = settings
  const [first] = addresses
  return {
    ...commonOptions(settings),
    // Whoever asks decides what happens when there is no server.
    lazyConnect: true, enableOfflineQueue: false, retryStrategy: () => null,
    db: database,
    ...(kind === 'unix' ? { path: name } : {}),
    ...(kind === 'server' && first !== undefined ? { host: first.host, port: first.port } : {}),
    ...(kind === 'sentinel' ? {
      sentinels: [...addresses], name, sentinelRetryStrategy: () => null, sentinelCommandTimeout: timeoutMs,
      ...(sentinel.user === '' ? {} : { sentinelUsername: sentinel.user }),
      ...(sentinel.password === '' ? {} : { sentinelPassword: sentinel.password }),
      ...(isSecure ? { enableTLSForSentinelMode: true, sentinelTLS: tls() } : {}),
    } : {}),
  } satisfies RedisOptions
}

function newCluster(Cluster: typeof ClusterClass, settings: RedisSettings): ClusterClass {
  const { place: { addresses }, timeoutMs } = settings
  return new Cluster([...addresses], {
    lazyConnect: true, enableOfflineQueue: false, clusterRetryStrategy: () => null, slotsRefreshTimeout: timeoutMs,
    redisOptions: commonOptions(settings),
  })
}

/** One connection, or those to a cluster. */
class RedisConnection {
  readonly #client: RedisClass | ClusterClass
  #lost = false
  #reason: Error | undefined
  #asked = 0

  private constructor(client: RedisClass | ClusterClass) {
    this.#client = client
    client.on('error', (error: Error) => { this.#reason = error })
    client.on('end', () => { this.#lost = true })
  }

  /** @throws {RedisFailure} */
  static async open(settings: RedisSettings): Promise<RedisConnection> {
    const { Redis, Cluster } = await import('ioredis')
    const client = settings.place.kind === 'cluster' ? newCluster(Cluster, settings) : new Redis(optionsOf(settings))
    const connection = new RedisConnection(client)
    try {
      await within(settings.timeoutMs, client.connect(), 'timed out', () => connection.close())
      return connection
    } catch (error) {
      connection.close()
      throw connection.#failure(error)
    }
  }

  get lost(): boolean {
    return this.#lost
  }

  /** @throws {RedisFailure} */
  async ask(command: RedisCommand, timeoutMs: number): Promise<Uint8Array | number | null> {
    try {
      this.#hold(++this.#asked)
      return await within(timeoutMs, this.#send(command), 'timed out', () => this.close())
    } catch (error) {
      throw this.#failure(error)
    } finally {
      this.#hold(--this.#asked)
    }
  }

  close(): void {
    this.#lost = true
    this.#client.disconnect()
  }

  /** The process may end while nothing is asked. */
  #hold(asked: number): void {
    if (asked > 1) return
    for (const { stream } of 'nodes' in this.#client ? this.#client.nodes() : [this.#client]) {
      if (asked > 0) stream?.ref()
      else stream?.unref()
    }
  }

  #send(command: RedisCommand): Promise<Uint8Array | number | null> {
    const key = Buffer.from(command.key)
    if (command.name === 'get') return this.#client.getBuffer(key)
    if (command.name === 'hget') return this.#client.hgetBuffer(key, Buffer.from(command.field))
    return this.#client.sismember(key, Buffer.from(command.member))
  }

  #failure(error: unknown): RedisFailure {
    const text = errnoText(error)
    const clearer = UNCLEAR_REGEXP.test(text) && this.#reason !== undefined ? errnoText(this.#reason) : text
    return new RedisFailure(clearer.slice(0, TEXT_BYTES_MAX), { cause: error })
  }
}

/** A client of the servers in `settings`. */
export class RedisClient {
  readonly #settings: RedisSettings
  readonly #kept: Kept<RedisConnection>

  constructor(settings: RedisSettings) {
    this.#settings = settings
    this.#kept = new Kept(() => RedisConnection.open(settings))
  }

  /**
   * Asks.
   *
   * @returns The value, `null` where there is none; for `sismember` 1 or 0.
   * @throws {RedisFailure}
   */
  async ask(command: RedisCommand): Promise<Uint8Array | number | null> {
    const { timeoutMs } = this.#settings
    const connection = await this.#kept.get()
    try {
      return await connection.ask(command, timeoutMs)
    } catch (error) {
      if (!(error instanceof RedisFailure) || REFUSAL_REGEXP.test(error.message)) throw error
      this.#kept.drop(connection)
      // A server that does not answer does not do so the second time either.
      if (/timed out$/i.test(error.message) || this.#kept.closed) throw error
    }
    const again = await this.#kept.get()
    return again.ask(command, timeoutMs)
  }

  close(): void {
    this.#kept.close()
  }
}
