/**
 * Questions over UDP.
 *
 * To a name server on another machine every question has its own socket: a fresh
 * source port is half of the protection against forged answers (RFC 5452), the
 * random id the other half. Nobody can forge an answer of one on this machine,
 * the usual place for that of a mail server: what comes from outside under a
 * loopback address is dropped by the kernel. Questions to it share sockets that
 * stay open, which costs a third. All sockets are connected, so that the kernel
 * drops other senders and reports a port that nobody listens on at once.
 */
import { createSocket, type Socket } from 'node:dgram'
import { isIPv4, isIPv6 } from 'node:net'
import { decodeAnswer, type Decoded, type Query } from './message.ts'
import type { ServerAddress } from './resolv-conf.ts'

/** What came of a question. */
export type UdpAnswer =
  | Exclude<Decoded, { kind: 'stray' }>
  | { readonly kind: 'unreachable' | 'timeout' }

/** Questions at once on one socket: all their answers fit into its receive buffer. */
const QUESTIONS_MAX = 64

type Waiting = {
  readonly query: Query
  readonly timer: NodeJS.Timeout
  readonly settle: (answer: UdpAnswer) => void
}

/** A connected socket, and the questions on it that wait for their answers. */
class QuestionSocket {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended: (socket: QuestionSocket) => void
  #broken = false
  /** What is to be sent once the socket is connected. */
  #unsent: Buffer[] | undefined = []

  /** @param ended Called when no question waits any more. */
  constructor({ address, port }: ServerAddress, ended: (socket: QuestionSocket) => void) {
    this.#ended = ended
    this.#socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    this.#socket.on('error', () => this.#fail())
    this.#socket.on('message', (bytes) => this.#take(bytes))
    this.#socket.on('connect', () => {
      for (const bytes of this.#unsent ?? []) this.#socket.send(bytes)
      this.#unsent = undefined
    })
    this.#socket.connect(port, address)
    // The timers of the questions keep the process alive while there are any.
    this.#socket.unref()
  }

  /** Whether the socket could not be connected: no question can be asked on it. */
  get broken(): boolean {
    return this.#broken
  }

  /** Whether another question can be asked: there is room, and its id is not in use. */
  hasRoom(id: number): boolean {
    return !this.#broken && this.#waiting.size < QUESTIONS_MAX && !this.#waiting.has(id)
  }

  ask(query: Query, bytes: Buffer, timeoutMs: number): Promise<UdpAnswer> {
    return new Promise((settle) => {
      const timer = setTimeout(() => this.#finish(query.id, { kind: 'timeout' }), timeoutMs)
      this.#waiting.set(query.id, { query, timer, settle })
      if (this.#unsent === undefined) this.#socket.send(bytes)
      else this.#unsent.push(bytes)
    })
  }

  close(): void {
    this.#socket.removeAllListeners().on('error', () => undefined)
    this.#socket.close()
  }

  #take(bytes: Buffer): void {
    const id = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    const decoded = decodeAnswer(bytes, waiting.query)
    // A stray one may be a late answer or a forgery: the right one can still come.
    if (decoded.kind !== 'stray') this.#finish(id, decoded)
  }

  #finish(id: number, answer: UdpAnswer): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    if (this.#waiting.size === 0) this.#ended(this)
    waiting.settle(answer)
  }

  /** Nobody listens there, or there is no way. */
  #fail(): void {
    this.#broken = this.#unsent !== undefined
    for (const id of this.#waiting.keys()) this.#finish(id, { kind: 'unreachable' })
  }
}

/** Sockets that stay open, by server. */
const shared = new Map<string, QuestionSocket[]>()

/** Asks `server`, once. Never rejects. */
export function askOverUdp(
  server: ServerAddress, query: Query, bytes: Buffer, timeoutMs: number,
): Promise<UdpAnswer> {
  const isLocal = isOnThisMachine(server.address)
  const socket = isLocal ? sharedSocket(server, query.id) : new QuestionSocket(server, closeSocket)
  return socket.ask(query, bytes, timeoutMs)
}

/** Whether nobody but this machine can send from `address`. */
export function isOnThisMachine(address: string): boolean {
  return address === '::1' || (isIPv4(address) && address.startsWith('127.'))
}

function closeSocket(socket: QuestionSocket): void {
  socket.close()
}

function sharedSocket(server: ServerAddress, id: number): QuestionSocket {
  const name = `${server.address} ${server.port}`
  const sockets = shared.get(name) ?? []
  const free = sockets.find((socket) => socket.hasRoom(id))
  if (free !== undefined) return free
  const added = new QuestionSocket(server, (socket) => {
    // One is kept: more are only needed when many clients come at once.
    if (sockets[0] === socket && !socket.broken) return
    sockets.splice(sockets.indexOf(socket), 1)
    socket.close()
  })
  shared.set(name, sockets)
  sockets.push(added)
  return added
}
