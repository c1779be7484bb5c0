/**
 * Where a service is reached: its addresses or its socket in the queue directory.
 *
 * @module
 */
import { lookup } from 'node:dns/promises'
import { isIP, isIPv4 } from 'node:net'
import { chownSync, chmodSync, lstatSync, openSync, unlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '#config/config.ts'
import { ownAddresses, thisMachine } from '#config/machine.ts'
import { ConfigError } from '#config/error.ts'
import { splitInetName, type ServiceEntry } from '#config/master-cf.ts'
import { LISTEN_BACKLOG } from '#service/control.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { mkfifo } from '#system/posix.ts'
import { bindDatagram, listenInet, listenUnix, servicePort } from '#system/sockets.ts'
import { isRoot, type User } from '#system/users.ts'
import { parseKnownPorts } from '#util/known-ports.ts'

/** One place to listen at. `path` is relative to the queue directory. */
export type Endpoint =
  | { readonly kind: 'inet'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix' | 'datagram' | 'fifo'; readonly path: string }

/** An endpoint that cannot be made; Postfix's words. */
export class EndpointError extends Error {
  override name = 'EndpointError'
}

/** Two endpoints with the same text are the same place. */
export function endpointText(endpoint: Endpoint): string {
  return endpoint.kind === 'inet' ? `inet:${endpoint.host}:${endpoint.port}` : `${endpoint.kind}:${endpoint.path}`
}

/** The socket of a service below the queue directory. */
export function socketPath(entry: ServiceEntry): string {
  return `${entry.private ? 'private' : 'public'}/${entry.name}`
}

/** What log lines call the service after its name: `25`, or `private/smtp`. @throws {ConfigError} */
export function listenerName(entry: ServiceEntry, config: Config): string {
  if (entry.type !== 'inet') return socketPath(entry)
  const { host, port } = splitInetName(entry.name)
  const number = portNumber(port, config)
  return host === '' ? String(number) : `${host}:${number}`
}

/** The names of known_tcp_ports come first: a container may have no services database. */
function portNumber(port: string, config: Config): number {
  const known = parseKnownPorts(config.str('known_tcp_ports')).get(port.toLowerCase())
  const number = known ?? (/^\d+$/.test(port) ? Number(port) : servicePort(port))
  if (number === undefined) throw new ConfigError(`unknown service name: ${port}`)
  if (number > PORT_MAX) throw new ConfigError(`bad port number: ${port}`)
  return number
}

const PORT_MAX = 65_535

/**
 * All places where clients of a service may come in.
 *
 * @throws {ConfigError} A port or host name that cannot be resolved.
 * @throws {EndpointError} An item of inet_interfaces that cannot be.
 */
export async function endpointsOf(entry: ServiceEntry, config: Config): Promise<Endpoint[]> {
  if (entry.type === 'fifo') return [{ kind: 'fifo', path: socketPath(entry) }]
  if (entry.type === 'unix-dgram') return [{ kind: 'datagram', path: socketPath(entry) }]
  if (entry.type !== 'inet') return [{ kind: 'unix', path: socketPath(entry) }]
  const { host, port } = splitInetName(entry.name)
  const number = portNumber(port, config)
  const hosts = host === '' ? await interfaceAddresses(config) : await hostAddresses(host, config)
  if (hosts.length === 0 && host !== '') throw new ConfigError(`bad hostname or network address: ${entry.name}`)
  if (hosts.length === 0) {
    throw new ConfigError('service definition requires valid host name or address, or non-empty inet_interfaces setting')
  }
  return hosts.map((each) => ({ kind: 'inet', host: each, port: number }))
}

function protocols(config: Config): { ipv4: boolean; ipv6: boolean } {
  const list = config.list('inet_protocols').map((word) => word.toLowerCase())
  const all = list.length === 0 || list.includes('all')
  return { ipv4: all || list.includes('ipv4'), ipv6: all || list.includes('ipv6') }
}

/** The addresses of inet_interfaces. All of them: the wildcard addresses, so that later ones count too. */
async function interfaceAddresses(config: Config): Promise<string[]> {
  const { ipv4, ipv6 } = protocols(config)
  const wanted = config.list('inet_interfaces')
  // These two words stand alone; among others they are names of hosts.
  const word = wanted.length === 1 ? wanted[0]?.toLowerCase() : undefined
  if (word === 'all') return [...(ipv4 ? ['0.0.0.0'] : []), ...(ipv6 && hasIpv6() ? ['::'] : [])]
  if (word === 'loopback-only') {
    const settings = { interfaces: word, protocols: config.str('inet_protocols') }
    return ownAddresses(thisMachine, settings).map((each) => each.address)
  }
  const each = await Promise.all(wanted.map((name) => interfaceAddress(name, config)))
  return [...new Set(each.flat())]
}

async function interfaceAddress(name: string, config: Config): Promise<string[]> {
  const found = await hostAddresses(name.replace(/^\[(.*)\]$/, '$1'), config)
  if (found.length === 0) throw new EndpointError(`config variable inet_interfaces: host not found: ${name}`)
  return found
}

/** A machine without IPv6 has no IPv6 address at all, not even ::1. */
function hasIpv6(): boolean {
  return thisMachine.addresses().some((each) => !isIPv4(each.address))
}

/** The addresses of a host in the protocols of inet_protocols; none for one that is not known. */
async function hostAddresses(host: string, config: Config): Promise<string[]> {
  const { ipv4, ipv6 } = protocols(config)
  const literal = isIP(host)
  if (literal !== 0) return (literal === 4 ? ipv4 : ipv6) ? [host] : []
  try {
    const found = await lookup(host, { all: true, order: 'verbatim' })
    const usable = found.filter(({ family }) => (family === 4 ? ipv4 : ipv6 && hasIpv6()))
    return [...new Set(usable.map(({ address }) => address))]
  } catch {
    return []
  }
}

/** A new master may start while workers of a killed one still hold the port: those just starting see its end last. */
const BIND_ATTEMPTS = 50
const BIND_WAIT_MS = 100

/**
 * Makes the endpoint: a descriptor that is bound and listening.
 *
 * @param owner Who owns sockets in the queue directory.
 * @throws {EndpointError}
 */
export async function openEndpoint(endpoint: Endpoint, owner: User): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      return openNow(endpoint, owner)
    } catch (error) {
      const place = endpoint.kind === 'inet' ? `${endpoint.host} port ${endpoint.port}` : endpoint.path
      if (!isErrno(error, 'EADDRINUSE') || attempt === BIND_ATTEMPTS) throw new EndpointError(`bind ${place}: ${errnoText(error)}`)
    }
    await delay(BIND_WAIT_MS)
  }
}

function openNow(endpoint: Endpoint, owner: User): number {
  if (endpoint.kind === 'inet') return listenInet(endpoint.host, endpoint.port, LISTEN_BACKLOG)
  const { kind, path } = endpoint
  removeSpecial(path)
  if (kind === 'fifo') mkfifo(path, 0o622)
  // O_RDWR | O_NONBLOCK: a pipe without writers would be at its end.
  const fd = kind === 'unix' ? listenUnix(path, LISTEN_BACKLOG) : kind === 'datagram' ? bindDatagram(path) : openSync(path, 0o4002)
  chmodSync(path, kind === 'fifo' ? 0o622 : 0o666)
  if (isRoot()) chownSync(path, owner.uid, owner.gid)
  return fd
}

/** Removes what an earlier master left. A plain file in its place is not ours to remove. */
export function removeSpecial(path: string): void {
  const facts = lstatSync(path, { throwIfNoEntry: false })
  if (facts === undefined) return
  if (!facts.isSocket() && !facts.isFIFO()) throw new EndpointError(`${path} is no socket`)
  unlinkSync(path)
}
