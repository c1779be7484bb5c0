/**
 * From a destination to server addresses: MX or SRV records, then addresses of every server.
 *
 * Source: RFC 5321 §5.1, RFC 7505 (null MX), RFC 2782 (SRV); smtp(8).
 */
import { isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import { isNullMx, type DnsAnswer, type Mx, type Resolver, type Srv } from '#network/dns.ts'
import { isHostAddress } from '#network/dns/hostname.ts'
import { log } from '#system/log.ts'
import { isAscii } from '#util/ascii.ts'
import { orderAddresses, withoutSelf, type Random, type ServerAddress } from './addresses.ts'
import type { Failure } from './failure.ts'
import type { Settings } from './settings.ts'

/** What a lookup needs. */
export type LookupTools = { readonly resolver: Resolver; readonly settings: Settings; readonly random: Random }

/** The addresses of a destination in the order to try them, or why there are none. */
export type AddressList = {
  readonly list: readonly ServerAddress[]
  /** Without addresses: why. */
  readonly failure?: Failure
  /** This machine is a mail exchanger of the destination: no other destination is tried after it. */
  readonly selfIsMx: boolean
}

/** Where a destination is looked up. */
export type LookupTarget = {
  readonly host: string
  readonly service: string
  /** MX records count. */
  readonly mx: boolean
  /** SRV records count. */
  readonly srv: boolean
  /** Look for this machine in the list: only where mail could come back to it. */
  readonly loopDetect: boolean
}

/** Finds the servers of a destination. Never rejects. */
export async function lookupAddresses(target: LookupTarget, tools: LookupTools): Promise<AddressList> {
  if (target.srv) return serviceAddresses(target, tools)
  return target.mx ? domainAddresses(target, tools) : hostAddresses(target, tools)
}

/** A name with servers, before their addresses are known. */
type Server = { readonly host: string; readonly preference: number; readonly port?: number }

/** What the lookup of several servers came to: a soft failure counts more than a hard one. */
class Found {
  readonly list: ServerAddress[] = []
  failure: Failure | undefined

  get soft(): boolean {
    return this.failure?.dsn.startsWith('4') === true
  }

  fail(dsn: string, reason: string): void {
    this.failure = { dsn, reason }
  }
}

async function domainAddresses(target: LookupTarget, tools: LookupTools): Promise<AddressList> {
  const { resolver, settings } = tools
  const domain = asciiDomain(target.host)
  const answer = await resolver.mx(domain, { ...settings.resolverOptions, dnssec: settings.dnssec })
  if (isNullMx(answer)) return none({ dsn: '5.1.0', reason: `Domain ${domain} does not accept mail (nullMX)` })
  switch (answer.kind) {
    case 'ok':
      return mxAddresses(target, tools, answer.records.filter(({ host }) => host !== ''))
    case 'notfound':
      // RFC 5321 §5.1: a domain without MX is its own server.
      return hostAddresses(target, tools)
    default:
      if (settings.ignoreMxLookupError) return hostAddresses(target, tools)
      return none(mxFailure(answer))
  }
}

function mxFailure({ kind, reason }: Extract<DnsAnswer<Mx>, { reason: string }>): Failure {
  return { dsn: kind === 'fail' ? '5.4.3' : kind === 'invalid' ? '5.4.4' : '4.4.3', reason }
}

async function mxAddresses(target: LookupTarget, tools: LookupTools, records: readonly Mx[]): Promise<AddressList> {
  const { settings } = tools
  const servers = records.toSorted((a, b) => a.preference - b.preference)
  const found = await allAddresses(servers, tools)
  if (found.list.length === 0) {
    log.warning(`no MX host for ${target.host} has a valid address record`)
    const failure = found.failure ?? { dsn: '4.4.4', reason: `${target.host}: host not found` }
    return none(settings.deferIfNoMxAddress ? { ...failure, dsn: `4${failure.dsn.slice(1)}` } : failure)
  }
  return checkLoop(target, tools, found.list, servers[0]?.preference ?? 0, target.host)
}

/** Drops this machine from the list and puts the rest in order. */
function checkLoop(
  target: LookupTarget, tools: LookupTools, list: readonly ServerAddress[], best: number, name: string,
): AddressList {
  const check = target.loopDetect ? withoutSelf(list, tools.settings.ownAddresses) : { kind: 'clear', list } as const
  const selfIsMx = check.kind === 'self'
  if (check.list.length > 0) return { list: inOrder(check.list, tools), selfIsMx }
  const primary = list[0]?.preference === best
  const failure = primary
    ? { dsn: '5.4.6', reason: `mail for ${name} loops back to myself` }
    : { dsn: '4.4.4', reason: `unable to find primary relay for ${name}` }
  return { list: [], failure, selfIsMx }
}

async function hostAddresses({ host, loopDetect }: LookupTarget, tools: LookupTools): Promise<AddressList> {
  const found = await allAddresses([{ host: asciiDomain(host), preference: 0 }], tools)
  if (found.list.length === 0) return none(found.failure ?? { dsn: '4.4.4', reason: `${host}: host not found` })
  if (loopDetect && withoutSelf(found.list, tools.settings.ownAddresses).kind === 'self') {
    return none({ dsn: '5.4.6', reason: `mail for ${host} loops back to myself` })
  }
  return { list: inOrder(found.list, tools), selfIsMx: false }
}

async function serviceAddresses(target: LookupTarget, tools: LookupTools): Promise<AddressList> {
  const { resolver, settings, random } = tools
  const name = `_${target.service}._tcp.${target.host}`
  const answer = await resolver.srv(asciiDomain(name), { dnssec: settings.dnssec })
  let result: AddressList
  let mayFallBack = settings.allowSrvFallback
  if (answer.kind === 'ok' && answer.records.every(({ host }) => host === '')) {
    result = none({ dsn: '5.1.0', reason: `Service ${name} is not offered (null SRV)` })
  } else if (answer.kind === 'ok') {
    const servers = orderServices(answer.records, random)
    const found = await allAddresses(servers, tools)
    if (found.list.length === 0) log.warning(`no SRV host for ${name} has a valid address record`)
    result = found.list.length === 0
      ? none(found.failure ?? { dsn: '4.4.4', reason: `${name}: host not found` })
      : serviceOrder(checkLoop(target, tools, found.list, servers[0]?.preference ?? 0, name), found.list)
  } else {
    mayFallBack ||= settings.ignoreSrvLookupError && answer.kind !== 'notfound'
    result = none(answer.kind === 'notfound' ? { dsn: '5.4.4', reason: answer.reason } : mxFailure(answer))
  }
  if (result.list.length > 0 || !mayFallBack) return result
  log.info(`skipping SRV lookup for ${name}: ${result.failure?.reason ?? ''}`)
  return target.mx ? domainAddresses(target, tools) : hostAddresses(target, tools)
}

/** SRV addresses keep the order of their records: weights have decided it. */
function serviceOrder(checked: AddressList, list: readonly ServerAddress[]): AddressList {
  const left = new Set(checked.list)
  return { ...checked, list: list.filter((address) => left.has(address)) }
}

/** RFC 2782: by priority; within one, at random with the odds of the weights. */
function orderServices(records: readonly Srv[], random: Random): Server[] {
  const out: Server[] = []
  const rest = records.filter(({ host }) => host !== '')
    .toSorted((a, b) => a.priority - b.priority || a.weight - b.weight)
  while (rest.length > 0) {
    const same = rest.filter(({ priority }) => priority === rest[0]?.priority)
    let ticket = random(same.reduce((sum, { weight }) => sum + weight, 0) + 1)
    const drawn = same.find(({ weight }) => (ticket -= weight) <= 0) ?? rest[0]
    if (drawn === undefined) break
    rest.splice(rest.indexOf(drawn), 1)
    out.push({ host: drawn.host, preference: drawn.priority, port: drawn.port })
  }
  return out
}

async function allAddresses(servers: readonly Server[], tools: LookupTools): Promise<Found> {
  const found = new Found()
  const { resolver, settings } = tools
  // All at once: a domain with ten servers costs one round trip, not ten.
  const lookups = servers.map(({ host }) =>
    (settings.hostLookup.includes('dns') && !isHostAddress(host) ? dnsAddresses(host, resolver, settings) : undefined))
  for (const [i, server] of servers.entries()) await addAddresses(found, server, tools, await lookups[i])
  return found
}

/** Adds the addresses of one server, by DNS and then by the system's own lookup, as smtp_host_lookup says. */
async function addAddresses(
  found: Found, server: Server, { resolver, settings }: LookupTools, byDns: DnsAddresses | undefined,
): Promise<void> {
  const add = (addresses: readonly string[]): void => {
    found.list.push(...addresses.map((address) => ({ ...server, address })))
  }
  if (isHostAddress(server.host)) {
    if (settings.families.includes(isIPv6(server.host) ? 6 : 4)) add([server.host])
    else found.fail('5.4.4', `${server.host}: host not found`)
    return
  }
  if (byDns !== undefined) {
    const { addresses, problem } = byDns
    if (addresses.length > 0) return add(addresses)
    if (problem === undefined) return
    noteDnsFailure(found, problem)
    if (problem.kind !== 'notfound') return
  }
  if (!settings.hostLookup.includes('native')) return
  const [only, both] = settings.families
  const answer = await resolver.native(server.host, both === undefined ? only ?? 0 : 0)
  if (answer.kind === 'ok') return add(answer.records)
  const hard = answer.kind === 'retry' || found.soft ? '4' : '5'
  found.fail(`${hard}.${answer.kind === 'fail' ? '3.0' : '4.4'}`, answer.reason)
}

type Problem = Extract<DnsAnswer<string>, { reason: string }>
type DnsAddresses = { readonly addresses: string[]; readonly problem: Problem | undefined }

/** Both families. When there is nothing, a temporary reason counts more than a permanent one. */
async function dnsAddresses(
  host: string, resolver: Resolver, { families, resolverOptions, dnssec }: Settings,
): Promise<DnsAddresses> {
  const options = { ...resolverOptions, dnssec }
  const ask = (family: 4 | 6): Promise<DnsAnswer<string>> =>
    (family === 4 ? resolver.a(host, options) : resolver.aaaa(host, options))
  const answers = await Promise.all(families.map(ask))
  const addresses = answers.flatMap((answer) => (answer.kind === 'ok' ? answer.records : []))
  const problems = answers.filter((answer) => answer.kind !== 'ok')
  return { addresses, problem: problems.find(({ kind }) => kind !== 'notfound') ?? problems[0] }
}

function noteDnsFailure(found: Found, { kind, reason }: Problem): void {
  const soft = found.soft
  switch (kind) {
    case 'retry':
      return found.fail('4.4.3', reason)
    case 'fail':
      return found.fail(soft ? '4.4.3' : '5.4.3', reason)
    default:
      return found.fail(soft ? '4.4.4' : '5.4.4', reason)
  }
}

function inOrder(list: readonly ServerAddress[], { settings, random }: LookupTools): ServerAddress[] {
  const { randomize, familyPreference, balance, addressLimit } = settings
  return orderAddresses(list, { shuffle: randomize, family: familyPreference, balance, addressLimit, random })
}

function none(failure: Failure): AddressList {
  return { list: [], failure, selfIsMx: false }
}

/** The ASCII form of an internationalized domain; itself when it has none. */
function asciiDomain(name: string): string {
  return isAscii(name) ? name : domainToASCII(name) || name
}
