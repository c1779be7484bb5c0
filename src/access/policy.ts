/**
 * Client of policy servers: one question at a time on each connection, which
 * stays open for the next; as many connections as there are questions at once.
 *
 * Source: SMTPD_POLICY_README; postconf(5) smtpd_policy_service_*, check_policy_service.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { ConfigError } from '#config/error.ts'
import { detailOf, isDisconnect, PolicyConnection, reasonOf, ServerSilent } from './policy-connection.ts'

/** Where a server listens. */
export type PolicyEndpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'inet'; readonly host: string; readonly port: number }

/** Limits of the connections to one server; times in seconds, 0 for no limit. */
export type PolicyLimits = {
  readonly timeoutSeconds: number
  readonly maxIdleSeconds: number
  readonly maxTtlSeconds: number
  /** Requests on one connection. */
  readonly requestLimit: number
  /** Attempts for one question. */
  readonly tryLimit: number
  readonly retryDelaySeconds: number
}

/** An action, or none after all attempts; `warnings` say what went wrong on the way. */
export type PolicyAnswer = { readonly action: string | undefined; readonly warnings: readonly string[] }

/**
 * Reads `unix:path` (relative to the queue directory, which is the working directory of a worker) or `inet:host:port`.
 *
 * @throws {ConfigError} On other forms.
 */
export function parsePolicyEndpoint(service: string): PolicyEndpoint {
  const colon = service.indexOf(':')
  const transport = service.slice(0, Math.max(colon, 0))
  const endpoint = service.slice(colon + 1)
  if (colon <= 0 || endpoint === '') throw new ConfigError(`need service transport:endpoint instead of "${service}"`)
  if (transport === 'unix' || transport === 'local') return { kind: 'unix', path: endpoint }
  if (transport !== 'inet') throw new ConfigError(`invalid attribute transport name: ${service}`)
  const match = /^(?:\[?(.*?)\]?:)?(\d+)$/.exec(endpoint)
  if (match === null) throw new ConfigError(`bad port number in policy service: ${service}`)
  return {
    kind: 'inet', host: match[1] === undefined || match[1] === '' ? 'localhost' : match[1], port: Number(match[2]),
  }
}

/** The name of an endpoint in warnings. */
export function endpointName(endpoint: PolicyEndpoint): string {
  return endpoint.kind === 'unix' ? endpoint.path : `${endpoint.host}:${endpoint.port}`
}

/** Asks one policy server. */
export class PolicyClient {
  readonly #endpoint: PolicyEndpoint
  readonly #limits: PolicyLimits
  readonly #sleep: (ms: number) => Promise<void>
  #idle: PolicyConnection[] = []
  readonly #busy = new Set<PolicyConnection>()

  constructor(endpoint: PolicyEndpoint, limits: PolicyLimits, sleep: (ms: number) => Promise<void>) {
    this.#endpoint = endpoint
    this.#limits = limits
    this.#sleep = sleep
  }

  /** Sends a request and gives the action of the reply. Never rejects. */
  async ask(request: string): Promise<PolicyAnswer> {
    const warnings: string[] = []
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#try(request)
      if ('action' in outcome) return { action: outcome.action, warnings }
      const last = attempt >= this.#limits.tryLimit
      // A server that closed an idle connection is no trouble: the next attempt opens a new one.
      if (outcome.detail !== undefined) warnings.push(outcome.detail)
      if (last || !outcome.harmless) {
        warnings.push(`problem talking to server ${endpointName(this.#endpoint)}: ${outcome.reason}`)
      }
      if (last) return { action: undefined, warnings }
      await this.#sleep(this.#limits.retryDelaySeconds * 1000)
    }
  }

  /** Closes all connections. */
  close(): void {
    for (const connection of [...this.#idle, ...this.#busy]) connection.close()
    this.#idle = []
  }

  async #try(request: string): Promise<{ readonly action: string } | Failure> {
    const name = endpointName(this.#endpoint)
    let connection: PolicyConnection
    try {
      connection = this.#takeIdle() ?? (await this.#open())
    } catch (error) {
      const reason = reasonOf(error)
      return { reason, detail: `connect to ${name}: ${reason}`, harmless: reason === 'No such file or directory' }
    }
    this.#busy.add(connection)
    try {
      const action = await connection.ask(request, this.#limits.timeoutSeconds * 1000)
      this.#release(connection)
      return { action }
    } catch (error) {
      return { reason: reasonOf(error), detail: detailOf(error, name), harmless: isDisconnect(error) }
    } finally {
      this.#busy.delete(connection)
    }
  }

  #takeIdle(): PolicyConnection | undefined {
    const now = performance.now()
    const { maxTtlSeconds, maxIdleSeconds } = this.#limits
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      const tooOld = maxTtlSeconds > 0 && now - connection.openedAt > maxTtlSeconds * 1000
      const tooIdle = maxIdleSeconds > 0 && now - connection.idleSince > maxIdleSeconds * 1000
      if (!tooOld && !tooIdle && connection.open) return connection
      connection.close()
    }
    return undefined
  }

  async #open(): Promise<PolicyConnection> {
    const socket = await openSocket(this.#endpoint, this.#limits.timeoutSeconds * 1000)
    return new PolicyConnection(socket, (gone) => {
      this.#idle = this.#idle.filter((other) => other !== gone)
    })
  }

  #release(connection: PolicyConnection): void {
    const { requestLimit, maxIdleSeconds } = this.#limits
    if (requestLimit > 0 && connection.requests >= requestLimit) {
      connection.close()
      return
    }
    connection.rest(maxIdleSeconds * 1000)
    this.#idle.push(connection)
  }
}

/** `harmless`: not worth a warning unless it was the last attempt. */
type Failure = { readonly reason: string; readonly detail: string | undefined; readonly harmless: boolean }

function openSocket(endpoint: PolicyEndpoint, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = endpoint.kind === 'unix' ? connect(endpoint.path) : connect(endpoint.port, endpoint.host)
    const fail = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    socket.once('error', fail)
    socket.setTimeout(timeoutMs, () => fail(new ServerSilent()))
    socket.once('connect', () => {
      socket.removeAllListeners('error').removeAllListeners('timeout').setTimeout(0)
      resolve(socket)
    })
  })
}
