/**
 * One delivery request: destinations in order, servers in order, until every
 * recipient has met its end.
 *
 * Source: RFC 5321 §5.1; smtp(8): fallback relays, limits, connection reuse.
 */
import type { OpenMessage } from '#queue/content.ts'
import { openMessage } from '#queue/content.ts'
import type { DeliverReply, DeliverRequest } from '#service/deliver.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { AddressList } from './address-lookup.ts'
import type { ServerAddress } from './addresses.ts'
import type { SmtpClient } from './client.ts'
import type { Endpoint } from './connect.ts'
import { DestinationError, parseDestination, portNumber, splitNexthop } from './destination.ts'
import { isLoop, isSoft, type Failure } from './failure.ts'
import { Progress } from './progress.ts'
import type { Session } from './session.ts'
import type { TlsPolicy } from './tls-policy.ts'
import { Visitor } from './visit.ts'
import { Walk, type Site } from './walk.ts'

/** Delivers to all recipients of a request. @throws Only when the request cannot be worked on at all. */
export async function deliverRequest(request: DeliverRequest, client: SmtpClient): Promise<DeliverReply> {
  const handoff = Date.now()
  const message = openQueueFile(request, client)
  if (message === undefined) return { status: -1 }
  const { softBounce, assumeFinal: parameter } = client.settings
  const assumeFinal = parameter || client.flags.includes('X')
  const tools = { delivered: client.delivered, softBounce, assumeFinal, logTls: client.settings.logTlsFeatures, fd: message.fd }
  const progress = new Progress(request, handoff, tools)
  try {
    const passed = await new Delivery(progress, message, client).run()
    return passed ?? await progress.reply()
  } finally {
    await progress.settled()
    message.close()
  }
}

function openQueueFile(request: DeliverRequest, client: SmtpClient): OpenMessage | undefined {
  try {
    return openMessage(client.spool, request.queueName, request.queueId)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
    log.warning(`open ${request.queueName} ${request.queueId}: ${errnoText(error)}`)
    return undefined
  }
}

class Delivery {
  readonly #progress: Progress
  readonly #client: SmtpClient
  readonly #request: DeliverRequest
  readonly #visitor: Visitor
  /** Addresses of sessions that were reused: not tried again under another destination. */
  readonly #reused = new Set<string>()

  constructor(progress: Progress, message: OpenMessage, client: SmtpClient) {
    this.#progress = progress
    this.#client = client
    this.#request = progress.request
    this.#visitor = new Visitor(progress, message, client)
  }

  /** @returns The reply of another agent, if the request was passed on. */
  async run(): Promise<DeliverReply | undefined> {
    const { lmtp, fallbackRelay } = this.#client.settings
    const { sites, fallbackFrom } = splitNexthop(this.#request.nexthop, fallbackRelay, lmtp)
    let last = 0
    for (const [index, text] of sites.entries()) {
      if (this.#progress.left.length === 0 || (index > 0 && this.#progress.finalNexthop)) break
      last = index
      if (index === sites.length - 1) this.#progress.finalNexthop = true
      await this.#trySite(text, index === 0)
    }
    return this.#progress.left.length === 0 ? undefined : this.#giveUp(sites[0] ?? '', last >= fallbackFrom)
  }

  async #trySite(text: string, first: boolean): Promise<void> {
    const { settings } = this.#client
    try {
      const destination = parseDestination(text, settings)
      if (destination.kind === 'unix') return await this.#trySocket(destination.path)
      const port = portNumber(destination.service, settings.knownPorts, destination.text)
      if (port === 465 && !settings.tlsWrapper) this.#explainWrapper()
      await this.#tryServers({ destination, port, loopDetect: !settings.lmtp && port === 25, first })
    } catch (error) {
      if (!(error instanceof DestinationError)) throw error
      log.error(error.message)
      this.#progress.why = { dsn: '4.3.0', reason: 'mail transport unavailable' }
    }
  }

  #explainWrapper(): void {
    const name = this.#client.settings.lmtp ? 'lmtp' : 'smtp'
    log.info(`SMTPS wrappermode (TCP port 465) requires setting "${name}_tls_wrappermode = yes", `
      + `and "${name}_tls_security_level = encrypt" (or stronger)`)
  }

  async #trySocket(path: string): Promise<void> {
    const { fallbackRelay, myhostname } = this.#client.settings
    if (fallbackRelay !== '') {
      log.warning(`ignoring "lmtp_fallback_relay = ${fallbackRelay}" setting for non-TCP connections`)
    }
    const policy = await this.#policy(path, path)
    if (policy === undefined) return
    this.#visitor.prepare(path, path)
    this.#progress.finalServer = true
    if (await this.#visitor.reuseByNexthop(() => () => undefined)) return
    // Encryption without authentication is of no use between processes of one machine.
    const level = policy.level === 'may' ? 'none' : policy.level
    const facts = { nexthop: path, domain: myhostname, loopDetect: false, bestMx: false }
    await this.#visitor.visit({ kind: 'unix', host: myhostname, path }, { ...policy, level }, facts)
  }

  async #tryServers(site: Site): Promise<void> {
    const { destination } = site
    const found = await this.#lookup(site)
    if (found.failure !== undefined) this.#progress.why = found.failure
    if (found.selfIsMx || (found.list.length === 0 && isLoop(found.failure))) this.#progress.finalNexthop = true
    const policy = found.list.length === 0 ? undefined : await this.#policy(destination.text, destination.host)
    if (policy === undefined) return
    if (site.first) this.#visitor.prepare(destination.text, destination.host)
    const walk = new Walk(found.list, site, policy)
    await this.#useWaiting(walk)
    await this.#useNew(walk)
  }

  #lookup({ destination, loopDetect, first }: Site): Promise<AddressList> {
    const { settings, lookups } = this.#client
    const usesDns = settings.dnsEnabled && destination.plain
    const target = {
      host: destination.host, service: destination.service, loopDetect,
      mx: usesDns && !settings.lmtp, srv: usesDns && settings.srvServices.includes(destination.service),
    }
    return lookups.find(target, first && this.#request.flags.connLoad)
  }

  async #policy(nexthop: string, host: string): Promise<TlsPolicy | undefined> {
    const { settings, tlsPolicies } = this.#client
    const answer = await tlsPolicies.find(nexthop, host)
    if (answer.kind === 'unusable') {
      log.warning(`TLS policy lookup for ${nexthop}/${host}: ${answer.reason}`)
      this.#progress.tls = 'unknown?'
      this.#progress.why = answer
      return undefined
    }
    if (settings.tlsWrapper && (answer.policy.level === 'none' || answer.policy.level === 'may')) {
      const name = settings.lmtp ? 'lmtp' : 'smtp'
      log.warning(`${name}_tls_wrappermode requires "${name}_tls_security_level = encrypt" (or stronger)`)
      this.#progress.why = { dsn: '4.7.5', reason: 'client TLS configuration problem' }
      return undefined
    }
    return this.#client.requireTls.relaxed(answer.policy, this.#request.sendOptions)
  }

  /** Waiting connections first: for the destination, then for each of its best servers. */
  async #useWaiting(walk: Walk): Promise<void> {
    walk.forget(this.#reused)
    if (this.#isOver(walk)) return
    await this.#visitor.reuseByNexthop((session) => this.#takes(walk, session.endpoint))
    for (const address of walk.best) {
      if (this.#isOver(walk)) return
      if (!walk.has(address)) continue
      const onTaken = (session: Session): (() => void) => this.#takes(walk, session.endpoint)
      await this.#visitor.reuseByEndpoint(walk.endpoint(address), walk.policy, onTaken)
    }
  }

  /** A connection is about to be used. @returns What takes this back. */
  #takes(walk: Walk, endpoint: Endpoint): () => void {
    const { sessionLimit, addressLimit } = this.#client.settings
    const restore = walk.save()
    const address = endpoint.kind === 'inet' ? endpoint.address : ''
    this.#reused.add(address)
    walk.forget(this.#reused)
    walk.sessions++
    walk.visits++
    if (walk.sessions === sessionLimit || walk.visits === addressLimit) walk.end()
    this.#setFinal(walk.isEmpty)
    return () => {
      restore()
      this.#reused.delete(address)
    }
  }

  async #useNew(walk: Walk): Promise<void> {
    const { sessionLimit, addressLimit } = this.#client.settings
    for (let address = walk.next(); address !== undefined; address = walk.next()) {
      if (this.#progress.left.length === 0) return
      if (++walk.visits === addressLimit) walk.end()
      this.#setFinal(walk.isEmpty)
      await this.#visitNew(walk, address, () => {
        if (++walk.sessions === sessionLimit) walk.end()
        this.#setFinal(walk.isEmpty)
      })
    }
  }

  async #visitNew(walk: Walk, address: ServerAddress, onReady: () => void): Promise<void> {
    const { destination, loopDetect } = walk.site
    const bestMx = walk.isBest(address)
    const facts = { nexthop: destination.text, domain: destination.host, loopDetect, bestMx, onReady }
    const endpoint = walk.endpoint(address)
    const end = await this.#visitor.visit(endpoint, walk.policy, facts)
    if (end !== 'retryInClear') return
    this.#setFinal(walk.isEmpty)
    await this.#visitor.visit(endpoint, { ...walk.policy, level: 'none' }, facts)
  }

  #setFinal(lastServer: boolean): void {
    this.#progress.finalServer = lastServer && this.#progress.finalNexthop
  }

  #isOver(walk: Walk): boolean {
    return walk.isEmpty || this.#progress.left.length === 0
  }

  /** Recipients are left when no server is: the last failure decides, with some care for our own mistakes. */
  async #giveUp(nexthop: string, atFallback: boolean): Promise<DeliverReply | undefined> {
    const { settings } = this.#client
    let why: Failure = this.#progress.why ?? { dsn: '4.3.0', reason: 'server unavailable or unable to receive mail' }
    if (!isSoft(why)) {
      if (atFallback) {
        log.warning('smtp_fallback_relay configuration problem')
        why = { ...why, dsn: '4.3.5' }
      } else if (!settings.lmtp && nexthop === settings.relayhost) {
        log.warning('relayhost configuration problem')
        why = { ...why, dsn: '4.3.5' }
      } else if (!settings.lmtp && isLoop(why) && settings.bestMxTransport !== '') {
        const left = this.#progress.left.map(({ recipient }) => recipient)
        return this.#client.passOn(settings.bestMxTransport, this.#request, left)
      }
    }
    this.#progress.finalServer = true
    this.#progress.fail(why, true)
    this.#progress.endSession()
    return undefined
  }
}
