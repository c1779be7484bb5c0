/**
 * One connection to a policy server, which stays open from one question to the next.
 *
 * A question at a time: the protocol says nothing of more, and servers of all sorts are out there.
 */
import type { Socket } from 'node:net'
import { errnoText } from '#system/errno.ts'
import { parsePolicyReply } from './policy-request.ts'

/** A reply that makes no sense. */
class ReplyError extends Error {}

/** The server hung up. */
class ServerGone extends Error {}

/** Nothing came in time. */
export class ServerSilent extends Error {}

/** A question that waits for its reply. */
type Question = { readonly resolve: (action: string) => void; readonly reject: (error: Error) => void }

/** A connected socket, and the question on it. */
export class PolicyConnection {
  readonly openedAt = performance.now()
  idleSince = this.openedAt
  /** Questions answered so far. */
  requests = 0
  readonly #socket: Socket
  readonly #gone: (connection: PolicyConnection) => void
  #question: Question | undefined
  /** What came of the reply. */
  #received: Buffer | undefined

  /** @param gone Called when the connection ends while there is no question. */
  constructor(socket: Socket, gone: (connection: PolicyConnection) => void) {
    this.#socket = socket
    this.#gone = gone
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new ServerGone()))
    socket.on('timeout', () => this.#fail(new ServerSilent()))
  }

  /** Whether a question can be asked, as far as is known. */
  get open(): boolean {
    return !this.#socket.destroyed && this.#socket.writable
  }

  /** Sends a request and gives the action of the reply; rejects with what went wrong, and is closed then. */
  ask(request: string, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#question = { resolve, reject }
      this.#socket.ref().setTimeout(timeoutMs)
      this.#socket.write(request)
    })
  }

  /** Waits for the next question, without keeping the process alive. @param idleMs Not longer; 0: no limit. */
  rest(idleMs: number): void {
    this.idleSince = performance.now()
    this.#socket.unref().setTimeout(idleMs)
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    const question = this.#question
    // Whatever an idle server says, it is not the answer to a question.
    if (question === undefined) return this.#fail(new ServerGone())
    const received = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk])
    const reply = parsePolicyReply(received)
    if (reply.kind === 'error') return this.#fail(new ReplyError(reply.reason))
    this.#received = reply.kind === 'more' ? received : undefined
    if (reply.kind === 'more') return undefined
    this.#question = undefined
    this.requests++
    return question.resolve(reply.action)
  }

  #fail(error: Error): void {
    const question = this.#question
    this.#question = undefined
    this.#socket.destroy()
    if (question === undefined) this.#gone(this)
    else question.reject(error)
  }
}

/** The trouble in the words of Postfix. */
export function reasonOf(error: unknown): string {
  // An end of input is no error to the system: Postfix prints what strerror(3) says of none.
  if (error instanceof ServerGone || error instanceof ReplyError) return 'Success'
  return error instanceof ServerSilent ? 'Connection timed out' : errnoText(error)
}

/** What else is to be said of it. */
export function detailOf(error: unknown, name: string): string | undefined {
  if (error instanceof ReplyError) return `${error.message} from ${name}`
  if (error instanceof ServerGone) return `premature end-of-input on ${name} while reading input attribute name`
  return error instanceof ServerSilent ? `timeout on ${name} while reading input attribute name` : undefined
}

/** Whether it may have come of a connection that the server no longer wanted. */
export function isDisconnect(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : ''
  return error instanceof ServerGone || error instanceof ReplyError || code === 'EPIPE' || code === 'ECONNRESET'
}
