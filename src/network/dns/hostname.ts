/**
 * Host names and addresses as text.
 *
 * Source: RFC 1035 §2.3.1, RFC 1123 §2.1; underscores are let through, as Postfix does.
 */
import { isIPv4, isIPv6 } from 'node:net'

/** RFC 1035 §2.3.4: a name. */
const NAME_OCTETS_MAX = 255
/** RFC 1035 §2.3.4: a label. */
const LABEL_OCTETS_MAX = 63
/** Labels of letters, digits, hyphens and underscores. */
const NAME_REGEXP = /^[A-Za-z0-9_.-]+$/
const NUMERIC_REGEXP = /^[0-9.]*$/
const DOT = 0x2e
const HYPHEN = 0x2d

/** Whether `name` can be a host name: valid labels, no dot at the end, not numbers alone. */
export function isValidHostname(name: string, wildcard = false): boolean {
  if (name.length === 0 || name.length > NAME_OCTETS_MAX || NUMERIC_REGEXP.test(name)) return false
  if (wildcard && name.includes('*')) return name.split('.').every((label) => label === '*' || areLabels(label))
  return areLabels(name)
}

/** Whether all labels have 1 to 63 characters that may be in one, with no hyphen at either end. */
function areLabels(name: string): boolean {
  if (!NAME_REGEXP.test(name)) return false
  let start = 0
  for (let i = 0; i <= name.length; i++) {
    if (i < name.length && name.charCodeAt(i) !== DOT) continue
    if (i === start || i - start > LABEL_OCTETS_MAX) return false
    if (name.charCodeAt(start) === HYPHEN || name.charCodeAt(i - 1) === HYPHEN) return false
    start = i + 1
  }
  return true
}

/** Whether `text` is an IPv4 or IPv6 address without brackets or prefix. */
export function isHostAddress(text: string): boolean {
  return text.includes(':') ? isIPv6(text) && !text.includes('%') : isIPv4(text)
}

/**
 * The name under which the PTR records of `address` are.
 *
 * @returns `undefined` when `address` is no IP address.
 */
export function reverseName(address: string): string | undefined {
  // RFC 1035 §3.5: IPv4, octets in reverse order.
  if (isIPv4(address)) return `${address.split('.').toReversed().join('.')}.in-addr.arpa`
  const groups = isIPv6(address) ? ipv6Groups(address) : undefined
  if (groups === undefined) return undefined
  // RFC 3596 §2.5: IPv6, nibbles in reverse order.
  const nibbles = groups.map((group) => group.toString(16).padStart(4, '0')).join('')
  return `${nibbles.split('').toReversed().join('.')}.ip6.arpa`
}

/** The eight 16-bit groups of a valid IPv6 address. */
export function ipv6Groups(address: string): number[] | undefined {
  const bare = address.replace(/%.*$/, '')
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(bare)
  const text = dotted === null ? bare
    : `${dotted[1]}${hexPair(dotted[2], dotted[3])}:${hexPair(dotted[4], dotted[5])}`
  const [head = '', tail] = text.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : 8 - left.length - right.length
  const zeros = Array<string>(Math.max(missing, 0)).fill('0')
  const groups = [...left, ...zeros, ...right].map((group) => parseInt(group, 16))
  return groups.length === 8 && groups.every((group) => group >= 0 && group <= 0xffff) ? groups : undefined
}

function hexPair(high = '0', low = '0'): string {
  return (Number(high) * 256 + Number(low)).toString(16)
}

/** Whether two texts are the same IP address, however IPv6 is written; IPv4-mapped counts as IPv4. */
export function sameAddress(a: string, b: string): boolean {
  return a === b || canonicalAddress(a) === canonicalAddress(b)
}

/** One spelling per address: plain IPv4, or the eight groups in hexadecimal. Other text is lowered. */
export function canonicalAddress(address: string): string {
  if (isIPv4(address)) return address
  const groups = isIPv6(address) ? ipv6Groups(address) : undefined
  if (groups === undefined) return address.toLowerCase()
  const [g6 = 0, g7 = 0] = groups.slice(6)
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (mapped) return [g6 >> 8, g6 & 255, g7 >> 8, g7 & 255].join('.')
  return groups.map((group) => group.toString(16)).join(':')
}
