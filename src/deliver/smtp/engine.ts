/**
 * The connection engine: nodemailer's SMTPConnection under our own conversation.
 *
 * From the package come the reading of replies, their order, STARTTLS and SASL.
 * Ours are the socket (addresses, bind, time limits), what is said and when, and what
 * a broken connection is called.
 *
 * Source: RFC 5321 §4.2; nodemailer 10.6.0, lib/smtp-connection.
 */
/* eslint-disable no-underscore-dangle -- the names of the package */
import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { SMTPConnectionAuth } from 'nodemailer/lib/smtp-connection'
import { HIDDEN, withoutSecret, type Transcript } from '#mail/transcript.ts'
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'
import { isAscii } from '#util/ascii.ts'
import { ConnectionBase } from './engine-base.ts'
import { parseServerReply, type ServerReply } from './failure.ts'
import type { Stage, StageTimes } from './stage.ts'

/** A connection that broke off. */
export class ConnectionBroken extends Error {
  override readonly name = 'ConnectionBroken'
  /** `eof`: closed or reset; `timeout`: nothing came in time; `handshake`: TLS was not reached. */
  readonly kind: 'eof' | 'timeout' | 'handshake'
  readonly stage: Stage

  constructor(kind: ConnectionBroken['kind'], stage: Stage, cause?: unknown) {
    super(`connection broken (${kind}) at stage ${stage}`, { cause })
    this.kind = kind
    this.stage = stage
  }
}

/** A command, and the stage that waits for its reply. */
export type Command = { readonly line: string; readonly stage: Stage }

/** Called for each reply, in the order of the commands. */
export type OnReply = (reply: ServerReply, index: number, raw: string) => void

/** Options of a TLS handshake, and the name for SNI. */
export type TlsStart = { readonly options: ConnectionOptions; readonly servername: string | false }

/** Longer than any stage: the package's own limits never strike. */
const NEVER_MS = 2 ** 31 - 1
/** A server that sends more than this without ending its reply is cut off. */
const REPLY_BYTES_MAX = 256 * 1024
/** Of one reply this much is shown to postmaster, as Postfix has it (line_length_limit). */
const REPLY_SHOWN_BYTES_MAX = 2048
/** How long a server may take to close after QUIT. */
const CLOSE_TIMEOUT_MS = 5000

type Waiter = { readonly resolve: () => void; readonly reject: (error: Error) => void }

const IGNORE = (): void => undefined

/** What the engine is told about its connection. */
export type EngineOptions = {
  readonly name: string
  readonly lmtp: boolean
  readonly times: StageTimes
  /** Limits are for a whole step, not for the silence in it: no server can stretch one by single bytes. */
  readonly deadline?: boolean
}

/** One connection to one server. */
export class SmtpEngine extends ConnectionBase {
  /** What is being waited for. */
  stage: Stage | 'idle' = 'idle'
  /** The server said something that is no reply. */
  spokeNonsense = false
  /** Takes note of what is said; undefined: nobody wants to know. */
  transcript: Transcript | undefined
  /** Why the connection cannot be used any more. */
  broken: ConnectionBroken | undefined
  readonly #times: StageTimes
  readonly #deadline: boolean
  #deadlineTimer: NodeJS.Timeout | undefined
  #waiter: Waiter | undefined
  #transferWaiter: Waiter | undefined
  #greeting = ''
  /** Whether the answer to QUIT matters to anyone. */
  #hearsQuit = false
  #garbage = ''
  #onIdleEnd: (() => void) | undefined
  #timeoutSeconds = -1

  constructor(socket: Socket, { name, lmtp, times, deadline = false }: EngineOptions) {
    super({
      connection: socket, name, lmtp, logger: false, host: 'localhost', port: 25, secure: false,
      connectionTimeout: NEVER_MS, greetingTimeout: NEVER_MS, socketTimeout: NEVER_MS,
      socketCloseTimeout: CLOSE_TIMEOUT_MS, maxResponseSize: REPLY_BYTES_MAX,
    })
    this.#times = times
    this.#deadline = deadline
    // Errors reach whoever waits; without a listener the package's event would end the process.
    this.on('error', IGNORE)
  }

  /** Whether nothing more can be said. */
  get closed(): boolean {
    return this._destroyed
  }

  /** The socket, after a handshake that of TLS. */
  get socket(): Socket | undefined {
    const socket = this._socket
    return socket ? socket : undefined
  }

  /**
   * Starts to read.
   *
   * @param tls Start TLS before anything is said (wrapper mode).
   * @throws {ConnectionBroken}
   */
  async greeting(tls?: TlsStart): Promise<{ reply: ServerReply; raw: string }> {
    if (tls !== undefined) this.#prepareTls(tls)
    this.secureConnection = tls !== undefined
    this.#await(tls === undefined ? 'greeting' : 'starttls')
    this.connect()
    await new Promise<void>((resolve, reject) => (this.#waiter = { resolve, reject }))
    return { reply: parseServerReply(this.#greeting), raw: this.#greeting }
  }

  /** Sends one command. @throws {ConnectionBroken} */
  async command(line: string, stage: Stage): Promise<{ reply: ServerReply; raw: string }> {
    let answer: { reply: ServerReply; raw: string } | undefined
    await this.exchange([{ line, stage }], (reply, _index, raw) => (answer = { reply, raw }))
    return answer ?? { reply: parseServerReply(''), raw: '' }
  }

  /**
   * Sends commands in one write and takes their replies.
   *
   * @throws {ConnectionBroken} After the replies that came have been given to `onReply`.
   */
  exchange(commands: readonly Command[], onReply: OnReply): Promise<void> {
    this.expect(commands.map(({ stage }) => stage), onReply)
    let text = ''
    for (const { line } of commands) {
      text += `${line}\r\n`
      this.transcript?.out(line)
    }
    this.write(isAscii(text) ? text : Buffer.from(encodeRaw(text)))
    return this.settled()
  }

  /** Takes note of replies to come, one for each of `stages`. `settled()` waits for them. */
  expect(stages: readonly Stage[], onReply: OnReply): void {
    const [first] = stages
    if (first !== undefined) this.#await(first)
    stages.forEach((_stage, index) => {
      const next = stages[index + 1]
      this._responseActions.push((raw) => {
        const reply = parseServerReply(raw)
        if (stages[index] !== 'quit' || this.#hearsQuit) this.#heard(raw)
        if (next === undefined) this.#rest()
        else this.#await(next)
        onReply(reply, index, raw)
        if (next === undefined) this.#settle()
      })
    })
  }

  /** Until the expected replies are there. @throws {ConnectionBroken} */
  settled(): Promise<void> {
    if (this.broken !== undefined) return Promise.reject(this.broken)
    if (this._responseActions.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => (this.#waiter = { resolve, reject }))
  }

  /** Whether all expected replies are there. */
  get isSettled(): boolean {
    return this._responseActions.length === 0
  }

  /** Puts bytes on the wire. */
  write(bytes: string | Uint8Array): void {
    const socket = this._socket
    if (!socket || socket.destroyed || this.closed) return
    if (typeof bytes === 'string') socket.write(bytes, 'latin1')
    else socket.write(bytes)
  }

  /**
   * Puts bytes on the wire and waits until they have left this process: then their memory may be used again.
   * `undefined`: there is nothing to wait for.
   *
   * @throws {ConnectionBroken}
   */
  transfer(bytes: Uint8Array): Promise<void> | undefined {
    const socket = this._socket
    if (!socket || socket.destroyed || this.closed) return undefined
    let done = IGNORE
    // After an error whoever waits is told by the end of the connection.
    socket.write(bytes, (error) => { if (!error) done() })
    if (socket.writableLength === 0) return undefined
    return new Promise((resolve, reject) => {
      done = resolve
      this.#transferWaiter = { resolve, reject }
    })
  }

  /** From now on the time limit of this stage counts. */
  enter(stage: Stage): void {
    this.#await(stage)
  }

  /**
   * Turns TLS on, after the server has agreed to it.
   *
   * @throws {ConnectionBroken} Of kind `handshake`.
   */
  startTls(tls: TlsStart): Promise<void> {
    this.#prepareTls(tls)
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      this.stage = 'starttls'
      this._upgradeConnection((error) => {
        if (error !== null) return this._onError(error)
        this.#timeoutSeconds = -1
        this.#await('starttls')
        this.#settle()
      })
      // The package has set its own limit on the new socket.
      this.#timeoutSeconds = -1
      this.#await('starttls')
    })
  }

  #prepareTls({ options, servername }: TlsStart): void {
    this.options.tls = options
    this.servername = servername
  }

  /** Authenticates with one mechanism of the package. @throws The package's error, or `ConnectionBroken`. */
  authenticate(auth: SMTPConnectionAuth): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#await('auth')
      this.#waiter = { resolve, reject }
      this.login(auth, (error) => {
        if (this.broken !== undefined) return
        this.#rest()
        this.#waiter = undefined
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  /**
   * The QUIT that went out with the last bytes is to be answered.
   *
   * @param wait The answer is waited for.
   */
  expectQuit(wait: boolean): void {
    const { stage } = this
    this.#hearsQuit = wait
    this.transcript?.out('QUIT')
    this.expect(['quit'], IGNORE)
    if (stage !== 'idle') this.enter(stage)
  }

  /**
   * Sends the last command, and QUIT with it: no reply of the one changes the other.
   *
   * @param wait The answer to QUIT is waited for.
   * @throws {ConnectionBroken}
   */
  lastCommand(line: string, stage: Stage, wait: boolean): Promise<void> {
    this.expect([stage], IGNORE)
    this.transcript?.out(line)
    this.write(`${line}\r\nQUIT\r\n`)
    this.expectQuit(wait)
    return this.settled()
  }

  /** Says QUIT, if anyone listens, and closes; what the server answers does not matter. */
  async leave(wait: boolean): Promise<void> {
    if (!this.closed) {
      this.#hearsQuit = wait
      const said = this.exchange([{ line: 'QUIT', stage: 'quit' }], IGNORE).catch(IGNORE)
      if (wait) await said
    }
    this.close()
  }

  /**
   * Lets the connection wait for its next message. When the server leaves, or
   * after `seconds`, it is closed and `onEnd` is called.
   */
  idle(seconds: number, onEnd: () => void): void {
    this.#onIdleEnd = onEnd
    this.stage = 'idle'
    this.#timeoutSeconds = seconds
    if (this._socket) this._socket.setTimeout(seconds * 1000)
  }

  /** The wait is over: the connection is in use again. */
  resume(): void {
    this.#onIdleEnd = undefined
  }

  override _actionGreeting(raw: string): void {
    this._clearPhase()
    this.#rest()
    this.#greeting = raw
    this.#heard(raw)
    this.#settle()
  }

  /** The package's limits on the new connection are replaced by that of the stage. */
  override _onConnect(): void {
    super._onConnect()
    this.#timeoutSeconds = -1
    this.#await('greeting')
  }

  /**
   * Gives whole replies to those who wait for them, all that are there: a server may close
   * right behind them. 421 needs no care of its own: what was sent along may still be
   * answered, and the end of the connection comes by itself.
   */
  override _processResponse(): void {
    for (let reply = this.#nextReply(); reply !== undefined; reply = this.#nextReply()) {
      const action = this._responseActions.shift()
      if (action === undefined) return this.#unexpected()
      // A login is the package's own conversation.
      if (this.stage === 'auth') this.#heard(reply)
      action.call(this, reply)
    }
  }

  /** What the server said in clear before TLS is dropped with the queue, by the package: it may not be the server's. */
  #nextReply(): string | undefined {
    if (this.stage === 'starttls' && this._responseActions.length === 0) return undefined
    for (let raw = this._responseQueue.shift(); raw !== undefined; raw = this._responseQueue.shift()) {
      const text = this.#garbage + (isAscii(raw) ? raw : decodeRaw(Buffer.from(raw, 'latin1')))
      // A line without a code is noise in front of the reply.
      if (/(?:^|\n)\d{3}(?!\d)[^\n]*$/.test(raw)) {
        this.#garbage = ''
        return text
      }
      this.spokeNonsense = true
      this.#garbage = raw === '' ? this.#garbage : `${text}\n`
    }
    return undefined
  }

  /** Only the package's login says something by this: a mechanism and what follows from it. */
  override _sendCommand(text: string, shown?: string): void {
    this.transcript?.out(text.startsWith('AUTH ') ? withoutSecret(text) : HIDDEN)
    super._sendCommand(text, shown)
  }

  #heard(raw: string): void {
    if (this.transcript === undefined) return
    let bytes = 0
    for (const line of raw.split('\n')) {
      // A server that goes on for ever has said enough.
      if (bytes >= REPLY_SHOWN_BYTES_MAX) return
      bytes += line.length + 1
      this.transcript.in(line)
    }
  }

  /** RFC 5321 §3.8: a server may leave at any time. Whatever else it says unasked, the order of replies is lost. */
  #unexpected(): void {
    this.#break('eof', new Error('unexpected reply'))
  }

  override _onTimeout(): void {
    const onEnd = this.#onIdleEnd
    if (onEnd === undefined) return this.#break('timeout')
    onEnd()
    // Nothing can fail here: the answer is not waited for.
    this.leave(false).catch(IGNORE)
  }

  /** The package ends an idle connection by itself when the server closes it. */
  override _destroy(): void {
    super._destroy()
    clearTimeout(this.#deadlineTimer)
    this.#onIdleEnd?.()
  }

  override _onError(error: Error): void {
    this.#break('eof', error)
  }

  #break(kind: 'eof' | 'timeout', cause?: unknown): void {
    if (this.broken !== undefined || this.closed) return
    const stage = this.stage === 'idle' ? 'quit' : this.stage
    this.#onIdleEnd?.()
    const inHandshake = this.stage === 'starttls' && this.#isUpgrading()
    this.broken = new ConnectionBroken(inHandshake ? 'handshake' : kind, stage, cause)
    const waiters = [this.#waiter, this.#transferWaiter]
    this.#waiter = undefined
    const socket = this._socket
    this.close()
    // A peer that broke off gets no polite end.
    if (socket) socket.destroy()
    for (const waiter of waiters) waiter?.reject(this.broken)
  }

  /** After the server's 220 the only thing to wait for is the handshake. */
  #isUpgrading(): boolean {
    return this._responseActions.length === 0
  }

  #settle(): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.resolve()
  }

  /** The content has no deadline: what counts there is that it moves. */
  #startDeadline(stage: Stage, seconds: number): void {
    clearTimeout(this.#deadlineTimer)
    if (stage !== 'body') this.#deadlineTimer = setTimeout(() => this._onTimeout(), seconds * 1000)
  }

  #rest(): void {
    clearTimeout(this.#deadlineTimer)
    this.stage = 'idle'
  }

  #await(stage: Stage): void {
    this.stage = stage
    const seconds = this.#times[stage]
    if (this.#deadline) this.#startDeadline(stage, seconds)
    if (seconds === this.#timeoutSeconds) return
    this.#timeoutSeconds = seconds
    if (this._socket) this._socket.setTimeout(seconds * 1000)
  }
}
