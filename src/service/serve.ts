/**
 * Serving clients: what every worker does after its start, and what a test does
 * with a program's handlers in its own process.
 *
 * @module
 */
import { Socket, type AddressInfo } from 'node:net'
import type { ServiceType } from '#config/master-cf.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { dup, setSignalDriven } from '#system/posix.ts'
import { recvDatagram } from '#system/sockets.ts'
import { Door, type Gate } from './accept.ts'
import type { AttributeList } from './attributes.ts'
import { FrameDecoder } from './frame.ts'
import { PassGate } from './pass.ts'
import { Slots } from './slots.ts'
import { TRIGGER_BYTES_MAX } from './trigger.ts'

/** How a client came in. */
export type ClientInfo = {
  readonly type: ServiceType
  /** Which of the service's listeners, from 0. */
  readonly listener: number
  /** What the program that passed the client on says about it (`pass` services). */
  readonly attributes?: AttributeList
}

/** What a program does with its clients. A service needs one of the first four. */
export type WorkerHandlers = {
  /**
   * A client. It holds a place until its socket is closed and the promise, if any, is settled.
   */
  connection?(socket: Socket, info: ClientInfo): void | Promise<void>
  /** Bytes of a trigger, without the closing NUL. */
  trigger?(bytes: Uint8Array): void
  /** Our own one-way messages on the socket that also takes triggers. */
  frame?(message: unknown): void
  /** One datagram of a unix-dgram service. */
  datagram?(bytes: Uint8Array): void
  /** No more clients come: finish what is not a client. The process ends when this and all clients are done. */
  drain?(): Promise<void>
  /**
   * Master is gone without a word, and the next one starts another worker: resolve at once, then the process ends.
   * Default: clients at work are served to their end.
   */
  orphaned?(): Promise<void>
  /** Clients can come now. */
  started?(): void
  /** `false`: a connection takes no place, the program counts requests with `worker.slots`. Default `true`. */
  readonly counted?: boolean
  /** Whether a client that has sent all may still read replies: the program must end the socket. Default `false`. */
  readonly halfOpen?: boolean
  /** Overrides max_idle, in seconds; 0: the worker never ends by itself. */
  readonly maxIdle?: number
}

/** Where clients come from, and how many. */
export type ServeOptions = {
  readonly type: ServiceType
  /** Descriptors: bound and listening. They are kept. */
  readonly listeners: readonly number[]
  readonly backlog: number
  readonly slots: Slots
  /** Called for each client, trigger and datagram. */
  readonly onUse?: () => void
}

const DATAGRAM_BYTES_MAX = 65_536
/** Datagrams taken in one turn of the event loop, so that one talker does not stop everything else. */
const DATAGRAM_BATCH = 256

function onAcceptError(error: Error): void {
  log.warning(`accept connection: ${errnoText(error)}`)
}

/** A service at work. */
export class Serving {
  readonly #handlers: WorkerHandlers
  readonly #options: ServeOptions
  readonly #doors: Gate[] = []
  readonly #triggers = new Set<Socket>()
  readonly #others: Socket[] = []
  #closed = false
  #onSignal: (() => void) | undefined
  #listener: () => void = () => undefined
  #onEmpty: () => void = () => undefined

  constructor(handlers: WorkerHandlers, options: ServeOptions) {
    this.#handlers = handlers
    this.#options = options
  }

  /** Starts to take clients. */
  async open(): Promise<void> {
    const { type, listeners, slots } = this.#options
    if (type === 'unix-dgram') this.#openDatagrams(listeners)
    else if (type === 'fifo') for (const fd of listeners) this.#openFifo(fd)
    else this.#makeDoors()
    slots.onChange(() => this.#changed())
    await Promise.all(this.#doors.map((door) => door.open()))
    this.#handlers.started?.()
  }

  /** The addresses of the listeners, while open. */
  get addresses(): (AddressInfo | string | null)[] {
    return this.#doors.map((door) => door.address)
  }

  /** Calls `listener` when a client came or went. There is one listener. */
  onSlots(listener: () => void): void {
    this.#listener = listener
  }

  /** Takes no more clients. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const door of this.#doors) door.close()
    for (const socket of this.#others) socket.destroy()
    if (this.#onSignal !== undefined) process.off('SIGIO', this.#onSignal)
  }

  /** Resolves when all clients are done, and the program with what it does besides. Call `close()` first. */
  async finished(): Promise<void> {
    await this.#handlers.drain?.()
    if (this.#empty()) return
    const empty = Promise.withResolvers<void>()
    this.#onEmpty = empty.resolve
    await empty.promise
  }

  #empty(): boolean {
    return this.#options.slots.used === 0 && this.#options.slots.waiting === 0
  }

  #changed(): void {
    this.#adjust()
    this.#listener()
    if (this.#closed && this.#empty()) this.#onEmpty()
  }

  #adjust(): void {
    if (this.#closed || this.#handlers.counted === false) return
    for (const door of this.#doors) {
      if (this.#options.slots.full) door.close()
      else void door.open()
    }
  }

  #makeDoors(): void {
    const { listeners, backlog, type } = this.#options
    listeners.forEach((fd, listener) => {
      const halfOpen = this.#handlers.halfOpen ?? false
      this.#doors.push(type === 'pass'
        ? new PassGate({
          fd, halfOpen, onError: onAcceptError,
          onClient: (socket, attributes) => this.#client(socket, { type, listener, attributes }),
        })
        : new Door({ fd, backlog, halfOpen, onError: onAcceptError, onClient: (socket) => this.#client(socket, { type, listener }) }))
    })
  }

  #client(socket: Socket, info: ClientInfo): void {
    this.#options.onUse?.()
    socket.on('error', () => socket.destroy())
    if (this.#handlers.connection === undefined) this.#triggerClient(socket)
    else void this.#connectionClient(socket, info)
  }

  /** Never rejects: what goes wrong with one client must not end the others. */
  async #connectionClient(socket: Socket, info: ClientInfo): Promise<void> {
    const { counted = true } = this.#handlers
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    if (counted) this.#options.slots.take()
    try {
      await this.#handlers.connection?.(socket, info)
      await closed
    } catch (error) {
      log.error(`cannot serve a client: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    } finally {
      socket.destroy()
      if (counted) this.#options.slots.release()
    }
  }

  /** A trigger, or a stream of our frames: these begin with a zero byte. */
  #triggerClient(socket: Socket): void {
    this.#triggers.add(socket)
    socket.on('close', () => this.#triggers.delete(socket))
    const decoder = new FrameDecoder()
    let first = true
    let frames = false
    socket.on('data', (chunk: Buffer) => {
      if (first) frames = this.#handlers.frame !== undefined && chunk[0] === 0
      first = false
      if (frames) this.#takeFrames(socket, decoder, chunk)
      else this.#takeTrigger(socket, chunk)
    })
  }

  #takeFrames(socket: Socket, decoder: FrameDecoder, chunk: Buffer): void {
    let messages: unknown[]
    try {
      messages = decoder.push(chunk)
    } catch (error) {
      log.warning(`malformed request: ${errnoText(error)}`)
      socket.destroy()
      return
    }
    for (const message of messages) this.#handlers.frame?.(message)
  }

  #takeTrigger(socket: Socket, chunk: Buffer): void {
    const bytes = chunk.subarray(0, TRIGGER_BYTES_MAX)
    const end = bytes.at(-1) === 0 ? -1 : undefined
    socket.end()
    this.#handlers.trigger?.(bytes.subarray(0, end))
  }

  #openFifo(fd: number): void {
    const pipe = new Socket({ fd: dup(fd), readable: true, writable: false })
    this.#others.push(pipe)
    pipe.on('data', (chunk: Buffer) => {
      this.#options.onUse?.()
      this.#handlers.trigger?.(chunk.subarray(0, TRIGGER_BYTES_MAX))
    })
  }

  #openDatagrams(fds: readonly number[]): void {
    const receive = (fd: number): void => {
      if (this.#closed) return
      for (let i = 0; i < DATAGRAM_BATCH; i++) {
        const bytes = recvDatagram(fd, DATAGRAM_BYTES_MAX)
        if (bytes === undefined) return
        this.#options.onUse?.()
        this.#handlers.datagram?.(bytes)
      }
      setImmediate(receive, fd)
    }
    this.#onSignal = () => {
      for (const fd of fds) receive(fd)
    }
    process.on('SIGIO', this.#onSignal)
    for (const fd of fds) setSignalDriven(fd, true)
    this.#onSignal()
  }
}
