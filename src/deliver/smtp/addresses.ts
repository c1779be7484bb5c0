/**
 * Which server addresses are tried, and in which order.
 *
 * Source: RFC 5321 §5.1; smtp_randomize_addresses, smtp_address_preference,
 * smtp_balance_inet_protocols and smtp_mx_address_limit in postconf(5).
 */
import { isIPv6 } from 'node:net'
import { canonicalAddress } from '#network/dns/hostname.ts'

/** One address of one server. */
export type ServerAddress = {
  /** The server's name; for a literal address that address. */
  readonly host: string
  readonly address: string
  /** Of its MX record; 0 without one. */
  readonly preference: number
  /** From an SRV record; otherwise the destination's port counts. */
  readonly port?: number
}

/** Which family goes first within one preference. */
export type FamilyPreference = 'any' | 'ipv4' | 'ipv6'

/** A whole number from 0 up to, not including, `limit`. */
export type Random = (limit: number) => number

/** How a list is put in order. */
export type OrderOptions = {
  readonly shuffle: boolean
  readonly family: FamilyPreference
  readonly balance: boolean
  /** 0: no limit. */
  readonly addressLimit: number
  readonly random: Random
}

/** Puts a list in the order in which its addresses are tried. */
export function orderAddresses(list: readonly ServerAddress[], options: OrderOptions): ServerAddress[] {
  if (list.length < 2) return [...list]
  const shuffled = options.shuffle ? shuffle(list, options.random) : [...list]
  const rank = ({ address }: ServerAddress): number => familyRank(address, options.family)
  // RFC 5321 §5.1: lower preferences first; sorting keeps the order of the shuffle within one.
  const sorted = shuffled.toSorted((a, b) => a.preference - b.preference || rank(a) - rank(b))
  return options.balance && options.addressLimit > 0 ? balance(sorted, options.addressLimit) : sorted
}

/** Fisher and Yates: every order is equally likely. */
function shuffle(list: readonly ServerAddress[], random: Random): ServerAddress[] {
  const out = [...list]
  for (let i = out.length - 1; i > 0; i--) {
    const j = random(i + 1)
    const a = out[i]
    const b = out[j]
    if (a !== undefined && b !== undefined) [out[i], out[j]] = [b, a]
  }
  return out
}

function familyRank(address: string, preferred: FamilyPreference): number {
  if (preferred === 'any') return 0
  return isIPv6(address) === (preferred === 'ipv6') ? 0 : 1
}

/**
 * Keeps one address family from crowding the other out of the first `limit`
 * addresses: a server that is reachable over one family only is then found in time.
 */
function balance(list: ServerAddress[], limit: number): ServerAddress[] {
  const ipv6 = list.filter(({ address }) => isIPv6(address)).length
  const ipv4 = list.length - ipv6
  if (ipv4 === 0 || ipv6 === 0 || list.length <= limit) return list
  const half = Math.trunc(limit / 2)
  const firstIsIpv4 = !isIPv6(list[0]?.address ?? '')
  let left4 = Math.trunc((limit + (firstIsIpv4 ? 1 : 0)) / 2)
  if (ipv6 <= half) left4 = limit - ipv6
  else if (ipv4 <= half) left4 = ipv4
  let left6 = limit - left4
  return list.filter(({ address }) => (isIPv6(address) ? left6-- > 0 : left4-- > 0))
}

/** What is left of a list that may name this machine. */
export type LoopCheck =
  | { readonly kind: 'clear'; readonly list: readonly ServerAddress[] }
  /** This machine is in the list: only servers with a better preference are left, maybe none. */
  | { readonly kind: 'self'; readonly list: readonly ServerAddress[] }

/**
 * Drops this machine and all servers that are no better than it: they would send the mail back.
 * RFC 5321 §5.1.
 *
 * @param list Sorted by preference.
 * @param own Addresses of this machine, in canonical spelling.
 */
export function withoutSelf(list: readonly ServerAddress[], own: ReadonlySet<string>): LoopCheck {
  const self = list.find(({ address }) => own.has(canonicalAddress(address)))
  if (self === undefined) return { kind: 'clear', list }
  return { kind: 'self', list: list.filter(({ preference }) => preference < self.preference) }
}
