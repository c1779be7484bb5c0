/**
 * The shell around a session: one client's socket, its TLS upgrade and its time
 * limits. Sockets, handshakes and teardown are smtp-server's; what is said on
 * them is the machine's.
 *
 * @module
 */
/* eslint-disable no-underscore-dangle -- the names of the package */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import type { SMTPServer } from 'smtp-server'
import type { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { handshakeProblems } from '#network/tls/log-lines.ts'
import { isPromise, type MaybePromise } from '#util/maybe.ts'
import { Deadline } from './deadline.ts'
import { Dialogue } from './dialogue.ts'
import { endSession } from './ending.ts'
import { Machine } from './machine.ts'
import { SocketInput } from './socket-input.ts'
import type { Session } from './session.ts'
import type { Settings } from './settings.ts'
import { establishedText, tlsStateOf } from './tls-state.ts'

/** The name the client asked for by SNI. */
function serverNameOf({ servername }: TLSSocket & { readonly servername?: string | false | null }): string | undefined {
  return typeof servername === 'string' ? servername : undefined
}

/** How long an early talker has to show up: two turns of the event loop, in which input is read. */
const TURNS_BEFORE_GREETING = 2

/** A session that may begin, or only be told why not. */
export type Admission = { readonly session: Session; readonly refusal: string | undefined }

/** Who has the connections: one server for each set of parameters. */
export type ConnectionOwner = SMTPServer & {
  readonly settings: Settings
  readonly tlsLogLevel: number
  /** Finds out who the client is, and whether it may have a session; undefined when that cannot be told. */
  admit(socket: Socket): Promise<Admission | undefined>
  /** The session is over. */
  release(session: Session): void
  /** A broken assumption within one session: it is to end, the others go on. */
  fail(connection: { abort(): void }, error: unknown): void
}

let lastId = 0

/** One client. */
export class Connection extends SMTPConnection {
  readonly #owner: ConnectionOwner
  readonly #outerListeners: readonly ((...args: unknown[]) => void)[]
  readonly #ended = Promise.withResolvers<void>()
  readonly #socketClosed = Promise.withResolvers<void>()
  readonly #deadline: Deadline
  #dialogue: Dialogue | undefined
  #session: Session | undefined
  #handshake: Socket | undefined
  #finished = false
  #contentBytes: number | undefined

  constructor(server: ConnectionOwner, socket: Socket) {
    // The package would make a random id; nobody sees this one.
    super(server, socket, { id: String(++lastId) })
    this.#owner = server
    this.#outerListeners = socket.listeners('close').map(
      (listener) => (...args) => void Reflect.apply(listener, socket, args),
    )
    this.#deadline = new Deadline(server.settings, () => this._onTimeout())
    // Clients may close their side and still read what we answer.
    socket.allowHalfOpen = true
  }

  /** Settles when the session is over: nothing of it is at work any more. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** The dialogue, once there is one; input goes to it. */
  take(chunk: Uint8Array): MaybePromise<void> {
    this.#deadline.received(chunk.length, this.#dialogue?.contentBytes !== undefined)
    return this.#dialogue?.push(chunk)
  }

  /** The client has closed its side, and all it sent is used. */
  inputEnded(): void {
    if (this.#dialogue !== undefined && !this.#dialogue.closed) this.#lost()
    this.close()
  }

  /** Ends the session at once. */
  abort(): void {
    this._socket.destroy()
    if (this.#session !== undefined || this.#finished) return
    this.#finished = true
    this.#ended.resolve()
  }

  override init(): void {
    this._setListeners(() => undefined)
    this.#start().catch((error: unknown) => this.#owner.fail(this, error))
  }

  async #start(): Promise<void> {
    const started = await this.#owner.admit(this._socket)
    if (started === undefined || this._closed) {
      this._socket.destroy()
      if (started !== undefined) this.#owner.release(started.session)
      this.#finished = true
      this.#ended.resolve()
      return
    }
    const { session, refusal } = started
    this.#session = session
    this.#dialogue = new Dialogue(new Machine(session), {
      send: (text) => this.#send(text),
      close: () => this.close(),
      startTls: () => this.upgrade(() => undefined, () => this.#afterHandshake(session)),
      sleep: (seconds) => this.#sleep(seconds),
    })
    if (refusal !== undefined) {
      this.#startReading()
      this.#dialogue.end(refusal)
    } else if (session.settings.tlsWrapper) {
      this.upgrade(() => undefined, () => this.#afterWrapper(session))
    } else {
      this.#startReading()
      await this.#turns(TURNS_BEFORE_GREETING)
      await this.#dialogue.greet()
    }
  }

  async #turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  #startReading(): void {
    if (this._parser instanceof SocketInput) this._parser.read(this._socket)
  }

  /** Called by the constructor of the package's class: fields of ours are not there yet. */
  override _createParser(): SMTPStream {
    return new SocketInput(this)
  }

  /** As the package does, but reading starts when the client is known. */
  override _setListeners(callback: () => void): void {
    this._socket.on('close', () => this._onClose())
    this._socket.on('error', (error) => this._onError(error))
    this._armTimeout()
    callback()
  }

  override _armTimeout(socket: Socket = this._socket): void {
    const { timeoutSeconds, starttlsSeconds } = this.#owner.settings
    const handshake = socket !== this._socket
    socket.setTimeout((handshake ? starttlsSeconds : timeoutSeconds) * 1000, () => this._onTimeout())
    if (!handshake) return
    this.#handshake = socket
    // A client that closes its side is served on, but not within a handshake.
    socket.once('end', () => {
      if (this._upgrading) socket.destroy(new Error('lost connection'))
    })
  }

  override _onTimeout(): void {
    if (this._closing) {
      this._socket.destroy()
    } else if (this._upgrading) {
      this.#handshake?.destroy(new Error('Connection timed out'))
    } else if (this.#dialogue?.waiting === true) {
      this.#contentBytes = this.#dialogue.contentBytes
      this.#dialogue.end(this.#dialogue.machine.timedOut())
    } else {
      // It is our turn, and the client waits.
      this._armTimeout()
    }
  }

  override _onError(error: Error): void {
    if (this._upgrading && this.#session !== undefined && this.#handshake !== undefined) {
      const { clientLabel, ports } = this.#session
      for (const { level, text } of handshakeProblems(error, clientLabel)) ports.log[level](text)
      // The package reports an error by two events.
      this.#handshake = undefined
    }
    this._socket.destroy()
  }

  override _onClose(): void {
    super._onClose()
    this.#deadline.stop()
    this.#socketClosed.resolve()
    if (this.#dialogue === undefined) return
    this.#lost()
    this.#dialogue.abandon()
    const settled = this.#dialogue.settled()
    if (settled === undefined) this.#finish()
    else void settled.then(() => this.#finish())
  }

  /** The client has gone, unless we have ended the session. */
  #lost(): void {
    if (this.#session === undefined || this.#dialogue?.closed !== false) return
    this.#session.endReason ??= 'lost connection'
    this.#contentBytes = this.#dialogue.contentBytes
  }

  #finish(): void {
    if (this.#finished || this.#session === undefined) return
    this.#finished = true
    endSession(this.#session, this.#contentBytes)
    this.#owner.release(this.#session)
    this.#ended.resolve()
  }

  /** The package takes all listeners off the socket, also those of who gave it to us. */
  override upgrade(callback: () => void, secureCallback?: () => void): void {
    const raw = this._socket
    super.upgrade(callback, secureCallback)
    for (const listener of this.#outerListeners) raw.on('close', listener)
  }

  #afterHandshake(session: Session): void {
    this.#noteTls(session)
    this.#continue(this.#dialogue?.secured())
  }

  #afterWrapper(session: Session): void {
    this.#noteTls(session)
    this.#continue(this.#greetSecured())
  }

  async #greetSecured(): Promise<void> {
    await this.#dialogue?.secured()
    if (this.#dialogue?.closed === false) await this.#dialogue.greet()
  }

  #noteTls(session: Session): void {
    const socket = this._socket
    this.#handshake = undefined
    if (!(socket instanceof TLSSocket)) return
    session.tls = tlsStateOf(socket, session.settings)
    if (this.#owner.tlsLogLevel >= 1) {
      session.ports.log.info(establishedText(session.tls, session.clientLabel, serverNameOf(socket)))
    }
  }

  #continue(work: MaybePromise<void>): void {
    if (isPromise(work)) work.catch((error: unknown) => this.#owner.fail(this, error))
  }

  /** The package's own replies, such as the one at shutdown. */
  override send(code: number, data?: string | string[] | null): void {
    this.#dialogue?.end(`${code} ${Array.isArray(data) ? data.join(' ') : (data ?? '')}\r\n`)
  }

  #send(text: string): Promise<void> | undefined {
    const socket = this._socket
    if (this._upgrading || socket.destroyed || !socket.writable) return undefined
    this.#deadline.start()
    if (socket.write(text)) return undefined
    // A client that does not read its replies is not served further until it does.
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done)
        socket.off('close', done)
        resolve()
      }
      socket.on('drain', done)
      socket.on('close', done)
    })
  }

  async #sleep(seconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, seconds * 1000)
    await Promise.race([promise, this.#socketClosed.promise])
    clearTimeout(timer)
  }
}
