/**
 * Access by the servers of a domain: its mail exchangers, its name servers, or its own addresses.
 *
 * Source: postconf(5), check_*_mx_access, check_*_ns_access, check_*_a_access.
 */
import { isIPv6 } from 'node:net'
import type { DnsAnswer } from '#network/dns.ts'
import { isNullMx } from '#network/dns.ts'
import { isHostAddress } from '#network/dns/hostname.ts'
import { asciiDomain, mailhostAddress } from '#rewrite/mail-domain.ts'
import { dnsWords } from './dns-words.ts'
import type { Evaluation, Status } from './evaluation.ts'
import type { AccessLookup } from './lookup.ts'
import type { LookupRequest } from './restriction.ts'

/** Which servers of a domain. */
export type ServerType = 'MX' | 'NS' | 'A'

/** Servers by name, or why there is nothing to check. */
type Failure = { readonly kind: 'failed'; readonly domain: string; readonly reason: string }
type Servers = readonly string[] | 'none' | Failure

/**
 * Looks the servers of a name or mail address up: each by its name, then by its addresses.
 *
 * @param request Its `key` is the name or address.
 */
export async function checkServers(
  evaluation: Evaluation,
  lookup: AccessLookup,
  request: LookupRequest,
  type: ServerType,
): Promise<Status> {
  const domain = request.key.slice(request.key.lastIndexOf('@') + 1)
  if (domain.startsWith('[')) return checkLiteral(lookup, request, domain, type)
  const servers = await serversOf(evaluation, asciiDomain(domain) ?? domain, type)
  if (servers === 'none') return 'dunno'
  if ('kind' in servers) {
    const name = servers.domain.length > 1 ? servers.domain : request.key
    evaluation.warning(`Unable to look up ${type} host for ${name}: ${servers.reason}`)
    return 'dunno'
  }
  for (const server of servers) {
    const result = await checkServer(evaluation, lookup, request, type, server)
    if (result !== undefined) return result
  }
  return 'dunno'
}

/** An address literal is its own mail exchanger; it has no name server. */
async function checkLiteral(
  lookup: AccessLookup, request: LookupRequest, domain: string, type: ServerType,
): Promise<Status> {
  const address = domain.endsWith(']') ? mailhostAddress(domain.slice(1, -1)) : undefined
  if (type === 'NS' || address === undefined) return 'dunno'
  return (await lookup.address({ ...request, key: address })).status
}

async function serversOf(evaluation: Evaluation, domain: string, type: ServerType): Promise<Servers> {
  if (type === 'A') return [domain]
  return type === 'MX' ? exchangersOf(evaluation, domain) : nameServersOf(evaluation, domain)
}

/** A domain without MX records is its own mail exchanger. RFC 5321 §5.1. */
async function exchangersOf(evaluation: Evaluation, domain: string): Promise<Servers> {
  const answer = await evaluation.tools.resolver.mx(domain)
  if (isNullMx(answer)) return 'none'
  if (answer.kind === 'ok') return answer.records.map(({ host }) => host)
  return answer.kind === 'notfound' ? [domain] : { kind: 'failed', domain, reason: dnsWords(answer) }
}

/** A name inside a zone has the name servers of the zone: parents are asked, one by one. */
async function nameServersOf(evaluation: Evaluation, domain: string): Promise<Servers> {
  const { resolver } = evaluation.tools
  let name = domain
  let answer: DnsAnswer<string> = await resolver.ns(name)
  while (answer.kind === 'notfound') {
    const dot = name.indexOf('.')
    if (dot < 0 || dot === name.length - 1) return { kind: 'failed', domain: '', reason: dnsWords(answer) }
    name = name.slice(dot + 1)
    answer = await resolver.ns(name)
  }
  return answer.kind === 'ok' ? answer.records : { kind: 'failed', domain: name, reason: dnsWords(answer) }
}

async function checkServer(
  evaluation: Evaluation,
  lookup: AccessLookup,
  request: LookupRequest,
  type: ServerType,
  server: string,
): Promise<Status | undefined> {
  if (isHostAddress(server)) return decided(await lookup.address({ ...request, key: server }))
  if (type !== 'A') {
    const byName = decided(await lookup.domain({ ...request, key: server }))
    if (byName !== undefined) return byName
  }
  const answer = await evaluation.tools.resolver.native(server, 0)
  if (answer.kind !== 'ok') {
    const { about, name } = request.list
    if (type !== 'A') {
      evaluation.warning(`Unable to look up ${type} host ${server} for ${about} ${name}: ${dnsWords(answer)}`)
    }
    return undefined
  }
  const { ipv4, ipv6 } = evaluation.settings
  for (const address of answer.records.filter((record) => (isIPv6(record) ? ipv6 : ipv4))) {
    const byAddress = decided(await lookup.address({ ...request, key: address }))
    if (byAddress !== undefined) return byAddress
  }
  return undefined
}

function decided({ status, found }: { readonly status: Status; readonly found: boolean }): Status | undefined {
  return found || status !== 'dunno' ? status : undefined
}
