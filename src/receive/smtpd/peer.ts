/**
 * Who a client is: address and name, before it has said a word.
 *
 * Source: RFC 5321 §4.1.3 (address literals); postconf(5) smtpd_peername_lookup.
 */
import type { Socket } from 'node:net'
import { UNKNOWN_NAME } from '#network/dns/client-name.ts'
import { canonicalAddress } from '#network/dns/hostname.ts'
import { verifiedClientName, type Resolver } from '#network/dns.ts'
import { log } from '#system/log.ts'
import { presentAddress } from './network-of.ts'
import type { Client, Endpoint } from './ports.ts'

const AF_INET = 2
const AF_INET6 = 10
const AF_UNSPEC = 0

/** Both ends of a connection. */
export type Peers = { readonly client: Client; readonly server: Endpoint }

/** Addresses and ports of both ends, as the socket or an upstream proxy has them. */
export type Addresses = {
  readonly clientAddress: string
  readonly clientPort: number
  readonly serverAddress: string
  readonly serverPort: number
}

/** The addresses of a connected socket; undefined for one that is no longer connected, or not TCP. */
export function socketAddresses(socket: Socket): Addresses | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined || localAddress === undefined) return undefined
  return {
    clientAddress: remoteAddress, clientPort: remotePort ?? 0, serverAddress: localAddress, serverPort: localPort ?? 0,
  }
}

/** A local user on standard input. */
export function localPeers(): Peers {
  return {
    client: {
      name: 'localhost', reverseName: 'localhost', nameStatus: 'ok', reverseNameStatus: 'ok',
      address: '127.0.0.1', rfcAddress: '127.0.0.1', port: '0', addressType: AF_UNSPEC,
    },
    server: { address: '127.0.0.1', port: '0' },
  }
}

/** A client whose name is not looked up (yet). IPv4 in IPv6 counts as IPv4; a scope is left out. */
export function namelessPeers(addresses: Addresses): Peers {
  const address = plainAddress(addresses.clientAddress)
  const ipv6 = address.includes(':')
  return {
    client: {
      name: UNKNOWN_NAME, reverseName: UNKNOWN_NAME, nameStatus: 'permanent', reverseNameStatus: 'permanent',
      address, rfcAddress: ipv6 ? `IPv6:${address}` : address, port: String(addresses.clientPort),
      addressType: ipv6 ? AF_INET6 : AF_INET,
    },
    server: { address: plainAddress(addresses.serverAddress), port: String(addresses.serverPort) },
  }
}

function plainAddress(address: string): string {
  return presentAddress(canonicalAddress(address.replace(/%.*$/, '')))
}

/** Looks the client's name up; complaints go into the log. */
export async function nameClient(client: Client, resolver: Resolver): Promise<void> {
  const { warning, ...names } = await verifiedClientName(resolver, client.address)
  if (warning !== undefined) log.warning(warning)
  Object.assign(client, names)
}
