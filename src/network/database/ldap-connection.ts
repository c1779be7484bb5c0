/**
 * One connection to an LDAP server: made, secured and bound, then any number of searches at a time.
 *
 * A connection that is lost, or whose server answers something else than LDAP or nothing at all, is over: all its
 * searches fail, and its owner makes a new one.
 *
 * Standards: RFC 4511 (protocol), RFC 4513 §3 (StartTLS), §5.1 (simple bind).
 */
import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from 'node:net'
import { hostname } from 'node:os'
import type { PeerCertificate, SecureContext, TLSSocket } from 'node:tls'
import { errnoText } from '#system/errno.ts'
import { bindRequest, searchRequest, startTlsRequest, takeReply, unbindRequest } from './ldap-message.ts'
import type { LdapEntry, LdapReply, LdapResult, SearchRequest } from './ldap-message.ts'
import type { LdapServer } from './ldap-url.ts'

/** How to secure a connection. */
export type LdapTls = {
  /** Made when the first connection needs it. @throws {Error} A file cannot be read. */
  readonly context: () => SecureContext
  /** Refuse servers whose certificate is not of a known authority or has another name. */
  readonly verify: boolean
}

/** How to open a connection. */
export type LdapSession = {
  readonly version: number
  /** `undefined`: no bind at all. */
  readonly bind: { readonly dn: string; readonly password: string } | undefined
  readonly startTls: boolean
  readonly tls: LdapTls
  /** Limit for each step: connecting, securing and binding together, and each search. */
  readonly timeoutMs: number
}

/** What a search found, and how it ended. */
export type SearchOutcome = LdapResult & { readonly entries: readonly LdapEntry[]; readonly references: readonly string[] }

/** The connection cannot be made, or is over. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

/** The server does not let us in: another server may. `status` is its result code. */
export class SessionRefused extends Error {
  override readonly name = 'SessionRefused'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The search took too long; the connection is over too. */
export class SearchTimeout extends Error {
  override readonly name = 'SearchTimeout'
}

/** Bytes of the replies to one search, at most. */
const SEARCH_BYTES_MAX = 64 * 1024 * 1024
const KEEP_ALIVE_MS = 60_000

type Waiting = {
  readonly entries: LdapEntry[]
  readonly references: string[]
  bytes: number
  readonly resolve: (outcome: SearchOutcome) => void
  readonly reject: (error: Error) => void
}

/** A connection; make one with `openConnection()`. */
export class LdapConnection {
  #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #received: Buffer = Buffer.alloc(0)
  #lastId = 0
  #lost: Error | undefined
  readonly #onData = (chunk: Buffer): void => this.#take(chunk)

  constructor(socket: Socket) {
    this.#socket = socket
    this.#listen(socket)
  }

  /** Whether it is over. */
  get lost(): boolean {
    return this.#lost !== undefined
  }

  /** @throws {ConnectionLost | SearchTimeout} */
  search(request: SearchRequest, timeoutMs: number): Promise<SearchOutcome> {
    return this.#ask((id) => searchRequest(id, request), timeoutMs)
  }

  /** @throws {ConnectionLost | SearchTimeout | SessionRefused} */
  async bind({ version, bind, timeoutMs }: LdapSession): Promise<void> {
    if (bind === undefined) return
    const result = await this.#ask((id) => bindRequest(id, version, bind.dn, bind.password), timeoutMs)
    if (result.status !== 0) throw new SessionRefused(result.status, result.text)
  }

  /** Goes on in TLS. @throws {ConnectionLost | SearchTimeout | SessionRefused} */
  async startTls(server: LdapServer, { tls, timeoutMs }: LdapSession): Promise<void> {
    const result = await this.#ask(startTlsRequest, timeoutMs)
    if (result.status !== 0) throw new SessionRefused(result.status, result.text)
    // Bytes before the handshake are not the server's word (command injection).
    if (this.#lost !== undefined) throw this.#lost
    if (this.#received.length > 0) throw new ConnectionLost('data before the TLS handshake')
    const plain = this.#socket
    plain.off('data', this.#onData)
    const secure = secureSocket(server, tls, { socket: plain })
    this.#socket = secure
    this.#listen(secure)
    await this.#ready(secure, 'secureConnect', timeoutMs)
  }

  /** Waits until the socket is `connect`ed or `secureConnect`ed. @throws {ConnectionLost} */
  async ready(event: 'connect' | 'secureConnect', timeoutMs: number): Promise<void> {
    await this.#ready(this.#socket, event, timeoutMs)
  }

  /** Says good-bye; what waits fails. */
  close(): void {
    if (this.lost) return
    this.#socket.end(unbindRequest(++this.#lastId))
    this.#end(new ConnectionLost('connection closed'))
  }

  #listen(socket: Socket): void {
    let error: Error | undefined
    socket.on('data', this.#onData)
    socket.on('error', (reason) => { error = reason })
    socket.on('close', () => this.#end(new ConnectionLost(error === undefined ? 'connection lost' : errnoText(error))))
  }

  async #ready(socket: Socket, event: string, timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    const onClose = (): void => reject(this.#lost ?? new ConnectionLost('connection lost'))
    const onTimeout = (): void => {
      this.#end(new ConnectionLost('connection timed out'))
      onClose()
    }
    const signal = AbortSignal.timeout(timeoutMs)
    signal.addEventListener('abort', onTimeout)
    socket.once(event, () => resolve(undefined)).once('close', onClose)
    await promise.finally(() => {
      signal.removeEventListener('abort', onTimeout)
      socket.off('close', onClose)
    })
  }

  #ask(request: (id: number) => Uint8Array, timeoutMs: number): Promise<SearchOutcome> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    const { promise, resolve, reject } = Promise.withResolvers<SearchOutcome>()
    const id = this.#lastId = (this.#lastId % 0x7fffffff) + 1
    this.#waiting.set(id, { entries: [], references: [], bytes: 0, resolve, reject })
    this.#socket.ref()
    this.#socket.write(request(id))
    const signal = AbortSignal.timeout(timeoutMs)
    // A server that does not answer one search does not answer the others.
    const onTimeout = (): void => this.#end(new SearchTimeout('Timed out'))
    signal.addEventListener('abort', onTimeout)
    return promise.finally(() => {
      signal.removeEventListener('abort', onTimeout)
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) this.#socket.unref()
    })
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    try {
      let at = 0
      for (let taken = takeReply(this.#received); taken !== undefined; taken = takeReply(this.#received.subarray(at))) {
        at += taken.length
        this.#answer(taken.reply, taken.length)
      }
      this.#received = this.#received.subarray(at)
    } catch (error) {
      this.#end(new ConnectionLost(errnoText(error)))
    }
  }

  #answer(reply: LdapReply, bytes: number): void {
    // RFC 4511 §4.4.1: notice of disconnection has the number 0.
    if (reply.id === 0 && reply.kind === 'result') throw new ConnectionLost(`server is leaving: ${reply.result.text}`)
    const waiting = this.#waiting.get(reply.id)
    if (waiting === undefined) throw new ConnectionLost('reply to no request')
    waiting.bytes += bytes
    if (waiting.bytes > SEARCH_BYTES_MAX) throw new ConnectionLost('the result of a search is too long')
    if (reply.kind === 'entry') waiting.entries.push(reply.entry)
    else if (reply.kind === 'reference') waiting.references.push(...reply.urls)
    else if (reply.kind === 'result') waiting.resolve({ ...reply.result, entries: waiting.entries, references: waiting.references })
  }

  #end(error: Error): void {
    if (this.#lost !== undefined) return
    this.#lost = error
    this.#socket.destroySoon()
    // A peer that takes no good-bye must not hold the socket.
    if (error.message !== 'connection closed') this.#socket.destroy()
    for (const { reject } of this.#waiting.values()) reject(error)
  }
}

/** OpenLDAP's library takes `localhost` for the name of this machine; here a certificate may have either. */
function checkIdentity(host: string, certificate: PeerCertificate): Error | undefined {
  const { checkServerIdentity } = process.getBuiltinModule('node:tls')
  const refusal = checkServerIdentity(host, certificate)
  return refusal !== undefined && host === 'localhost' ? checkServerIdentity(hostname(), certificate) : refusal
}

function secureSocket({ scheme, host }: LdapServer, { context, verify }: LdapTls, over: TcpNetConnectOpts | { socket: Socket }): TLSSocket {
  const name = scheme === 'ldapi' ? 'localhost' : host
  // Loaded here: most sites need no TLS for their tables, and it takes long to load.
  return process.getBuiltinModule('node:tls').connect({
    host: name, ...over, secureContext: context(), rejectUnauthorized: verify, checkServerIdentity: checkIdentity,
    ...(isIP(name) === 0 ? { servername: name } : {}),
  })
}

function newSocket(server: LdapServer, session: LdapSession): Socket {
  if (server.scheme === 'ldapi') return connectTcp({ path: server.host })
  const place = { host: server.host, port: server.port }
  if (server.scheme === 'ldap') return connectTcp(place)
  return secureSocket(server, session.tls, place)
}

/**
 * Connects to a server, secures the connection and binds, as the session wants it.
 *
 * @throws {ConnectionLost | SearchTimeout} The server cannot be reached, or not in time.
 * @throws {SessionRefused} It refuses TLS or the bind.
 * @throws {Error} A certificate cannot be read.
 */
export async function openConnection(server: LdapServer, session: LdapSession): Promise<LdapConnection> {
  const socket = newSocket(server, session)
  socket.setKeepAlive(true, KEEP_ALIVE_MS).setNoDelay(true)
  const connection = new LdapConnection(socket)
  try {
    await connection.ready(server.scheme === 'ldaps' ? 'secureConnect' : 'connect', session.timeoutMs)
    if (session.startTls && server.scheme !== 'ldaps') await connection.startTls(server, session)
    await connection.bind(session)
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}
