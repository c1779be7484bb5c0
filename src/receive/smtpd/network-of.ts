/** The network of an address: what a client is counted by. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { ipv6Groups } from '#network/dns/hostname.ts'

/** The address with the bits after the prefix cleared, and `/length`; the address itself when nothing is cleared. */
export function networkOf(address: string, ipv4Prefix: number, ipv6Prefix: number): string {
  if (isIPv4(address)) {
    if (ipv4Prefix >= 32) return address
    const octets = address.split('.').map((octet, i) => Number(octet) & maskOf(ipv4Prefix - 8 * i, 8))
    return `${octets.join('.')}/${ipv4Prefix}`
  }
  const groups = isIPv6(address) && ipv6Prefix < 128 ? ipv6Groups(address) : undefined
  if (groups === undefined) return address
  const text = groups.map((group, i) => (group & maskOf(ipv6Prefix - 16 * i, 16)).toString(16)).join(':')
  return `${presentAddress(text)}/${ipv6Prefix}`
}

/** The highest `bits` of a field of `width` bits. */
function maskOf(bits: number, width: number): number {
  const kept = Math.max(0, Math.min(width, bits))
  return (2 ** width - 1) & ~(2 ** (width - kept) - 1)
}

/** An address as inet_ntop(3) writes it. */
export function presentAddress(address: string): string {
  return address.includes(':') && isIPv6(address) ? new SocketAddress({ address, family: 'ipv6' }).address : address
}
