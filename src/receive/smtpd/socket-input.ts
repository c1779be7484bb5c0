/**
 * Input of a connection: what smtp-server pipes the socket into. Its own parser
 * is not used: bytes go to the dialogue as they are, and the socket is not read
 * further until they are used.
 *
 * @module
 */
/* eslint-disable no-underscore-dangle -- the names of the package */
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { isPromise, type MaybePromise } from '#util/maybe.ts'

/** Who takes the input. */
export type InputTaker = {
  take(chunk: Uint8Array): MaybePromise<void>
  inputEnded(): void
}

/** One per connection, and a new one after STARTTLS: what came before the handshake is in the old one. */
export class SocketInput extends SMTPStream {
  readonly #taker: InputTaker

  constructor(taker: InputTaker) {
    super({ decodeStrings: true })
    this.#taker = taker
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: (error?: Error | null) => void): void {
    if (this.isClosed) {
      next()
      return
    }
    const used = this.#taker.take(chunk)
    if (!isPromise(used)) next()
    else used.then(() => next(), (error: unknown) => next(error instanceof Error ? error : new Error(String(error))))
  }

  /** At the end of input; a line without an end is no command. */
  override _flushData(): void {
    if (!this.isClosed) this.#taker.inputEnded()
  }
}
