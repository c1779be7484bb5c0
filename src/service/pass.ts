/**
 * Clients that another program has accepted and looked at first: postscreen hands
 * them to smtpd over a UNIX socket (`pass` in master.cf).
 *
 * On each connection come one descriptor and one attribute list about the
 * client, then the sender closes.
 *
 * @module
 */
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { ReadinessWatch } from '#system/readiness.ts'
import { acceptClient, connectUnix, recvDatagram, recvDescriptor, sendDatagram, sendDescriptor } from '#system/sockets.ts'
import type { Gate } from './accept.ts'
import { AttributeDecoder, encodeAttributes, type Attribute, type AttributeList } from './attributes.ts'

/** What the gate of a pass service needs to know. */
export type PassGateOptions = {
  /** The listener: bound and listening already. */
  readonly fd: number
  readonly halfOpen: boolean
  readonly onClient: (socket: Socket, attributes: AttributeList) => void
  readonly onError: (error: Error) => void
}

const LIST_BYTES_MAX = 4096
/** How long a sender may take. */
const HANDOVER_MS = 10_000

/** Takes passed clients from one listener. */
export class PassGate implements Gate {
  readonly #options: PassGateOptions
  readonly #watch = new ReadinessWatch()
  #open = false

  constructor(options: PassGateOptions) {
    this.#options = options
  }

  readonly address = null

  open(): Promise<void> {
    if (!this.#open) this.#next()
    this.#open = true
    return Promise.resolve()
  }

  close(): void {
    this.#open = false
    this.#watch.unwatch(this.#options.fd)
  }

  #next(): void {
    this.#watch.watch(this.#options.fd, () => this.#accept())
  }

  #accept(): void {
    try {
      const connection = acceptClient(this.#options.fd)
      if (connection !== undefined) new Handover(connection, this.#watch, this.#options).start()
    } catch (error) {
      this.#options.onError(asError(error))
    }
    if (this.#open) this.#next()
  }
}

/** One connection that brings one client. */
class Handover {
  readonly #connection: number
  readonly #watch: ReadinessWatch
  readonly #options: PassGateOptions
  readonly #decoder = new AttributeDecoder(LIST_BYTES_MAX)
  readonly #timer: NodeJS.Timeout
  #client: number | undefined

  constructor(connection: number, watch: ReadinessWatch, options: PassGateOptions) {
    this.#connection = connection
    this.#watch = watch
    this.#options = options
    this.#timer = setTimeout(() => this.#fail(new Error('timeout while a client is passed on')), HANDOVER_MS)
  }

  start(): void {
    this.#watch.watch(this.#connection, () => this.#read())
  }

  #read(): void {
    try {
      this.#client ??= recvDescriptor(this.#connection)
      const list = this.#client === undefined ? undefined : this.#readList()
      if (list === undefined || this.#client === undefined) {
        this.start()
        return
      }
      const socket = new Socket({ fd: this.#client, readable: true, writable: true, allowHalfOpen: this.#options.halfOpen })
      this.#client = undefined
      this.#finish()
      this.#options.onClient(socket, list)
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  #readList(): AttributeList | undefined {
    const bytes = recvDatagram(this.#connection, LIST_BYTES_MAX)
    if (bytes === undefined) return undefined
    if (bytes.length === 0) throw new Error('a client was passed on without its description')
    return this.#decoder.push(bytes)[0]
  }

  #finish(): void {
    clearTimeout(this.#timer)
    this.#watch.unwatch(this.#connection)
    closeSync(this.#connection)
  }

  #fail(error: Error): void {
    this.#finish()
    if (this.#client !== undefined) closeSync(this.#client)
    this.#options.onError(error)
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/**
 * Passes a client on. The caller closes its own descriptor afterwards.
 *
 * @param path The socket of the pass service.
 * @throws {NodeJS.ErrnoException} `EAGAIN` when the service has no room in its backlog, `ENOENT`, `ECONNREFUSED`.
 */
export function passClient(path: string, client: number, attributes: readonly Attribute[]): void {
  const connection = connectUnix(path)
  try {
    sendDescriptor(connection, client)
    sendDatagram(connection, encodeAttributes(attributes))
  } finally {
    closeSync(connection)
  }
}
