/**
 * The name of a client by its address, believed only when it leads back to it.
 *
 * Source: smtpd_peer(3) of Postfix; RFC 5321 §4.1.4 says why a name alone proves nothing.
 */
import { isIPv6 } from 'node:net'
import { isValidHostname, sameAddress } from './hostname.ts'
import type { DnsAnswer, Resolver } from './types.ts'

/** How far a name is to be believed; the numbers are the first digits of the replies they cause. */
export type NameStatus = 'ok' | 'temporary' | 'permanent' | 'forged'

/** What is known of a client's name. */
export type ClientName = {
  /** The verified name, or `unknown`. */
  readonly name: string
  /** The name that the address claims, verified or not, or `unknown`. */
  readonly reverseName: string
  readonly nameStatus: NameStatus
  readonly reverseNameStatus: NameStatus
  /** The log line about a name that does not lead back, without its `warning: `. */
  readonly warning?: string
}

/** The name of a client without one. */
export const UNKNOWN_NAME = 'unknown'

/** Looks the name of `address` up, and the addresses of that name. Never rejects. */
export async function verifiedClientName(resolver: Resolver, address: string): Promise<ClientName> {
  const [listed] = resolver.hostsNames(address)
  if (listed !== undefined && isValidHostname(listed)) return verified(resolver, address, listed)
  const answer = await resolver.ptr(address)
  const reverseName = answer.kind === 'ok' ? answer.records[0] : undefined
  if (reverseName === undefined) return nameless(answer)
  return verified(resolver, address, reverseName)
}

function nameless(answer: DnsAnswer<string>): ClientName {
  const status = answer.kind === 'retry' ? 'temporary' : 'permanent'
  return { name: UNKNOWN_NAME, reverseName: UNKNOWN_NAME, nameStatus: status, reverseNameStatus: status }
}

async function verified(resolver: Resolver, address: string, reverseName: string): Promise<ClientName> {
  const forward = await addressesOf(resolver, reverseName, isIPv6(address))
  if (forward.kind === 'ok' && forward.records.some((record) => sameAddress(record, address))) {
    return { name: reverseName, reverseName, nameStatus: 'ok', reverseNameStatus: 'ok' }
  }
  const complaint = `hostname ${reverseName} does not resolve to address ${address}`
  return {
    name: UNKNOWN_NAME, reverseName, reverseNameStatus: 'ok',
    nameStatus: forward.kind === 'ok' ? 'forged' : forward.kind === 'retry' ? 'temporary' : 'permanent',
    warning: forward.kind === 'ok' ? complaint : `${complaint}: ${systemWords(forward)}`,
  }
}

function addressesOf(resolver: Resolver, name: string, ipv6: boolean): Promise<DnsAnswer<string>> {
  const listed = resolver.hostsAddresses(name).filter((address) => isIPv6(address) === ipv6)
  if (listed.length > 0) return Promise.resolve({ kind: 'ok', records: listed, ttl: 0, name, secure: false })
  return ipv6 ? resolver.aaaa(name) : resolver.a(name)
}

/** What getaddrinfo(3) says of the same outcome. */
function systemWords(answer: DnsAnswer<string>): string {
  if (answer.kind === 'retry') return 'Temporary failure in name resolution'
  if (answer.kind === 'notfound') {
    return answer.exists ? 'No address associated with hostname' : 'Name or service not known'
  }
  return 'Non-recoverable failure in name resolution'
}
