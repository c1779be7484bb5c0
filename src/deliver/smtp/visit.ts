/**
 * Sessions of one delivery request: a waiting connection or a new one, the message
 * over it, and what becomes of the connection afterwards.
 *
 * Source: RFC 5321 §3.1, §3.3; smtp(8); CONNECTION_CACHE_README; TLS_README (retry in clear).
 */
import type { OpenMessage } from '#queue/content.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { SmtpClient } from './client.ts'
import { SEND_OPTION } from './commands.ts'
import { connectTo, type Endpoint } from './connect.ts'
import { ConnectionBroken, SmtpEngine } from './engine.ts'
import { LocalDataError } from './failure.ts'
import { shakeHands, type HandshakeFacts, type HandshakeFailure } from './handshake.ts'
import { needsSmtpUtf8, outgoingMessage } from './outgoing.ts'
import type { Progress } from './progress.ts'
import { impossibleProtection, type RequireTls } from './require-tls.ts'
import { Session } from './session.ts'
import type { TlsPolicy } from './tls-policy.ts'
import { brokenFailure, sendMessage } from './transaction.ts'

/** What is known of a server before it is visited. */
export type VisitFacts = {
  /** The destination as written. */
  readonly nexthop: string
  /** Its domain alone. */
  readonly domain: string
  /** Mail may come back to this machine over it. */
  readonly loopDetect: boolean
  /** Of the best preference. */
  readonly bestMx: boolean
  /** Called when the server is ready for the message. */
  onReady?(): void
}

/** `retryInClear`: TLS was optional and went wrong; the same server may be visited again without it. */
export type VisitEnd = 'done' | 'failed' | 'retryInClear'

type TlsFacts = Pick<HandshakeFacts, 'policy' | 'requireTls'>

/** Told of a waiting connection that is about to be used. @returns What takes that back. */
export type OnTaken = (session: Session) => () => void

/** Makes and uses the sessions of one request. */
export class Visitor {
  readonly #progress: Progress
  readonly #message: OpenMessage
  readonly #client: SmtpClient
  readonly #needsSmtpUtf8: boolean
  /** Whether connections are taken from the cache, and kept in it. */
  #load = false
  #store = false
  /** Key of the first destination, until a good session has been kept under it. */
  #nexthopKey: string | undefined
  /** Sessions that must not be replaced by one in clear. */
  readonly #protected = new WeakSet<Session>()

  constructor(progress: Progress, message: OpenMessage, client: SmtpClient) {
    this.#progress = progress
    this.#message = message
    this.#client = client
    this.#needsSmtpUtf8 = needsSmtpUtf8(progress.request)
  }

  /** Decides on the cache: for some destinations always, for others as the queue manager asks. */
  prepare(destination: string, host: string): void {
    const { cacheDestinations, cacheOnDemand, saslEnabled, senderDependentAuth } = this.#client.settings
    const { connLoad, connStore } = this.#progress.request.flags
    const always = cacheDestinations.includes(host)
    this.#load = always || (cacheOnDemand && connLoad)
    this.#store = always || (cacheOnDemand && connStore)
    // Who logs in as someone else must not get this connection.
    const user = saslEnabled && senderDependentAuth ? this.#progress.request.sender : ''
    this.#nexthopKey = this.#load || this.#store ? `nexthop ${destination} ${user}` : undefined
  }

  /**
   * Sends over a connection that waits for this destination.
   *
   * @param onTaken Called before anything is sent; what it returns is called when the connection turns out to be dead.
   */
  reuseByNexthop(onTaken: OnTaken): Promise<boolean> {
    return this.#reuse(this.#nexthopKey, onTaken)
  }

  /** Sends over a connection that waits for this server. */
  reuseByEndpoint(endpoint: Endpoint, policy: TlsPolicy, onTaken: OnTaken): Promise<boolean> {
    return this.#reuse(this.#endpointKey(endpoint, policy.level), onTaken)
  }

  /** Connects to a server and sends. */
  async visit(endpoint: Endpoint, policy: TlsPolicy, facts: VisitFacts): Promise<VisitEnd> {
    const { settings } = this.#client
    const requireTls = await this.#requireTls(endpoint)
    if (!this.#canProtect(requireTls, policy, facts.nexthop, endpoint.host)) return 'failed'
    const connected = await connectTo(endpoint, settings)
    if (connected.kind === 'failed') {
      this.#progress.why = connected.failure
      log.info(connected.failure.reason)
      return 'failed'
    }
    const { heloName: name, lmtp, times, deadline } = settings
    const engine = new SmtpEngine(connected.socket, { name, lmtp, times, deadline })
    this.#client.reporter?.sessionStarts(engine, this.#progress.request.sender)
    const session = new Session(engine, endpoint, policy.level)
    session.bestMx = facts.bestMx
    this.#progress.session = session
    if (requireTls === 'enforce' || requireTls === 'starttls') this.#protected.add(session)
    const ready = await this.#handshake(session, { policy, requireTls }, facts)
    if (ready) {
      facts.onReady?.()
      await this.#transfer(session)
    }
    if (this.#progress.left.length > 0 && this.#mayRetryInClear(session)) return 'retryInClear'
    return ready ? 'done' : 'failed'
  }

  /** REQUIRETLS is settled at the start of a session: one that waits has not made the promise. */
  get #wantsProtection(): boolean {
    return (this.#progress.request.sendOptions & SEND_OPTION.requireTls) !== 0
  }

  async #reuse(key: string | undefined, onTaken: OnTaken): Promise<boolean> {
    if (!this.#load || key === undefined) return false
    for (let session = this.#client.cache.take(key); session !== undefined; session = this.#client.cache.take(key)) {
      if ((this.#needsSmtpUtf8 && !session.capabilities.smtpUtf8) || this.#wantsProtection) {
        await session.engine.leave(false)
        continue
      }
      session.uses++
      this.#client.reporter?.sessionStarts(session.engine, this.#progress.request.sender)
      const takeBack = onTaken(session)
      if (await this.#transfer(session)) return true
      takeBack()
    }
    return false
  }

  #requireTls({ host, ...endpoint }: Endpoint): Promise<RequireTls | undefined> {
    const address = endpoint.kind === 'inet' ? endpoint.address : ''
    return this.#client.requireTls.find(this.#progress.request.sendOptions, host, address)
  }

  /** RFC 8689 §4.2.1: where our own policy cannot meet the sender's wish, no connection is needed to know it. */
  #canProtect(requireTls: RequireTls | undefined, { level }: TlsPolicy, nexthop: string, host: string): boolean {
    const impossible = impossibleProtection(requireTls, level, host)
    const refused = impossible !== undefined && (requireTls === 'enforce' || impossible.status === 'noencryption')
    this.#progress.tls = `${level}?${requireTls === undefined ? '' : '/requiretls?'}`
    if (impossible === undefined) return true
    if (!refused) {
      log.info(`${this.#progress.request.queueId}: ${impossible.text}`)
      return true
    }
    log.warning(`TLS policy lookup for ${nexthop}/${host}: ${impossible.text}`)
    this.#progress.tls = `${level}?/!requiretls:${impossible.status}`
    this.#progress.why = { dsn: '5.7.10', reason: impossible.text }
    return false
  }

  async #handshake(session: Session, tls: TlsFacts, facts: VisitFacts): Promise<boolean> {
    const { queueId, sender, nexthop, arrival } = this.#progress.request
    try {
      const refused = await shakeHands(session, {
        queueId, sender, nexthop: facts.nexthop, domain: facts.domain, requestNexthop: nexthop, ...tls,
        needsSmtpUtf8: this.#needsSmtpUtf8, loopDetect: facts.loopDetect, arrival: arrival.seconds * 1000,
      }, this.#client.handshake)
      if (refused === undefined) return true
      this.#refuse(refused)
      await session.engine.leave(!this.#client.settings.skipQuitResponse)
    } catch (error) {
      if (!(error instanceof ConnectionBroken)) throw error
      this.#breakOff(session, error)
    }
    this.#endSession(session)
    return false
  }

  #refuse({ failure, throttle, softUnlessFinal }: HandshakeFailure): void {
    const soften = softUnlessFinal === true && !this.#progress.finalServer
    this.#progress.fail(soften ? { ...failure, dsn: `4${failure.dsn.slice(1)}` } : failure, throttle)
  }

  /** A broken connection: recipients that nothing is known of are kept for another server, or wait. */
  #breakOff(session: Session, broken: ConnectionBroken): void {
    // All verdicts are in: how the connection ends does not matter.
    if (broken.stage === 'abort' || broken.stage === 'quit') return
    // The same server once more, in clear: this was not the last chance.
    if (this.#mayRetryInClear(session)) this.#progress.finalServer = false
    if (broken.kind === 'handshake') {
      log.info(`SSL_connect error to ${session.relay}: ${errnoText(broken.cause)}`)
      this.#progress.fail({ dsn: '4.7.5', reason: 'Cannot start TLS: handshake failure' }, session.level !== 'may')
    } else {
      this.#progress.fail(brokenFailure(broken, session.namaddr), true)
    }
  }

  /**
   * Whether trouble with optional TLS allows the same server in clear. Not at the first
   * attempt of a message: the trouble may be someone who wants just that.
   */
  #mayRetryInClear(session: Session): boolean {
    const { engine, level, secure } = session
    const { flags, arrival, activeArrival } = this.#progress.request
    if (level !== 'may' || engine.broken === undefined || this.#protected.has(session)) return false
    if (this.#client.settings.saslEnabled) return false
    if (!secure && engine.broken.kind !== 'handshake') return false
    const waitedSeconds = activeArrival / 1000 - arrival.seconds
    return flags.verify || flags.userVerify || waitedSeconds >= this.#client.settings.minimalBackoff
  }

  /**
   * Sends the message over a ready session, and keeps or closes it.
   *
   * @returns False: the connection had died while it waited, and nothing has happened.
   */
  async #transfer(session: Session): Promise<boolean> {
    const progress = this.#progress
    progress.session = session
    if (await this.#refuseTooLarge(session)) return true
    try {
      const outgoing = await outgoingMessage(session, progress, this.#message, this.#client)
      const again = await sendMessage(session, progress, outgoing, {
        ...this.#client.transaction, probe: this.#probe(), keep: () => this.#mayKeep(session),
      })
      if (again) this.#keep(session)
    } catch (error) {
      if (error instanceof LocalDataError) this.#failLocally(session, error)
      else if (!(error instanceof ConnectionBroken)) throw error
      else if (isStale(session, error)) {
        progress.session = undefined
        return false
      } else this.#breakOff(session, error)
    }
    this.#endSession(session)
    return true
  }

  /** A table of ours could not be asked: the transaction is cut off, wherever it stands. */
  #failLocally(session: Session, error: LocalDataError): void {
    log.warning(`${this.#progress.request.queueId}: ${error.message}`)
    session.engine.close()
    this.#progress.fail({ dsn: '4.3.0', reason: `local data error while talking to ${session.namaddr}` }, true)
  }

  /** RFC 1870 §6.1: a message above the limit that the server gave is not even offered to it. */
  async #refuseTooLarge(session: Session): Promise<boolean> {
    const { sizeLimit } = session.capabilities
    const { contentLength } = this.#progress.request
    if (sizeLimit === 0 || contentLength <= sizeLimit) return false
    const reason = `message size ${contentLength} exceeds size limit ${sizeLimit} of server ${session.namaddr}`
    this.#progress.fail({ dsn: '5.3.4', reason }, false)
    this.#progress.completeSession = true
    await session.engine.leave(false)
    this.#endSession(session)
    return true
  }

  /** The session has done what it can for this message. */
  #endSession(session: Session): void {
    this.#client.reporter?.sessionEnded(session)
    this.#progress.endSession()
  }

  #probe(): 'rcpt' | 'data' | undefined {
    const { verify, userVerify } = this.#progress.request.flags
    return verify || userVerify ? this.#client.settings.verifyTarget : undefined
  }

  #mayKeep(session: Session): boolean {
    const { reuseSeconds, reuseCount } = this.#client.settings
    const old = performance.now() - session.openedAt >= reuseSeconds * 1000
    const expired = old || (reuseCount > 0 && session.uses >= reuseCount)
    return this.#store && !session.tainted && !expired && !this.#client.stop.aborted
  }

  #keep(session: Session): void {
    const endpointKey = this.#endpointKey(session.endpoint, session.level)
    const keys = [this.#nexthopKey, endpointKey].filter((key) => key !== undefined)
    // Only the first good session counts for the next hop: later ones are to less preferred servers.
    this.#nexthopKey = undefined
    if (keys.length > 0) this.#client.cache.save(session, keys)
    else session.engine.leave(false).catch(() => undefined)
  }

  /** Only for sessions without TLS and login: what a server allows may depend on both. */
  #endpointKey(endpoint: Endpoint, level: string): string | undefined {
    if (endpoint.kind === 'unix' || this.#client.settings.saslEnabled || level !== 'none') return undefined
    return `endpoint ${endpoint.host} ${endpoint.address} ${endpoint.port}`
  }
}

/** The connection died before the server took notice of the message. */
function isStale(session: Session, { kind, stage }: ConnectionBroken): boolean {
  return session.uses > 1 && kind === 'eof' && (stage === 'mail' || stage === 'xforwardAddress')
}
