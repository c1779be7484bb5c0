/**
 * The door of a worker: accepts clients from a listener while there is room.
 *
 * In Postfix a service at its process limit does not accept; clients wait in the
 * backlog of the listener and are served in turn. node:net can only close a
 * listener, so each opening of the door listens on a copy of the descriptor,
 * and closing it gives up the copy. The listener itself stays, with its backlog.
 *
 * @module
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { dup } from '#system/posix.ts'

/** What lets clients in, or not. */
export type Gate = {
  /** Lets clients in from now on. Resolves when the first one could come. */
  open(): Promise<void>
  /** Lets no more in; those who come now wait. */
  close(): void
  /** Where clients come in, while open; `null` where that cannot be told. */
  readonly address: AddressInfo | string | null
}

/** What a door needs to know. */
export type DoorOptions = {
  /** The listener: bound and listening already. */
  readonly fd: number
  readonly backlog: number
  /** Whether a client that has sent all may still read our replies. */
  readonly halfOpen: boolean
  readonly onClient: (socket: Socket) => void
  readonly onError: (error: Error) => void
}

/** Wait before the next attempt to open a door that could not be opened. */
const RETRY_MS = 1000

/** One listener and whether this process accepts from it. */
export class Door implements Gate {
  readonly #options: DoorOptions
  #server: Server | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: DoorOptions) {
    this.#options = options
  }

  /** Whether clients are accepted. */
  get isOpen(): boolean {
    return this.#server !== undefined
  }

  /** The address of the listener, while open. A path for a UNIX socket. */
  get address(): AddressInfo | string | null {
    return this.#server?.address() ?? null
  }

  /** Accepts from now on. Resolves when the first client could come. */
  open(): Promise<void> {
    if (this.#server !== undefined) return Promise.resolve()
    const { fd, backlog, halfOpen, onClient } = this.#options
    let copy: number
    try {
      copy = dup(fd)
    } catch (error) {
      this.#retry(error instanceof Error ? error : new Error(String(error)))
      return Promise.resolve()
    }
    const server = createServer({ allowHalfOpen: halfOpen, noDelay: true }, onClient)
    this.#server = server
    return new Promise((resolve) => {
      server.on('error', (error) => {
        if (this.#server === server) {
          this.#server = undefined
          this.#retry(error)
        }
        resolve()
      })
      server.listen({ fd: copy, backlog }, resolve)
    })
  }

  /** No descriptor was left, for example: some client will give one back. */
  #retry(error: Error): void {
    this.#options.onError(error)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.open(), RETRY_MS)
  }

  /** Accepts no more. Clients that are in stay; those who come now wait in the backlog. */
  close(): void {
    clearTimeout(this.#timer)
    const server = this.#server
    this.#server = undefined
    server?.close()
  }
}
