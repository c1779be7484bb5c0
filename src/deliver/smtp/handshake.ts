/**
 * The start of a session: greeting, EHLO, STARTTLS, EHLO again, AUTH.
 *
 * Source: RFC 5321 §3.1, §3.2; RFC 3207 (STARTTLS), RFC 4954 (AUTH); smtp(8).
 */
import { TLSSocket } from 'node:tls'
import type { Maps } from '#tables/maps.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { asciiUpper, equalsIgnoreCase } from '#util/ascii.ts'
import { splitAtChars } from '#util/split.ts'
import type { TlsStart } from './engine.ts'
import { discardedWords, NO_CAPABILITIES, parseCapabilities, parseDiscard } from './capabilities.ts'
import {
  isPositive, isProtocolError, refusedToTalk, replyFailure, type Failure, type ServerReply,
} from './failure.ts'
import { applyWorkarounds, isMasked } from './pix.ts'
import type { RequireTls } from './require-tls.ts'
import type { SaslClient } from './sasl.ts'
import type { Session } from './session.ts'
import type { Settings } from './settings.ts'
import type { TlsPolicy } from './tls-policy.ts'
import type { TlsSessions } from './tls-sessions.ts'
import { logChainProblem, logConnection, matchNames, trustOf, type TlsContexts } from './tls.ts'

/** What is the same for all sessions of a service. */
export type HandshakeTools = {
  readonly settings: Settings
  readonly sasl: SaslClient
  readonly tls: TlsContexts
  readonly tlsSessions: TlsSessions
  readonly tlsLogLevel: number
  readonly noteStartTlsOffer: boolean
  readonly discardMaps: Maps
  readonly pixMaps: Maps
}

/** What belongs to one session. */
export type HandshakeFacts = {
  readonly queueId: string
  readonly sender: string
  /** The destination as written. */
  readonly nexthop: string
  /** Its domain alone. */
  readonly domain: string
  /** The next hop of the request, for texts about loops. */
  readonly requestNexthop: string
  readonly policy: TlsPolicy
  /** How the sender's wish for REQUIRETLS binds this server. */
  readonly requireTls: RequireTls | undefined
  readonly needsSmtpUtf8: boolean
  /** Mail may come back to this machine: look at the server's name. */
  readonly loopDetect: boolean
  /** When the message arrived, milliseconds since 1970. */
  readonly arrival: number
}

/** Why a session cannot be used. */
export type HandshakeFailure = {
  readonly failure: Failure
  /** The destination counts as dead. */
  readonly throttle: boolean
  /** A permanent failure that only holds when no other server is left. */
  readonly softUnlessFinal?: boolean
}

/** Thrown inside, to end the handshake at any depth. */
class Refusal extends Error {
  readonly why: HandshakeFailure

  constructor(failure: Failure, more: Partial<HandshakeFailure> = {}) {
    super(failure.reason)
    this.why = { failure, throttle: true, ...more }
  }
}

/**
 * Brings a new connection to where MAIL can be sent.
 *
 * @returns Why not; `undefined` when it is ready.
 * @throws {ConnectionBroken}
 */
export async function shakeHands(
  session: Session, facts: HandshakeFacts, tools: HandshakeTools,
): Promise<HandshakeFailure | undefined> {
  try {
    await new Handshake(session, facts, tools).run()
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error.why
    throw error
  }
}

class Handshake {
  readonly #session: Session
  readonly #facts: HandshakeFacts
  readonly #tools: HandshakeTools
  readonly #settings: Settings
  #esmtp = false
  #noEsmtp = false
  /** The certificate had to be the right one, and is. */
  #verified = false

  constructor(session: Session, facts: HandshakeFacts, tools: HandshakeTools) {
    this.#session = session
    this.#facts = facts
    this.#tools = tools
    this.#settings = tools.settings
  }

  async run(): Promise<void> {
    const { policy: { level }, requireTls } = this.#facts
    if (requireTls !== undefined) this.#session.requireTls = 'requiretls?'
    await this.#greeting()
    await this.#hello()
    if (level !== 'none' && !this.#session.secure) await this.#negotiateTls()
    if (level === 'none' && this.#tools.noteStartTlsOffer && this.#session.capabilities.startTls) {
      log.info(`Host offered STARTTLS: [${this.#session.host}]`)
    }
    this.#session.decided = true
    if (requireTls !== undefined) this.#settleRequireTls(requireTls)
    await this.#authenticate()
  }

  async #greeting(): Promise<void> {
    const { engine, host, namaddr, relay } = this.#session
    const wrapper = this.#settings.tlsWrapper ? this.#tlsStart() : undefined
    const { reply, raw } = await engine.greeting(wrapper)
    if (wrapper !== undefined) this.#judgeTls()
    if (!isPositive(reply)) {
      this.#blame(reply)
      throw new Refusal(refusedToTalk(host, namaddr, reply, this.#settings.skip5xxGreeting))
    }
    const { pix } = this.#settings
    if (isMasked(raw)) this.#noEsmtp = await applyWorkarounds(this.#session, this.#facts, pix, this.#tools.pixMaps)
    const [, ...words] = splitAtChars(raw.replace(/^\d+-/, '$& '), ' \t\n')
    if (this.#facts.loopDetect && equalsIgnoreCase(words[0] ?? '', this.#settings.myhostname)) {
      log.warning(`host ${relay} greeted me with my own hostname ${this.#settings.myhostname}`)
    }
    const { lmtp, alwaysSendEhlo, neverSendEhlo } = this.#settings
    const announced = words.some((word) => asciiUpper(word) === 'ESMTP')
    this.#esmtp = lmtp || ((alwaysSendEhlo || announced) && !neverSendEhlo && !this.#noEsmtp)
  }

  async #hello(): Promise<void> {
    const { lmtp, heloName } = this.#settings
    const { engine } = this.#session
    if (lmtp) {
      const answer = await engine.command(`LHLO ${heloName}`, 'lhlo')
      this.#mustBePositive(answer.reply)
      return this.#learn(answer.raw)
    }
    if (this.#esmtp) {
      const answer = await engine.command(`EHLO ${heloName}`, 'ehlo')
      if (isPositive(answer.reply)) return this.#learn(answer.raw)
      if (answer.reply.code === 421) this.#mustBePositive(answer.reply)
    }
    const answer = await engine.command(`HELO ${heloName}`, 'helo')
    this.#mustBePositive(answer.reply)
    this.#session.capabilities = NO_CAPABILITIES
    this.#needSmtpUtf8()
  }

  #mustBePositive(reply: ServerReply): void {
    if (isPositive(reply)) return
    this.#blame(reply)
    throw new Refusal(refusedToTalk(this.#session.host, this.#session.namaddr, reply, false))
  }

  #blame(reply: ServerReply): void {
    if (isProtocolError(reply)) this.#session.faulty = true
  }

  async #learn(raw: string): Promise<void> {
    const { relay, namaddr } = this.#session
    const capabilities = parseCapabilities(raw, await this.#discard())
    // RFC 8689 §3: REQUIRETLS is offered inside TLS only.
    this.#session.capabilities = { ...capabilities, requireTls: capabilities.requireTls && this.#session.secure }
    if (capabilities.badSize !== undefined) log.warning(`bad EHLO SIZE limit "${capabilities.badSize}" from ${relay}`)
    if (this.#facts.loopDetect && equalsIgnoreCase(capabilities.name, this.#settings.myhostname)) {
      log.warning(`host ${relay} replied to HELO/EHLO with my own hostname ${this.#settings.myhostname}`)
      const reason = `mail for ${this.#facts.requestNexthop} loops back to myself`
      throw new Refusal({ dsn: this.#session.bestMx ? '5.4.6' : '4.4.6', reason })
    }
    this.#needSmtpUtf8()
    if (capabilities.smtpUtf8 && !/^\d+[- ]8BITMIME\b/im.test(raw)) {
      log.info(`host ${namaddr} offers SMTPUTF8 support, but not 8BITMIME`)
    }
  }

  async #discard(): Promise<ReturnType<typeof parseDiscard>> {
    const { endpoint } = this.#session
    const found = await this.#tools.discardMaps.find(endpoint.kind === 'inet' ? endpoint.address : endpoint.path)
    if (found.kind === 'error') {
      throw new Refusal({ dsn: '4.3.0', reason: `local data error while talking to ${this.#session.namaddr}` })
    }
    const discard = parseDiscard(found.kind === 'found' ? found.value : this.#settings.discardKeywords)
    const words = discardedWords(discard)
    if (words !== '' && !discard.silent) log.info(`discarding EHLO keywords: ${words}`)
    return discard
  }

  /** RFC 6531 §3.2: mail that needs SMTPUTF8 goes to no server without it. */
  #needSmtpUtf8(): void {
    if (!this.#facts.needsSmtpUtf8 || this.#session.capabilities.smtpUtf8) return
    const reason = 'message requires SMTPUTF8, but no server was found that supports SMTPUTF8. '
      + `The last attempted server was ${this.#session.namaddr}`
    throw new Refusal({ dsn: '5.6.7', reason }, { throttle: false, softUnlessFinal: true })
  }

  /** No mail with this wish goes over this session. */
  #cannotRequireTls(dsn: string, why: string, text: string): never {
    this.#session.requireTls = `!requiretls:${why}`
    const reason = `Sender requested REQUIRETLS, but ${text}`
    throw new Refusal({ dsn, reason }, { throttle: false, softUnlessFinal: true })
  }

  /** RFC 8689 §4.2.1: the next server has to promise the same. */
  #settleRequireTls(requireTls: RequireTls): void {
    const { capabilities, namaddr, secure } = this.#session
    if (secure && capabilities.requireTls) {
      this.#session.requireTls = this.#verified ? 'requiretls' : 'requiretls:nocertmatch'
      return
    }
    if (requireTls === 'enforce') {
      const text = `no server was found that supports REQUIRETLS. The last attempted server was ${namaddr}`
      this.#cannotRequireTls('5.7.30', 'none', text)
    }
    this.#session.requireTls = 'requiretls:none'
    if (!secure) return
    const missing = `REQUIRETLS support was not offered by host ${namaddr}`
    log.info(`${this.#facts.queueId}: Sender requested REQUIRETLS, but ${missing}`)
  }

  /** The session does not have what the policy asks for. */
  #violate(): void {
    this.#session.decided = true
    this.#session.violated = true
  }

  async #negotiateTls(): Promise<void> {
    const { engine, host, namaddr, capabilities } = this.#session
    const required = this.#facts.policy.level !== 'may'
    const demanded = this.#facts.requireTls === 'enforce' || this.#facts.requireTls === 'starttls'
    if (!capabilities.startTls) {
      if (required) this.#violate()
      if (demanded) this.#cannotRequireTls('5.7.30', 'nostarttls', `TLS service was not offered by host ${namaddr}`)
      if (!required) return
      throw new Refusal({ dsn: '4.7.4', reason: `TLS is required, but was not offered by host ${namaddr}` })
    }
    const start = this.#tlsStart()
    const { reply } = await engine.command('STARTTLS', 'starttls')
    if (!isPositive(reply)) {
      if (required) this.#violate()
      const refusal = `host ${namaddr} refused to start TLS: ${reply.text}`
      if (demanded) this.#cannotRequireTls('5.7.10', 'nostarttls', refusal)
      if (!required) return
      throw new Refusal(replyFailure(host, reply, `TLS is required, but ${refusal}`))
    }
    await engine.startTls(start)
    this.#judgeTls()
    // RFC 3207 §4.2: what was said in clear is forgotten.
    await this.#hello()
  }

  /** @throws {Refusal} When the library takes neither the ciphers nor the keys. */
  #tlsStart(): TlsStart {
    const { policy, domain } = this.#facts
    const { host } = this.#session
    const [named] = matchNames([policy.servername], host, domain)
    const servername = named === undefined || named === '' ? false : named
    const session = this.#tools.tlsSessions.take(this.#sessionKey)
    const options = this.#tlsOptions()
    return { options: session === undefined ? options : { ...options, session }, servername }
  }

  #tlsOptions(): TlsStart['options'] {
    try {
      return this.#tools.tls.options(this.#facts.policy)
    } catch (error) {
      log.warning(`TLS library problem: ${errnoText(error)}`)
      throw new Refusal({ dsn: '4.7.5', reason: 'Cannot start TLS: handshake failure' })
    }
  }

  /** A session is good for one server under one policy: what was accepted for one may not do for another. */
  get #sessionKey(): string {
    const { level, match, protocols, ciphers, exclude } = this.#facts.policy
    return [this.#session.relay, this.#facts.nexthop, level, protocols, ciphers, ...exclude, '', ...match].join(' ')
  }

  /** The connection is encrypted: is it with the right server? */
  #judgeTls(): void {
    const { policy, domain } = this.#facts
    const { engine, host, relay } = this.#session
    this.#session.secure = true
    this.#esmtp = true
    if (!policy.connectionReuse) this.#session.tainted = true
    const { socket } = engine
    if (!(socket instanceof TLSSocket)) throw new Refusal({ dsn: '4.7.0', reason: 'TLS is required, but unavailable' })
    this.#tools.tlsSessions.watch(this.#sessionKey, socket)
    const mustMatch = policy.level === 'verify' || policy.level === 'secure'
    const trust = trustOf(socket, mustMatch ? matchNames(policy.match, host, domain) : [])
    if (mustMatch && this.#tools.tlsLogLevel > 0) logChainProblem(socket, relay)
    if (this.#tools.tlsLogLevel > 0) logConnection(socket, trust, relay)
    this.#verified = mustMatch && trust === 'Verified'
    if (!mustMatch || this.#verified) return
    this.#violate()
    if (this.#facts.requireTls !== undefined) this.#session.requireTls = 'requiretls:nocertmatch'
    if (this.#facts.requireTls === 'enforce') {
      const missing = trust === 'Trusted' ? 'matching' : 'trusted'
      const text = `no ${missing} server certificate was found. The last attempted server was ${this.#session.namaddr}`
      this.#cannotRequireTls('5.7.10', 'nocertmatch', text)
    }
    throw new Refusal({ dsn: '4.7.5', reason: 'Server certificate not verified' })
  }

  async #authenticate(): Promise<void> {
    const { sasl } = this.#tools
    const { capabilities, host, relay } = this.#session
    if (!sasl.enabled || !capabilities.offersAuth) return
    if (capabilities.auth.length === 0) log.warning(`${relay} offered null AUTH mechanism list`)
    const { sender, nexthop } = this.#facts
    const credentials = await sasl.credentials(sender, host, nexthop).catch((error: unknown) => {
      throw new Refusal({ dsn: '4.3.0', reason: `SASL password lookup error: ${errnoText(error)}` })
    })
    if (credentials === undefined) return
    const failure = await sasl.login(this.#session, credentials)
    if (failure !== undefined) throw new Refusal(failure)
  }
}
