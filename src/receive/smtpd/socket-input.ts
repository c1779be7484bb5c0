/**
 * Input of a connection. The parser of smtp-server is not used: bytes go to the dialogue as they are, and the socket is
 * not read much further until they are used.
 *
 * A socket that is not encrypted is read by its events: a pipe costs as much as a short command. After STARTTLS
 * smtp-server pipes the encrypted one into a new input.
 *
 * @module
 */
/* eslint-disable no-underscore-dangle -- the names of the package */
import type { Socket } from 'node:net'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { isPromise, type MaybePromise } from '#util/maybe.ts'

/** Who takes the input. */
export type InputTaker = {
  take(chunk: Uint8Array): MaybePromise<void>
  inputEnded(): void
}

/** Bytes that may wait for the dialogue before the socket is no longer read. */
const WAITING_BYTES_MAX = 65_536

/** One per connection, and a new one after STARTTLS: what came before the handshake is in the old one. */
export class SocketInput extends SMTPStream {
  readonly #taker: InputTaker
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #busy = false
  #ended = false

  constructor(taker: InputTaker) {
    super({ decodeStrings: true })
    this.#taker = taker
  }

  /** Takes what this socket receives, until the input is closed; what comes then is thrown away. */
  read(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      if (this.isClosed) return
      if (!this.#busy) this.#take(socket, chunk)
      else this.#keep(socket, chunk)
    })
    socket.on('end', () => {
      this.#ended = true
      if (!this.#busy) this._flushData()
    })
  }

  #take(socket: Socket, chunk: Buffer): void {
    const used = this.#taker.take(chunk)
    if (!isPromise(used)) return
    this.#busy = true
    used.then(() => this.#goOn(socket), (error: unknown) => this.destroy(asError(error)))
  }

  #keep(socket: Socket, chunk: Buffer): void {
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes >= WAITING_BYTES_MAX) socket.pause()
  }

  /** Takes all that waits; what waits together is taken together. */
  #goOn(socket: Socket): void {
    this.#busy = false
    if (this.isClosed) return
    if (this.#waitingBytes > 0) {
      const [first, ...more] = this.#waiting
      const chunk = first !== undefined && more.length === 0 ? first : Buffer.concat(this.#waiting)
      this.#waiting = []
      this.#waitingBytes = 0
      this.#take(socket, chunk)
    }
    if (this.#busy) return
    if (this.#ended) this._flushData()
    else if (socket.isPaused()) socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: (error?: Error | null) => void): void {
    if (this.isClosed) {
      next()
      return
    }
    const used = this.#taker.take(chunk)
    if (!isPromise(used)) next()
    else used.then(() => next(), (error: unknown) => next(asError(error)))
  }

  /** At the end of input; a line without an end is no command. */
  override _flushData(): void {
    if (!this.isClosed) this.#taker.inputEnded()
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
