/**
 * Logins by Dovecot: the client side of its authentication protocol.
 *
 * One connection for the process, with many dialogues at once; it is opened when
 * it is first needed, and again after it was lost.
 *
 * Source: Dovecot authentication protocol 1.x; postconf(5) smtpd_sasl_path.
 *
 * @module
 */
import { connect, type Socket } from 'node:net'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { asciiUpper } from '#util/ascii.ts'
import type { MaybePromise } from '#util/maybe.ts'
import {
  isBase64, mechanismAllowed, parseReply, splitFields, type DovecotReply, type Mechanism,
} from './dovecot-wire.ts'
import type { SaslExchange, SaslPeer, SaslServer, SaslStep } from './server.ts'

/** How long connecting, the greeting and each reply may take. */
const TIMEOUT_MS = 10_000
/** A line of the server is no longer than this. */
const LINE_BYTES_MAX = 65_536

/** Where and as what we ask. */
export type DovecotOptions = {
  /** smtpd_sasl_path: a UNIX socket, or `inet:host:port`. */
  readonly path: string
  /** smtpd_sasl_service */
  readonly service: string
}

type Waiting = (step: SaslStep) => void

/** A connection whose greeting is complete. */
class AuthConnection {
  readonly mechanisms: readonly Mechanism[]
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0

  constructor(socket: Socket, mechanisms: readonly Mechanism[]) {
    this.#socket = socket
    this.mechanisms = mechanisms
  }

  newId(): number {
    return ++this.#lastId
  }

  /** Sends a line about dialogue `id`; the reply settles the promise. */
  ask(id: number, line: string): Promise<SaslStep> {
    this.#socket.ref()
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => this.#settle(id, { kind: 'temporary', reason: 'Connection lost to authentication server' }), TIMEOUT_MS,
      )
      this.#waiting.set(id, (step) => {
        clearTimeout(timer)
        resolve(step)
      })
      this.#socket.write(`${line}\n`)
    })
  }

  /** Forgets a dialogue that the client has given up. */
  cancel(id: number): void {
    this.#settle(id, { kind: 'failed', reason: 'Authentication aborted' })
    if (!this.#socket.destroyed) this.#socket.write(`CANCEL\t${id}\n`)
  }

  take(reply: DovecotReply): void {
    this.#settle(reply.id, reply.step)
  }

  lost(): void {
    for (const id of this.#waiting.keys()) {
      this.#settle(id, { kind: 'temporary', reason: 'Connection lost to authentication server' })
    }
    this.#socket.destroy()
  }

  #settle(id: number, step: SaslStep): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    // An idle connection must not keep the process alive.
    if (this.#waiting.size === 0) this.#socket.unref()
    waiting?.(step)
  }
}

class DovecotServer implements SaslServer {
  readonly #options: DovecotOptions
  #connection: AuthConnection | undefined
  #connecting: Promise<AuthConnection | undefined> | undefined

  constructor(options: DovecotOptions) {
    this.#options = options
  }

  mechanisms(options: readonly string[]): MaybePromise<readonly string[] | undefined> {
    const names = (connection: AuthConnection | undefined): readonly string[] | undefined => connection?.mechanisms
      .filter((mechanism) => mechanismAllowed(mechanism, options))
      .map(({ name }) => name)
    return this.#connection === undefined ? this.connection().then(names) : names(this.#connection)
  }

  exchange(mechanism: string, peer: SaslPeer, options: readonly string[]): SaslExchange {
    return new DovecotExchange({ server: this, service: this.#options.service, mechanism, peer, options })
  }

  close(): void {
    this.#connection?.lost()
    this.#connection = undefined
  }

  /** The connection, made when there is none; undefined, with a line in the log, when that fails. */
  async connection(): Promise<AuthConnection | undefined> {
    if (this.#connection !== undefined) return this.#connection
    this.#connecting ??= this.#connect()
    try {
      return await this.#connecting
    } finally {
      this.#connecting = undefined
    }
  }

  #connect(): Promise<AuthConnection | undefined> {
    const { path } = this.#options
    const socket = openSocket(path)
    const greeting = new Greeting()
    return new Promise((resolve) => {
      const fail = (reason: string): void => {
        log.warning(`SASL: ${reason}`)
        socket.destroy()
        resolve(undefined)
      }
      const timer = setTimeout(
        () => fail(`Connect to Dovecot auth socket '${path}' failed: Connection timed out`), TIMEOUT_MS,
      )
      socket.on('error', (error) => {
        if (this.#connection === undefined) fail(`Connect to Dovecot auth socket '${path}' failed: ${errnoText(error)}`)
      })
      socket.on('close', () => {
        clearTimeout(timer)
        this.#connection?.lost()
        this.#connection = undefined
        resolve(undefined)
      })
      socket.on('connect', () => socket.write(`VERSION\t1\t0\nCPID\t${process.pid}\n`))
      readLines(socket, (line) => {
        if (this.#connection !== undefined) return this.#reply(line)
        const problem = greeting.take(line)
        if (problem !== undefined) return fail(problem)
        if (!greeting.complete) return undefined
        clearTimeout(timer)
        this.#connection = new AuthConnection(socket, greeting.mechanisms)
        socket.unref()
        return resolve(this.#connection)
      })
    })
  }

  #reply(line: string): void {
    const reply = parseReply(line)
    if (reply !== undefined) this.#connection?.take(reply)
  }
}

/** What the server says first. */
class Greeting {
  readonly mechanisms: Mechanism[] = []
  complete = false

  /** Takes a line; returns what is wrong with it. */
  take(line: string): string | undefined {
    const [command, first = '', ...rest] = splitFields(line)
    if (command === 'VERSION' && first !== '1') return `Protocol version mismatch (${first} vs. 1)`
    if (command === 'MECH') this.mechanisms.push({ name: asciiUpper(first), properties: new Set(rest) })
    if (command === 'SPID' && this.mechanisms.length === 0) {
      return 'SPID was received before any mechanism: wrong auth socket'
    }
    if (command === 'DONE') this.complete = true
    return undefined
  }
}

function openSocket(path: string): Socket {
  const inet = /^inet:(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(path)
  if (inet === null) return connect(path.replace(/^unix:/, ''))
  return connect(Number(inet[3]), inet[1] ?? inet[2])
}

function readLines(socket: Socket, take: (line: string) => void): void {
  let held = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    held += chunk
    const lines = held.split('\n')
    held = lines.pop() ?? ''
    for (const line of lines) take(line)
    if (held.length > LINE_BYTES_MAX) socket.destroy(new Error('line too long'))
  })
}

type ExchangeFacts = {
  readonly server: DovecotServer
  readonly service: string
  readonly mechanism: string
  readonly peer: SaslPeer
  readonly options: readonly string[]
}

/** One dialogue over the connection. */
class DovecotExchange implements SaslExchange {
  readonly #facts: ExchangeFacts
  #connection: AuthConnection | undefined
  #id = 0

  constructor(facts: ExchangeFacts) {
    this.#facts = facts
  }

  async start(initial: string | undefined): Promise<SaslStep> {
    const { server, mechanism, options } = this.#facts
    const connection = await server.connection()
    if (connection === undefined) return { kind: 'temporary', reason: "Can't connect to authentication server" }
    const offered = connection.mechanisms.find(({ name }) => name === asciiUpper(mechanism))
    if (offered === undefined || !mechanismAllowed(offered, options)) {
      return { kind: 'failed', reason: `Invalid authentication mechanism: '${mechanism}'` }
    }
    if (initial !== undefined && !isBase64(initial)) {
      return { kind: 'failed', reason: 'Invalid base64 data in initial response' }
    }
    this.#connection = connection
    this.#id = connection.newId()
    return connection.ask(this.#id, this.#request(mechanism, initial))
  }

  async respond(response: string): Promise<SaslStep> {
    if (this.#connection === undefined) return { kind: 'temporary', reason: 'Connection lost to authentication server' }
    if (!isBase64(response)) return { kind: 'failed', reason: 'Invalid base64 data in continued response' }
    return this.#connection.ask(this.#id, `CONT\t${this.#id}\t${response}`)
  }

  cancel(): void {
    this.#connection?.cancel(this.#id)
    this.#connection = undefined
  }

  #request(mechanism: string, initial: string | undefined): string {
    const { service, peer } = this.#facts
    const fields = ['AUTH', String(this.#id), mechanism, `service=${service}`, 'nologin']
    fields.push(`lip=${peer.serverAddress}`, `rip=${peer.clientAddress}`)
    if (peer.secured) fields.push('secured')
    // The protocol wants it last. RFC 4954 §4: `=` is an empty response.
    if (initial !== undefined) fields.push(`resp=${initial === '=' ? '' : initial}`)
    return fields.join('\t')
  }
}

/** Logins by the Dovecot at `path`. Nothing is connected yet. */
export function dovecotSasl(options: DovecotOptions): SaslServer {
  return new DovecotServer(options)
}
