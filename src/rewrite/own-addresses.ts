/**
 * The network addresses of this mail system: those it receives mail on, and
 * those of proxies and address translators in front of it.
 *
 * Names among them are looked up once, in the hosts file at once, elsewhere in
 * the background; until that answer is there, questions wait for it.
 *
 * Source: postconf(5), inet_interfaces, proxy_interfaces, inet_protocols.
 */
import { networkInterfaces } from 'node:os'
import { isIPv6 } from 'node:net'
import type { Config } from '#config/config.ts'
import { openResolver } from '#network/dns.ts'
import { canonicalAddress, isHostAddress } from '#network/dns/hostname.ts'
import { log } from '#system/log.ts'
import { asciiLower } from '#util/ascii.ts'
import type { MaybePromise } from '#util/maybe.ts'

/** What is looked up here of a resolver. */
export type NameSource = Pick<ReturnType<typeof openResolver>, 'native' | 'hostsAddresses'>

/** A set of addresses, some of which may still be on their way. */
class AddressSet {
  readonly #addresses = new Set<string>()
  #pending: Promise<void> | undefined

  add(address: string): void {
    this.#addresses.add(canonicalAddress(address))
  }

  /** Adds what `lookup` finds. */
  addLater(lookup: Promise<readonly string[]>): void {
    const before = this.#pending ?? Promise.resolve()
    const all = before.then(async () => {
      for (const address of await lookup) this.add(address)
      if (this.#pending === all) this.#pending = undefined
    })
    this.#pending = all
  }

  has(address: string): MaybePromise<boolean> {
    const key = canonicalAddress(address)
    if (this.#addresses.has(key) || this.#pending === undefined) return this.#addresses.has(key)
    return this.#pending.then(() => this.#addresses.has(key))
  }
}

/** Knows which addresses are ours. Addresses are without brackets or prefix. */
export type OwnAddresses = {
  /** Whether this system listens on `address` (inet_interfaces). */
  isOwn(address: string): MaybePromise<boolean>
  /** Whether `address` is listed in proxy_interfaces. */
  isProxy(address: string): MaybePromise<boolean>
  /** One of both. */
  isOurs(address: string): MaybePromise<boolean>
}

/** Reads inet_interfaces and proxy_interfaces. */
export function openOwnAddresses(config: Config, source: NameSource = openResolver()): OwnAddresses {
  const families = familiesOf(config)
  const own = new AddressSet()
  const proxy = new AddressSet()
  for (const item of config.list('inet_interfaces')) addInterface(own, item, families, source)
  for (const item of config.list('proxy_interfaces')) addHost(proxy, item, families, source)
  return {
    isOwn: (address) => own.has(address),
    isProxy: (address) => proxy.has(address),
    isOurs: (address) => either(own.has(address), () => proxy.has(address)),
  }
}

function either(first: MaybePromise<boolean>, second: () => MaybePromise<boolean>): MaybePromise<boolean> {
  if (first === true) return true
  return first === false ? second() : first.then((found) => found || second())
}

type Families = { readonly ipv4: boolean; readonly ipv6: boolean }

function familiesOf(config: Config): Families {
  const names = config.list('inet_protocols').map(asciiLower)
  const all = names.includes('all')
  return { ipv4: all || names.includes('ipv4'), ipv6: all || names.includes('ipv6') }
}

function addInterface(set: AddressSet, item: string, families: Families, source: NameSource): void {
  const word = asciiLower(item)
  if (word !== 'all' && word !== 'loopback-only') {
    addHost(set, item, families, source)
    return
  }
  for (const entry of Object.values(networkInterfaces()).flat()) {
    if (entry === undefined || (word === 'loopback-only' && !entry.internal)) continue
    const address = entry.address.replace(/%.*$/, '')
    if (isWanted(address, families)) set.add(address)
  }
}

function isWanted(address: string, families: Families): boolean {
  return isIPv6(address) ? families.ipv6 : families.ipv4
}

/** A host: an address, with or without brackets, or a name. */
function addHost(set: AddressSet, item: string, families: Families, source: NameSource): void {
  const host = item.replace(/^\[(.*)\]$/, '$1').replace(/^ipv6:/i, '')
  if (isHostAddress(host)) {
    set.add(host)
    return
  }
  const listed = source.hostsAddresses(host).filter((address) => isWanted(address, families))
  if (listed.length > 0) listed.forEach((address) => set.add(address))
  else set.addLater(lookUp(host, families, source))
}

async function lookUp(host: string, families: Families, source: NameSource): Promise<readonly string[]> {
  const answer = await source.native(host, 0)
  if (answer.kind === 'ok') return answer.records.filter((address) => isWanted(address, families))
  log.error(`parameter inet_interfaces: no local interface found for ${host}: ${answer.reason}`)
  return []
}
