/**
 * A connection to a table server: one request at a time, each with one reply.
 *
 * The connection is made at the first request and kept. A server may close an
 * idle one: the request is then sent once more on a fresh connection.
 */
import { createConnection, type NetConnectOpts, type Socket } from 'node:net'

/** How long one request may take, connection and second try included. */
const REQUEST_TIMEOUT_MS = 100_000
/** A connection idle for longer is not used again. */
const IDLE_MAX_MS = 10_000

/** The server does not speak the protocol: asking again would not help. */
export class BadReply extends Error {
  override readonly name = 'BadReply'
}

/** Takes one reply off the front: the reply, or `undefined` while it is incomplete. Throws BadReply when it is malformed. */
export type TakeReply = (received: Buffer) => string | undefined

/** Where the server is, for `net.createConnection()` and for messages. */
export type ServerAddress = { readonly text: string; readonly connect: NetConnectOpts }

/** A client of one server. */
export class ReplyClient {
  readonly #address: ServerAddress
  readonly #takeReply: TakeReply
  #socket: Socket | undefined
  #usedAt = 0
  #last: Promise<unknown> = Promise.resolve()

  constructor(address: ServerAddress, takeReply: TakeReply) {
    this.#address = address
    this.#takeReply = takeReply
  }

  /**
   * Sends `request` when those before it are done.
   *
   * @throws {Error} No connection, a malformed reply, or no reply in time.
   */
  request(request: string | Uint8Array): Promise<string> {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
    const reply = this.#last.then(() => this.#send(request, signal))
    this.#last = reply.catch(() => undefined)
    return reply
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  async #send(request: string | Uint8Array, signal: AbortSignal): Promise<string> {
    if (performance.now() - this.#usedAt > IDLE_MAX_MS) this.close()
    const isReused = this.#socket !== undefined
    try {
      return await this.#exchange(request, signal)
    } catch (error) {
      this.close()
      if (!isReused || signal.aborted || error instanceof BadReply) throw error
    }
    return this.#exchange(request, signal).catch((error: unknown) => {
      this.close()
      throw error
    })
  }

  #exchange(request: string | Uint8Array, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted()
    const socket = (this.#socket ??= this.#connect())
    socket.ref()
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    let received = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk])
      try {
        const reply = this.#takeReply(received)
        if (reply !== undefined) resolve(reply)
      } catch (error) {
        reject(error)
      }
    }
    const onClose = (): void => reject(new Error(`lost connection with ${this.#address.text}`))
    const onAbort = (): void => reject(new Error(`timeout talking to ${this.#address.text}`))
    socket.on('data', onData).on('error', reject).on('close', onClose)
    signal.addEventListener('abort', onAbort)
    socket.write(request)
    return promise.finally(() => {
      socket.off('data', onData).off('error', reject).off('close', onClose)
      signal.removeEventListener('abort', onAbort)
      socket.unref()
      this.#usedAt = performance.now()
    })
  }

  #connect(): Socket {
    const socket = createConnection(this.#address.connect)
    // An error between two requests must not end the process; 'close' follows it.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined
    })
    return socket
  }
}

/** Reads `host:port`, `[host]:port`; `undefined` for anything else. */
export function inetAddress(text: string): ServerAddress | undefined {
  const [, host, port] = /^(\[[^\]]+\]|[^:]*):(\d{1,5})$/.exec(text) ?? []
  if (host === undefined || port === undefined) return undefined
  const name = host.replace(/^\[|\]$/g, '') || 'localhost'
  return { text: `${name}:${port}`, connect: { host: name, port: Number(port) } }
}
