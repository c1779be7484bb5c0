/**
 * Name lookups for the whole mail system.
 *
 * `openResolver()` is a stub resolver of our own: node:dns hides response codes
 * and the AD bit, and a mail system has to tell "no such name" from "try again".
 * The wire format is dns-packet's.
 *
 * Source: RFC 1034, RFC 1035, RFC 5321 §5.1; dns_lookup(3) of Postfix.
 */
import { lookup } from 'node:dns/promises'
import { canonicalAddress, reverseName } from './dns/hostname.ts'
import { openHosts, textOf, versionOf } from './dns/hosts.ts'
import { INVALID, readAddress, readHost, readMx, readSrv, readTlsa, readTxt, type Reader } from './dns/records.ts'
import { parseResolvConf, parseServer, type ResolvConf } from './dns/resolv-conf.ts'
import { canAsk, invalidName, notFound, openStub, type Stub } from './dns/stub.ts'
import type { DnsAnswer, LookupOptions, Mx, RecordType, Resolver } from './dns/types.ts'

export type { DnsAnswer, LookupOptions, Mx, Resolver, Srv, Tlsa } from './dns/types.ts'
export { verifiedClientName, type ClientName, type NameStatus } from './dns/client-name.ts'

/** Where names are looked up; the defaults are the system's files. */
export type ResolverOptions = {
  /** `host:port` of each server (parameter posthorn_dns_servers); empty: those of resolv.conf. */
  readonly servers?: readonly string[]
  readonly resolvConf?: string
  readonly hosts?: string
  /** Wait for one server, once, when `servers` is set. */
  readonly timeoutMs?: number
  /** Whether the AD bit is believed when `servers` is set. */
  readonly trustAd?: boolean
}

/** How old the knowledge of resolv.conf may be. */
const CHECK_INTERVAL_MS = 5000

/**
 * A resolver over the name servers of this system, or over `servers`.
 *
 * @throws {SyntaxError} When an entry of `servers` is no address.
 */
export function openResolver(options: ResolverOptions = {}): Resolver {
  const stub = openStub(settings(options))
  const hosts = openHosts(options.hosts ?? '/etc/hosts')
  return {
    mx: (domain, how) => typed(stub, domain, 'MX', readMx, how),
    a: (name, how) => typed(stub, name, 'A', readAddress, how),
    aaaa: (name, how) => typed(stub, name, 'AAAA', readAddress, how),
    ns: (name, how) => typed(stub, name, 'NS', readHost, how),
    txt: (name, how) => typed(stub, name, 'TXT', readTxt, how),
    srv: (name, how) => typed(stub, name, 'SRV', readSrv, how),
    tlsa: (name, how) => typed(stub, name, 'TLSA', readTlsa, how),
    ptr: (address) => reverse(stub, address),
    native: nativeAddresses,
    hostsNames: (address) => hosts().names.get(canonicalAddress(address)) ?? [],
    hostsAddresses: (name) => hosts().addresses.get(name.toLowerCase()) ?? [],
  }
}

/** Whether the one MX record says that the domain takes no mail. RFC 7505 §3. */
export function isNullMx(answer: DnsAnswer<Mx>): boolean {
  return answer.kind === 'ok' && answer.records.length === 1 && answer.records[0]?.host === ''
}

function settings(options: ResolverOptions): () => ResolvConf {
  const { servers = [], resolvConf = '/etc/resolv.conf', timeoutMs, trustAd = false } = options
  const fixed = servers.map(parseServer)
  if (fixed.length > 0) {
    const conf = { ...parseResolvConf(''), servers: fixed, trustAd }
    return () => (timeoutMs === undefined ? conf : { ...conf, timeoutMs })
  }
  let conf = parseResolvConf('')
  let version: string | undefined
  let checkedAt = -Infinity
  return () => {
    const now = performance.now()
    if (now - checkedAt < CHECK_INTERVAL_MS) return conf
    checkedAt = now
    const latest = versionOf(resolvConf)
    if (latest !== version) conf = parseResolvConf(textOf(resolvConf))
    version = latest
    return conf
  }
}

async function typed<T>(
  stub: Stub, name: string, type: RecordType, read: Reader<T>, options?: LookupOptions,
): Promise<DnsAnswer<T>> {
  if (!canAsk(name)) return { ...invalidName(name), kind: 'notfound', exists: false }
  const answer = await stub(name, type, options)
  if (answer.kind !== 'ok') return answer
  const records: T[] = []
  for (const { data } of answer.records) {
    const record = read(data)
    if (record === INVALID) return invalidName(answer.name)
    if (record !== undefined) records.push(record)
  }
  return records.length > 0 ? { ...answer, records } : notFound(name, type, true)
}

async function reverse(stub: Stub, address: string): Promise<DnsAnswer<string>> {
  const name = reverseName(address)
  return name === undefined ? invalidName(address) : typed(stub, name, 'PTR', readHost)
}

/** The failure codes of getaddrinfo(3) in its own words. */
const NATIVE_REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
  EAI_NODATA: 'No address associated with hostname',
}

async function nativeAddresses(name: string, family: 0 | 4 | 6): Promise<DnsAnswer<string>> {
  try {
    const found = await lookup(name, { family, all: true, order: 'verbatim' })
    return { kind: 'ok', records: found.map(({ address }) => address), ttl: 0, name, secure: false }
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
    const words = NATIVE_REASONS[code] ?? 'Non-recoverable failure in name resolution'
    const reason = `unable to look up host ${name}: ${words}`
    if (code === 'EAI_AGAIN') return { kind: 'retry', reason }
    if (code === 'ENOTFOUND' || code === 'EAI_NODATA') return { kind: 'notfound', exists: false, reason }
    return { kind: 'fail', reason }
  }
}
