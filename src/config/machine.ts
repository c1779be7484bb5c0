/**
 * Defaults that depend on the machine: its name, its domain, its networks.
 *
 * Source: postconf(5) myhostname, mydomain, mynetworks, mynetworks_style, inet_interfaces.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { splitAtChars } from '#util/split.ts'

/** One address of an interface, with the length of its network's prefix in bits. */
export type LocalAddress = {
  readonly family: 4 | 6
  readonly address: string
  readonly prefix: number
  readonly loopback: boolean
}

/** What the defaults need to know of the machine; replaceable in tests. */
export type Machine = { readonly hostName: () => string; readonly addresses: () => readonly LocalAddress[] }

/** What mynetworks depends on, expanded. */
export type NetworkSettings = { readonly style: string; readonly interfaces: string; readonly protocols: string }

/** The domain of a host without one. */
export const DEFAULT_DOMAIN = 'localdomain'

/** The machine this process runs on. */
export const thisMachine: Machine = { hostName: hostname, addresses: localAddresses }

/** Default of myhostname: the host's name, with `domain` when the name has no dot. */
export function defaultHostName(machine: Machine, domain: string | undefined): string {
  const name = machine.hostName()
  return name.includes('.') ? name : `${name}.${domain ?? DEFAULT_DOMAIN}`
}

/** Default of mydomain: what follows the first dot of myhostname. */
export function defaultDomain(hostName: string): string {
  const dot = hostName.indexOf('.')
  return dot < 0 ? DEFAULT_DOMAIN : hostName.slice(dot + 1)
}

/** Default of mynetworks: the networks, or only the addresses, of the interfaces that receive mail. */
export function defaultNetworks(machine: Machine, settings: NetworkSettings): string {
  const networks = new Set<string>()
  for (const address of ownAddresses(machine, settings)) networks.add(networkOf(address, settings.style))
  // Postfix ends each one with a blank, which shows where text follows `$mynetworks`.
  return Array.from(networks, (network) => `${network} `).join('')
}

/** The addresses that inet_interfaces and inet_protocols choose, IPv4 first; each once. */
export function ownAddresses(machine: Machine, settings: Omit<NetworkSettings, 'style'>): LocalAddress[] {
  const { interfaces, protocols } = settings
  const families = wantedFamilies(protocols)
  const known = machine.addresses().filter(({ family }) => families.includes(family))
  const wanted = splitAtChars(interfaces)
  if (wanted.includes('all')) return known
  if (wanted.includes('loopback-only')) return known.filter(({ loopback }) => loopback)
  const hosts = wanted.flatMap((name) => addressesOfName(name.replace(/^\[(?:IPv6:)?(.*)\]$/i, '$1')))
  return known.filter(({ address }) => hosts.includes(address))
}

function wantedFamilies(protocols: string): number[] {
  const words = splitAtChars(protocols.toLowerCase())
  if (words.length === 0 || words.includes('all')) return [4, 6]
  return words.map((word) => (word === 'ipv6' ? 6 : 4))
}

/** An address as it stands, or those that /etc/hosts has for a name: the default may not wait for DNS. */
function addressesOfName(name: string): string[] {
  if (/^[\d.]+$|:/.test(name)) return [name.toLowerCase()]
  try {
    const lines = readFileSync('/etc/hosts', 'utf8').split('\n').map((line) => splitAtChars(line.replace(/#.*/, '')))
    return lines.filter((words) => words.slice(1).includes(name)).map(([address = '']) => address)
  } catch {
    return []
  }
}

function networkOf({ family, address, prefix }: LocalAddress, style: string): string {
  const bits = family === 4 ? 32 : 128
  const length = style === 'host' ? bits : style === 'class' && family === 4 ? classPrefix(address) : prefix
  const network = maskAddress(family, address, length)
  return family === 4 ? `${network}/${length}` : `[${network}]/${length}`
}

/** Prefix length of an address's class: A 8, B 16, C 24, others the address alone. */
function classPrefix(address: string): number {
  const first = Number(address.split('.', 1)[0])
  if (first < 128) return 8
  if (first < 192) return 16
  return first < 224 ? 24 : 32
}

function maskAddress(family: 4 | 6, address: string, prefix: number): string {
  if (family === 4) {
    const value = address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n)
    const masked = (value >> BigInt(32 - prefix)) << BigInt(32 - prefix)
    return [24n, 16n, 8n, 0n].map((shift) => String((masked >> shift) & 255n)).join('.')
  }
  const value = ipv6Groups(address).reduce((sum, group) => sum * 65_536n + BigInt(group), 0n)
  const masked = (value >> BigInt(128 - prefix)) << BigInt(128 - prefix)
  const groups = Array.from({ length: 8 }, (_, i) => ((masked >> BigInt(112 - 16 * i)) & 65_535n).toString(16))
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}

function ipv6Groups(address: string): number[] {
  const [head = '', tail] = address.split('::')
  const left = hexGroups(head)
  if (tail === undefined) return left
  const right = hexGroups(tail)
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
}

function hexGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

function localAddresses(): LocalAddress[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  const addresses = all.map(({ family, address, cidr, internal }): LocalAddress => ({
    family: family === 'IPv6' ? 6 : 4,
    address,
    prefix: Number(cidr?.split('/')[1] ?? (family === 'IPv6' ? 128 : 32)),
    loopback: internal,
  }))
  return addresses.toSorted((a, b) => a.family - b.family)
}
