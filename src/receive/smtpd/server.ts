/**
 * The server side of a service: takes accepted sockets, makes sessions of them.
 *
 * smtp-server's SMTPServer is never asked to listen: sockets come from the
 * worker, which counts them. It holds the TLS contexts and the connections.
 *
 * @module
 */
/* eslint-disable no-underscore-dangle -- the names of the package */
import type { Socket } from 'node:net'
import { isIP } from 'node:net'
import type { SecureContext } from 'node:tls'
import { SMTPServer } from 'smtp-server'
import { log } from '#system/log.ts'
import { isPromise } from '#util/maybe.ts'
import { Connection, type Admission, type ConnectionOwner } from './connection.ts'
import { namelessPeers, nameClient, socketAddresses, type Addresses } from './peer.ts'
import { readProxyHeader } from './proxy-header.ts'
import type { SmtpdService } from './service.ts'
import { Session } from './session.ts'
import type { Settings } from './settings.ts'

/** One configuration's server. */
export class SmtpServer extends SMTPServer implements ConnectionOwner {
  readonly settings: Settings
  readonly tlsLogLevel: number
  readonly #service: SmtpdService

  constructor(service: SmtpdService) {
    super({
      // Never said; without one the package asks the system for each client.
      name: service.settings.myhostname,
      logger: false, secured: true, requestCert: service.tls?.requestCertificate ?? false, rejectUnauthorized: false,
    })
    this.#service = service
    this.settings = service.settings
    this.tlsLogLevel = service.tlsLogLevel
    if (service.tls !== undefined) this.secureContext.set('*', service.tls.context)
  }

  /** Serves a client until its session is over. */
  serve(socket: Socket): Promise<void> {
    const connection = new Connection(this, socket)
    this.connections.add(connection)
    connection.init()
    return connection.ended
  }

  /** Finds out who the client is, and whether it may have a session; undefined when that cannot be told. */
  async admit(socket: Socket): Promise<Admission | undefined> {
    const addresses = await this.#addresses(socket)
    if (addresses === undefined) return undefined
    const { client, server } = namelessPeers(addresses)
    if (this.settings.peernameLookup) await nameClient(client, this.#service.resolver)
    const { ports, access } = this.#service
    const session = new Session(this.settings, ports, { client, server, accessState: access.newTransaction() })
    log.info(`connect from ${session.clientLabel}`)
    return { session, refusal: await this.#service.limits.connected(session) }
  }

  async #addresses(socket: Socket): Promise<Addresses | undefined> {
    const own = socketAddresses(socket)
    if (own === undefined || this.settings.upstreamProxy === '') return own
    const claimed = await readProxyHeader(socket, this.settings.upstreamProxySeconds * 1000)
    if (claimed.kind === 'error') {
      log.warning(`haproxy read: ${claimed.reason}`)
      socket.end(`421 4.3.0 ${this.settings.myhostname} Server local error\r\n`)
      return undefined
    }
    return claimed.kind === 'local' ? own : claimed.addresses
  }

  /** The session is over. */
  release(session: Session): void {
    this.#service.limits.disconnected(session)
  }

  /** A broken assumption within one session: it ends, the others go on. */
  fail(connection: { abort(): void }, error: unknown): void {
    log.error(`session failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    connection.abort()
  }

  /** The context for a name that a client asks for by SNI: the one of the table, or the service's own. */
  override _resolveSNI(servername: string, callback: (error: Error | null, context?: SecureContext) => void): void {
    const own = this.secureContext.get('*')
    if (servername === '' || isIP(servername) !== 0) return callback(null, own)
    const found = this.#service.serverName(servername)
    if (!isPromise(found)) return callback(null, found ?? own)
    found.then((context) => callback(null, context ?? own), (error: unknown) => {
      callback(error instanceof Error ? error : new Error(String(error)))
    })
  }
}
