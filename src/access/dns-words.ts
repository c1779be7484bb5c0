/** The last words of a DNS failure: what the name server or the system said. */
import type { DnsAnswer } from '#network/dns.ts'

/** `Host not found, try again` of a whole reason; empty for success. */
export function dnsWords(answer: DnsAnswer<unknown>): string {
  return answer.kind === 'ok' ? '' : answer.reason.slice(answer.reason.lastIndexOf(': ') + 1).trimStart()
}
