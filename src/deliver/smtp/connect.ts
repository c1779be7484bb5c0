/**
 * New connections: source address, time limit, and the words for what goes wrong.
 *
 * Source: smtp_bind_address, smtp_connect_timeout in postconf(5); RFC 5321 §4.5.3.2.
 */
import { connect as connectSocket, isIPv6, type Socket } from 'node:net'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { Failure } from './failure.ts'
import type { Settings } from './settings.ts'

/** Where to connect. */
export type Endpoint =
  | { readonly kind: 'inet'; readonly host: string; readonly address: string; readonly port: number }
  /** `host` is this machine's name: a socket has none of its own. */
  | { readonly kind: 'unix'; readonly host: string; readonly path: string }

/** A connection, or why there is none. */
export type Connected =
  | { readonly kind: 'ok'; readonly socket: Socket }
  | { readonly kind: 'failed'; readonly failure: Failure }

/** `host[address]` */
export function nameAndAddress(endpoint: Endpoint): string {
  return `${endpoint.host}[${endpoint.kind === 'unix' ? endpoint.path : endpoint.address}]`
}

/** `host[address]:port`, as `relay=` shows it; sockets have no port. */
export function nameAddressPort(endpoint: Endpoint): string {
  return endpoint.kind === 'unix' ? nameAndAddress(endpoint) : `${nameAndAddress(endpoint)}:${endpoint.port}`
}

/** Connects to a server. Never rejects. */
export async function connectTo(endpoint: Endpoint, settings: Settings): Promise<Connected> {
  const source = endpoint.kind === 'unix' ? '' : sourceAddress(endpoint.address, settings)
  const first = await attempt(endpoint, source, settings.connectTimeout)
  if (!('bindProblem' in first)) return first
  log.warning(`smtp_connect_addr: bind ${source}: ${first.bindProblem}`)
  if (settings.bindEnforced) return { kind: 'failed', failure: { dsn: '4.4.0', reason: 'server configuration error' } }
  const second = await attempt(endpoint, '', settings.connectTimeout)
  return 'bindProblem' in second ? failed(endpoint, second.bindProblem) : second
}

/** The configured source address, or the only address of this mail system in that family. */
function sourceAddress(address: string, { bindAddress, onlyAddress }: Settings): string {
  const family = isIPv6(address) ? 6 : 4
  return bindAddress[family] === '' ? onlyAddress[family] : bindAddress[family]
}

function failed(endpoint: Endpoint, text: string): Connected {
  return { kind: 'failed', failure: { dsn: '4.4.1', reason: `connect to ${nameAddressPort(endpoint)}: ${text}` } }
}

type Attempt = Connected | { readonly bindProblem: string }

function attempt(endpoint: Endpoint, localAddress: string, timeoutSeconds: number): Promise<Attempt> {
  return new Promise((resolve) => {
    const socket = connectSocket(endpoint.kind === 'unix' ? { path: endpoint.path } : {
      host: endpoint.address, port: endpoint.port, ...(localAddress === '' ? {} : { localAddress }),
    })
    const giveUp = (): void => finish(failed(endpoint, 'Connection timed out'))
    const timer = timeoutSeconds === 0 ? undefined : setTimeout(giveUp, timeoutSeconds * 1000)
    const finish = (result: Attempt): void => {
      clearTimeout(timer)
      socket.removeAllListeners('connect')
      // From here on the engine listens; until then an error must not end the process.
      if (!('kind' in result) || result.kind === 'failed') socket.destroy()
      resolve(result)
    }
    socket.on('error', (error) => {
      const atBind = 'syscall' in error && error.syscall === 'bind'
      finish(atBind ? { bindProblem: errnoText(error) } : failed(endpoint, errnoText(error)))
    })
    socket.once('connect', () => finish({ kind: 'ok', socket }))
  })
}
