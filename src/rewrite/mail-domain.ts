/**
 * Domains as they stand in mail addresses: names, and addresses in brackets.
 *
 * Source: RFC 5321 §4.1.2, §4.1.3 (address literals); RFC 6531 §3.3 (U-labels).
 */
import { isIPv4 } from 'node:net'
import { domainToASCII } from 'node:url'
import { isHostAddress, isValidHostname } from '#network/dns/hostname.ts'
import { isAscii } from '#util/ascii.ts'

const IPV6_PREFIX_REGEXP = /^ipv6:/i

/**
 * The bare address of what stands between the brackets of a literal. RFC 5321
 * §4.1.3: IPv6 needs its `IPv6:`. `undefined` when it is no address.
 */
export function mailhostAddress(text: string): string | undefined {
  if (!IPV6_PREFIX_REGEXP.test(text)) return isIPv4(text) ? text : undefined
  const bare = text.slice(5)
  return isHostAddress(bare) && !isIPv4(bare) ? bare : undefined
}

/** Whether `text` is a valid `[address]`. */
export function isMailhostLiteral(text: string): boolean {
  return text.startsWith('[') && text.endsWith(']') && mailhostAddress(text.slice(1, -1)) !== undefined
}

/** The form of a name for the DNS: U-labels become A-labels. `undefined` when there is none. */
export function asciiDomain(name: string): string | undefined {
  if (isAscii(name)) return name
  const ascii = domainToASCII(name)
  return ascii === '' ? undefined : ascii
}

/** Whether `name` can be a host name; with `utf8` also one that has a form for the DNS. */
export function isValidMailDomain(name: string, utf8: boolean): boolean {
  if (isAscii(name)) return isValidHostname(name)
  const ascii = utf8 ? asciiDomain(name) : undefined
  return ascii !== undefined && isValidHostname(ascii)
}
