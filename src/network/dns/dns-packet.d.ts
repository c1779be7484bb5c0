/** The part of dns-packet 5.6 that network/dns uses; the package ships no types. */
declare module 'dns-packet' {
  export type Question = { name: string; type: string; class?: string }
  export type Answer = { name: string; type: string; class?: string; ttl?: number; data?: unknown }
  export type Packet = {
    id?: number
    type?: 'query' | 'response'
    flags?: number
    flag_tc?: boolean
    flag_ad?: boolean
    rcode?: string
    questions?: Question[]
    answers?: Answer[]
    authorities?: Answer[]
    additionals?: (Answer | OptRecord)[]
  }
  export type OptRecord = { type: 'OPT'; name: '.'; udpPayloadSize: number; flags: number; options?: unknown[] }
  export type DecodedPacket = Required<Packet>
  export const RECURSION_DESIRED: number
  export const RECURSION_AVAILABLE: number
  export const TRUNCATED_RESPONSE: number
  export const AUTHENTIC_DATA: number
  export const DNSSEC_OK: number
  export function encode(packet: Packet): Buffer
  export function decode(bytes: Buffer): DecodedPacket
}
