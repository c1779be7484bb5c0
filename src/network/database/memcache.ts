/**
 * A client of one memcached server, in its text protocol.
 *
 * Requests are written at once, one behind the other, and answered in order. A request that fails is repeated on a
 * fresh connection after a pause; where the server takes no connection, at once it is given up.
 *
 * Source: memcached's protocol.txt; memcache_table(5), max_try, retry_pause, timeout.
 */
import { createConnection, type NetConnectOpts, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { errnoText } from '#system/errno.ts'
import { servicePort } from '#system/sockets.ts'
import { takeGetReply, takeLine, unexpected, UnexpectedReply, type GetReply, type ReplyLimits, type Taken } from './memcache-reply.ts'

/** Where the server is. */
export type MemcacheServer = { readonly text: string; readonly connect: NetConnectOpts }

/** How to talk to it. */
export type MemcacheOptions = ReplyLimits & {
  readonly server: MemcacheServer
  /** How often a request is sent, at most. */
  readonly tries: number
  readonly retryPauseMs: number
  readonly timeoutMs: number
}

/** The server takes no connection. The text is the warning for the log. */
export class CannotConnect extends Error {
  override readonly name = 'CannotConnect'
}

/** What a change did. */
export type ChangeReply = 'done' | 'absent'

type Waiting = {
  /** Whether the reply was whole, and has been handed on. */
  readonly take: (received: Buffer) => number | undefined
  readonly reject: (error: Error) => void
}

const KEEP_ALIVE_MS = 60_000

/** One connection. */
class Connection {
  readonly #socket: Socket
  readonly #waiting: Waiting[] = []
  #received: Buffer = Buffer.alloc(0)
  #lost: Error | undefined
  readonly #opened: Promise<void>

  constructor({ connect, text }: MemcacheServer, timeoutMs: number) {
    const socket = createConnection(connect)
    this.#socket = socket
    socket.setKeepAlive(true, KEEP_ALIVE_MS).setNoDelay(true)
    let cause: Error | undefined
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#opened = promise
    promise.catch(() => undefined)
    const signal = AbortSignal.timeout(timeoutMs)
    const refuse = (why: string): void => reject(new CannotConnect(`connect to ${text}: ${why}`))
    const onTimeout = (): void => {
      refuse('Connection timed out')
      socket.destroy()
    }
    signal.addEventListener('abort', onTimeout)
    socket.once('connect', () => {
      signal.removeEventListener('abort', onTimeout)
      resolve()
    })
    socket.on('error', (error) => { cause = error })
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('close', () => {
      signal.removeEventListener('abort', onTimeout)
      refuse(errnoText(cause ?? new Error('Connection refused')))
      this.end(cause ?? new Error('lost connection'))
    })
  }

  get lost(): boolean {
    return this.#lost !== undefined
  }

  /** @throws {CannotConnect} */
  opened(): Promise<void> {
    return this.#opened
  }

  /** Sends a request. @throws {Error} No reply, or a wrong one. */
  ask<T>(request: Uint8Array, take: (received: Buffer) => Taken<T> | undefined, timeoutMs: number): Promise<T> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#waiting.push({
      reject,
      take: (received) => {
        const taken = take(received)
        if (taken !== undefined) resolve(taken.reply)
        return taken?.length
      },
    })
    this.#socket.ref()
    this.#socket.write(request)
    const signal = AbortSignal.timeout(timeoutMs)
    const onTimeout = (): void => this.end(new Error('timed out'))
    signal.addEventListener('abort', onTimeout)
    return promise.finally(() => {
      signal.removeEventListener('abort', onTimeout)
      if (this.#waiting.length === 0) this.#socket.unref()
    })
  }

  end(error: Error): void {
    if (this.#lost !== undefined) return
    this.#lost = error
    this.#socket.destroy()
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    try {
      for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
        const length = first.take(this.#received)
        if (length === undefined) return
        this.#waiting.shift()
        this.#received = this.#received.subarray(length)
      }
      // Nobody asked for it: replies and requests would not fit together from now on.
      if (this.#received.length > 0) this.end(unexpected(this.#received.toString('latin1')))
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)))
    }
  }
}

/** A client of the server in `options`. */
export class MemcacheClient {
  readonly #options: MemcacheOptions
  #connection: Connection | undefined
  #closed = false

  constructor(options: MemcacheOptions) {
    this.#options = options
  }

  /** The data of a key. @throws {CannotConnect | Error} After all tries; the text is for the log. */
  get(key: Uint8Array): Promise<GetReply> {
    return this.#try(Buffer.concat([Buffer.from('get '), key, Buffer.from('\r\n')]), (received) => takeGetReply(received, key, this.#options))
  }

  /** Stores data. @throws {CannotConnect | Error} */
  async set(key: Uint8Array, data: Uint8Array, flags: number, ttlSeconds: number): Promise<void> {
    const head = Buffer.from(` ${flags} ${ttlSeconds} ${data.length}\r\n`)
    await this.#try(Buffer.concat([Buffer.from('set '), key, head, data, Buffer.from('\r\n')]), this.#line('update', ['STORED']))
  }

  /** Removes a key. @throws {CannotConnect | Error} */
  async delete(key: Uint8Array): Promise<ChangeReply> {
    const request = Buffer.concat([Buffer.from('delete '), key, Buffer.from('\r\n')])
    return await this.#try(request, this.#line('delete', ['DELETED', 'NOT_FOUND'])) === 'DELETED' ? 'done' : 'absent'
  }

  close(): void {
    this.#closed = true
    this.#connection?.end(new Error('the table is closed'))
  }

  #line(operation: string, good: readonly string[]) {
    return (received: Buffer): Taken<string> | undefined => {
      const line = takeLine(received, this.#options)
      if (line !== undefined && !good.includes(line.reply)) throw new UnexpectedReply(`${operation} failed: ${line.reply.slice(0, 100)}`)
      return line
    }
  }

  async #try<T>(request: Uint8Array, take: (received: Buffer) => Taken<T> | undefined): Promise<T> {
    const { server, tries, retryPauseMs, timeoutMs } = this.#options
    for (let count = 1; ; count++) {
      if (this.#connection === undefined || this.#connection.lost) this.#connection = new Connection(server, timeoutMs)
      const connection = this.#connection
      await connection.opened()
      try {
        return await connection.ask(request, take, timeoutMs)
      } catch (error) {
        if (count >= tries || this.#closed) throw error
      }
      await pause(retryPauseMs)
    }
  }
}

/**
 * Reads `inet:host:port`, `inet:[address]:port` or `unix:/path`.
 *
 * @returns The server, or why there is none.
 */
export function memcacheServer(text: string): MemcacheServer | string {
  const [, transport, endpoint] = /^([^:]+):(.+)$/s.exec(text) ?? []
  if (transport === undefined || endpoint === undefined) return `need service transport:endpoint instead of "${text}"`
  if (transport === 'unix' || transport === 'local') return { text: endpoint, connect: { path: endpoint } }
  if (transport !== 'inet') return `invalid transport name: ${transport} in service: ${text}`
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|([^:]*)):([^:]+)$/.exec(endpoint) ?? []
  const host = bracketed ?? plain
  if (host === undefined || portText === undefined) return `need service transport:endpoint instead of "${text}"`
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : servicePort(portText)
  if (port === undefined || port > 65535) return `unknown service: ${portText} in service: ${text}`
  return { text: endpoint, connect: { host: host === '' ? 'localhost' : host, port } }
}
