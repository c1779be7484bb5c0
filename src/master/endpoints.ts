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
import type { ServiceEntry } from '#config/master-cf.ts'
import { LISTEN_BACKLOG } from '#service/control.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { mkfifo } from '#system/posix.ts'
import { bindDatagram, listenInet, listenUnix, servicePort } from '#system/sockets.ts'
import { isRoot, type User } from '#system/users.ts'

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

/** What log lines call the service after its name: `25`, or `private/smtp`. */
export function listenerName(entry: ServiceEntry): string {
  if (entry.type !== 'inet') return socketPath(entry)
  const { host, port } = splitInetName(entry.name)
  const number = portNumber(port)
  return host === '' ? String(number) : `${host}:${number}`
}

function splitInetName(name: string): { host: string; port: string } {
  const at = name.lastIndexOf(':')
  if (at < 0 || name.endsWith(']')) return { host: '', port: name }
  return { host: name.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: name.slice(at + 1) }
}

function portNumber(port: string): number {
  const number = /^\d+$/.test(port) ? Number(port) : servicePort(port)
  if (number === undefined || number > 65535) throw new EndpointError(`unknown service name: ${port}`)
  return number
}

/**
 * All places where clients of a service may come in.
 *
 * @throws {EndpointError} For a port or host name that cannot be resolved.
 */
export async function endpointsOf(entry: ServiceEntry, config: Config): Promise<Endpoint[]> {
  if (entry.type === 'fifo') return [{ kind: 'fifo', path: socketPath(entry) }]
  if (entry.type === 'unix-dgram') return [{ kind: 'datagram', path: socketPath(entry) }]
  if (entry.type !== 'inet') return [{ kind: 'unix', path: socketPath(entry) }]
  const { host, port } = splitInetName(entry.name)
  const number = portNumber(port)
  const hosts = host === '' ? await interfaceAddresses(config) : await hostAddresses(host, config)
  return hosts.map((each) => ({ kind: 'inet', host: each, port: number }))
}

function protocols(config: Config): { ipv4: boolean; ipv6: boolean } {
  const list = config.list('inet_protocols')
  const all = list.includes('all')
  return { ipv4: all || list.includes('ipv4'), ipv6: all || list.includes('ipv6') }
}

/** The addresses of inet_interfaces. All of them: the wildcard addresses, so that later ones count too. */
async function interfaceAddresses(config: Config): Promise<string[]> {
  const { ipv4, ipv6 } = protocols(config)
  const wanted = config.list('inet_interfaces')
  if (wanted.includes('all')) return [...(ipv4 ? ['0.0.0.0'] : []), ...(ipv6 && hasIpv6() ? ['::'] : [])]
  if (wanted.includes('loopback-only')) {
    const settings = { interfaces: 'loopback-only', protocols: config.str('inet_protocols') }
    return ownAddresses(thisMachine, settings).map((each) => each.address)
  }
  const each = await Promise.all(wanted.map((name) => hostAddresses(name.replace(/^\[(.*)\]$/, '$1'), config)))
  return [...new Set(each.flat())]
}

/** A machine without IPv6 has no IPv6 address at all, not even ::1. */
function hasIpv6(): boolean {
  return thisMachine.addresses().some((each) => !isIPv4(each.address))
}

async function hostAddresses(host: string, config: Config): Promise<string[]> {
  if (isIP(host) !== 0) return [host]
  const { ipv4, ipv6 } = protocols(config)
  try {
    const found = await lookup(host, { all: true, order: 'verbatim' })
    const usable = found.filter(({ family }) => (family === 4 ? ipv4 : ipv6 && hasIpv6()))
    if (usable.length > 0) return [...new Set(usable.map(({ address }) => address))]
  } catch (error) {
    throw new EndpointError(`host not found: ${host}: ${errnoText(error)}`)
  }
  throw new EndpointError(`host not found: ${host}`)
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
