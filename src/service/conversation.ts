/**
 * Requests and replies over a UNIX socket: many in flight on one connection,
 * each with one request type and one reply type that both ends share.
 *
 * A client connects at its first request, again after a lost connection, and
 * closes what it does not use, so that an idle service can end its workers.
 *
 * @module
 */
import { connect, type Socket } from 'node:net'
import { errnoCode, errnoText } from '#system/errno.ts'
import { FrameDecoder, FrameWriter } from './frame.ts'
import { isRecord } from './shape.ts'
import type { Slots } from './slots.ts'

/**
 * Why a request has no reply. `absent`: nobody listens; `lost`: the connection
 * ended first, and the request may or may not have been carried out; `failed`:
 * the service could not do it; `malformed`: the peer speaks something else.
 */
export type ConversationProblem = 'absent' | 'lost' | 'failed' | 'malformed'

/** A request without a reply. `cause` holds the error of the system, if there was one. */
export class ConversationError extends Error {
  override name = 'ConversationError'
  readonly problem: ConversationProblem

  constructor(problem: ConversationProblem, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.problem = problem
  }

  /** What happened, in the words of the log: `No such file or directory`. */
  get reason(): string {
    return errnoCode(this.cause) === undefined ? this.message : errnoText(this.cause)
  }
}

/** How requests of one connection are served. */
export type ServeOptions = {
  /** Requests wait for one of these places. */
  readonly slots?: Slots
  /** Called for a peer that breaks the protocol, or a handler that throws. */
  readonly onError?: (error: unknown) => void
}

/**
 * Answers requests on `socket` until the peer closes. Each request runs by
 * itself; replies go out in the order in which they are ready.
 *
 * @param handler Its exception becomes the `failed` of the client.
 */
export function serveConversation<Req, Rep>(
  socket: Socket,
  isRequest: (message: unknown) => message is Req,
  handler: (request: Req) => Promise<Rep> | Rep,
  { slots, onError = () => undefined }: ServeOptions = {},
): void {
  const decoder = new FrameDecoder()
  const writer = new FrameWriter(socket)
  const answer = async (id: number, request: Req, waited: boolean): Promise<void> => {
    const message = await outcome(id, () => handler(request), onError)
    await writer.send(waited ? { ...message, waited } : message)
  }
  // The place is given back after the reply was written: a worker that drains may end as soon as all are free.
  // Who is gone while a request waits asks somebody again: the next queue manager would have it carried out twice.
  const serve = (id: number, request: Req): Promise<void> => {
    if (slots === undefined) return answer(id, request, false)
    const waited = slots.full
    return slots.run(() => socket.destroyed ? undefined : answer(id, request, waited))
  }
  const take = (message: unknown): void => {
    if (!isRecord(message) || typeof message['id'] !== 'number' || !isRequest(message['request'])) {
      throw new ConversationError('malformed', 'Cannot read a request')
    }
    serve(message['id'], message['request']).catch(onError)
  }
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const message of decoder.push(chunk)) take(message)
    } catch (error) {
      onError(error)
      socket.destroy()
    }
  })
}

async function outcome<Rep>(id: number, work: () => Promise<Rep> | Rep, onError: (error: unknown) => void): Promise<object> {
  try {
    return { id, reply: await work() }
  } catch (error) {
    onError(error)
    return { id, error: errnoText(error) }
  }
}

/** The asking end of a conversation. */
export type Client<Req, Rep> = {
  /**
   * @param signal Ends the wait; the service may still carry out the request.
   * @throws {ConversationError} When there is no reply. @throws The reason of `signal`.
   */
  request(request: Req, signal?: AbortSignal): Promise<Rep>
  /** Closes all connections. Requests in flight are lost. */
  close(): void
}

export type ClientOptions = {
  /** Most connections at once; a request takes a new one while all are busy. Default 1. */
  readonly connections?: number
  /** After this long without a request a connection is closed. Default 5 s (ipc_idle). */
  readonly idleMs?: number
}

const DEFAULT_IDLE_MS = 5000

type Waiting<Rep> = { readonly resolve: (reply: Rep) => void; readonly reject: (error: unknown) => void }

/** One connection with its requests in flight. */
class Connection<Req, Rep> {
  readonly #socket: Socket
  readonly #path: string
  readonly #isReply: (message: unknown) => message is Rep
  readonly #waiting = new Map<number, Waiting<Rep>>()
  readonly #decoder = new FrameDecoder()
  readonly #writer: FrameWriter
  #connected = false
  #lastId = 0
  #ended = false
  #crowded = false

  constructor(path: string, isReply: (message: unknown) => message is Rep, idleMs: number, onEnd: () => void) {
    this.#path = path
    this.#isReply = isReply
    this.#socket = connect(path)
    this.#writer = new FrameWriter(this.#socket)
    this.#socket.setTimeout(idleMs)
    this.#socket.on('connect', () => (this.#connected = true))
    this.#socket.on('timeout', () => {
      if (this.#waiting.size === 0) this.#end(onEnd, new ConversationError('lost', 'idle'))
    })
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk, onEnd))
    this.#socket.on('error', (error) => this.#end(onEnd, this.#problem(error)))
    this.#socket.on('close', () => this.#end(onEnd, this.#problem()))
  }

  get busy(): number {
    return this.#waiting.size
  }

  /** A request that is made now shares its write with others of this turn. */
  get writing(): boolean {
    return this.#writer.waiting
  }

  /** Requests wait for a place at the other end, where another process may have one: it closes when all are answered. */
  get crowded(): boolean {
    return this.#crowded
  }

  ask(request: Req, signal: AbortSignal | undefined): Promise<Rep> {
    const id = ++this.#lastId
    void this.#writer.send({ id, request })
    return new Promise<Rep>((resolve, reject) => {
      const onAbort = (): void => this.#settle(id)?.reject(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      const forget = (): void => signal?.removeEventListener('abort', onAbort)
      this.#waiting.set(id, {
        resolve: (reply) => (forget(), resolve(reply)),
        reject: (error) => (forget(), reject(error)),
      })
      this.#socket.ref()
    })
  }

  close(onEnd: () => void): void {
    this.#end(onEnd, new ConversationError('lost', `Cannot wait for ${this.#path} as this end was closed`))
  }

  #settle(id: number): Waiting<Rep> | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#socket.unref()
    return waiting
  }

  #receive(chunk: Buffer, onEnd: () => void): void {
    try {
      for (const message of this.#decoder.push(chunk)) this.#take(message)
      if (this.#crowded && this.#waiting.size === 0) this.close(onEnd)
    } catch (error) {
      this.#end(onEnd, new ConversationError('malformed', `${this.#path}: malformed response`, error))
    }
  }

  #take(message: unknown): void {
    if (!isRecord(message) || typeof message['id'] !== 'number') throw new Error('no request id')
    const { reply, error, waited } = message
    this.#crowded ||= waited === true
    if (typeof error === 'string') {
      this.#settle(message['id'])?.reject(new ConversationError('failed', error))
    } else if (this.#isReply(reply)) {
      this.#settle(message['id'])?.resolve(reply)
    } else {
      throw new Error('unknown reply')
    }
  }

  #problem(cause?: unknown): ConversationError {
    if (this.#connected) return new ConversationError('lost', `${this.#path}: premature disconnect`, cause)
    return new ConversationError('absent', `connect to ${this.#path}: ${errnoText(cause)}`, cause)
  }

  #end(onEnd: () => void, error: ConversationError): void {
    if (this.#ended) return
    this.#ended = true
    onEnd()
    this.#socket.destroy()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const each of waiting) each.reject(error)
  }
}

/**
 * A client of the service at `path`, which is relative to the queue directory
 * (the directory of every worker). Nothing is connected yet.
 */
export function openClient<Req, Rep>(
  path: string,
  isReply: (message: unknown) => message is Rep,
  { connections = 1, idleMs = DEFAULT_IDLE_MS }: ClientOptions = {},
): Client<Req, Rep> {
  const open = new Set<Connection<Req, Rep>>()
  const add = (): Connection<Req, Rep> => {
    const connection = new Connection<Req, Rep>(path, isReply, idleMs, () => open.delete(connection))
    open.add(connection)
    return connection
  }
  const pick = (): Connection<Req, Rep> => {
    let best: Connection<Req, Rep> | undefined
    let usable = 0
    for (const each of open) {
      if (each.crowded) continue
      if (each.writing) return each
      usable += 1
      if (best === undefined || each.busy < best.busy) best = each
    }
    if (best === undefined) return add()
    return best.busy > 0 && usable < connections ? add() : best
  }
  return {
    request: async (request, signal) => {
      signal?.throwIfAborted()
      return pick().ask(request, signal)
    },
    close: () => {
      for (const each of open) each.close(() => open.delete(each))
    },
  }
}
