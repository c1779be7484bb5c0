/**
 * DNS messages: one question out, its answer in.
 *
 * The wire format is dns-packet's work; this module decides whether a message
 * answers our question, follows aliases inside it, and bounds what it accepts.
 *
 * Source: RFC 1035 §4, RFC 6891 (EDNS), RFC 9715 (1232 octets).
 */
import { AUTHENTIC_DATA, decode, DNSSEC_OK, encode, RECURSION_DESIRED, type DecodedPacket } from 'dns-packet'
import type { RecordType } from './types.ts'

/** The largest answer we invite over UDP: fits any path unfragmented. */
const EDNS_PAYLOAD_OCTETS = 1232
/** CNAME links followed inside one answer, and in all. */
export const ALIASES_MAX = 10
/** Records of one answer that are looked at; Postfix has the same limit. */
const RECORDS_MAX = 100
const HEADER_OCTETS = 12

/** One question, with the id that its answer must carry. */
export type Query = { readonly id: number; readonly name: string; readonly type: RecordType; readonly dnssec: boolean }

/** A record of the type asked for, still in the package's form. */
export type RawRecord = { readonly ttl: number; readonly data: unknown }

/** What a datagram or a TCP message turned out to be. */
export type Decoded =
  /** Not an answer to this question: wrong id, wrong question, or a query. */
  | { readonly kind: 'stray' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'truncated' }
  | {
    readonly kind: 'answer'
    readonly rcode: string
    readonly records: readonly RawRecord[]
    /** The last name of the alias chain, and the smallest time to live on it. */
    readonly name: string
    readonly ttl: number
    readonly aliased: boolean
    readonly secure: boolean
  }

/** The bytes of `query`. */
export function encodeQuery({ id, name, type, dnssec }: Query): Buffer {
  const flags = RECURSION_DESIRED | (dnssec ? AUTHENTIC_DATA : 0)
  return encode({
    id, type: 'query', flags, questions: [{ name, type, class: 'IN' }],
    additionals: [{ type: 'OPT', name: '.', udpPayloadSize: EDNS_PAYLOAD_OCTETS, flags: dnssec ? DNSSEC_OK : 0 }],
  })
}

/** Judges `bytes` as the answer to `query`. Never throws. */
export function decodeAnswer(bytes: Uint8Array, query: Query): Decoded {
  const id = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)
  if (bytes.length < HEADER_OCTETS || id !== query.id) return { kind: 'stray' }
  const packet = decodePacket(bytes)
  // RFC 2181 §9: of a truncated message only the header counts, and it may not decode.
  if (packet === undefined) return { kind: ((bytes[2] ?? 0) & 0x82) === 0x82 ? 'truncated' : 'malformed' }
  if (packet.type !== 'response' || !asksFor(packet, query)) return { kind: 'stray' }
  if (packet.flag_tc) return { kind: 'truncated' }
  return readAnswer(packet, query)
}

function decodePacket(bytes: Uint8Array): DecodedPacket | undefined {
  try {
    return decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch {
    return undefined
  }
}

function asksFor(packet: DecodedPacket, query: Query): boolean {
  const [question] = packet.questions
  // Some servers leave the question out of an error reply.
  if (question === undefined) return packet.rcode !== 'NOERROR'
  return packet.questions.length === 1 && question.type === query.type && sameName(question.name, query.name)
}

function readAnswer(packet: DecodedPacket, query: Query): Decoded {
  let name = query.name
  let ttl = Number.MAX_SAFE_INTEGER
  for (let links = 0; links <= ALIASES_MAX; links++) {
    const records: RawRecord[] = []
    let target: string | undefined
    for (const answer of packet.answers.slice(0, RECORDS_MAX)) {
      if (!sameName(answer.name, name)) continue
      if (answer.type === query.type) records.push({ ttl: answer.ttl ?? 0, data: answer.data })
      else if (answer.type === 'CNAME' && typeof answer.data === 'string') {
        target = answer.data
        ttl = Math.min(ttl, answer.ttl ?? 0)
      }
    }
    if (records.length > 0 || target === undefined) {
      const least = records.reduce((sum, record) => Math.min(sum, record.ttl), ttl)
      const secure = packet.flag_ad
      return { kind: 'answer', rcode: packet.rcode, records, name, ttl: least, aliased: links > 0, secure }
    }
    name = target
  }
  return { kind: 'malformed' }
}

/** RFC 1035 §2.3.3: names are equal but for case; a dot at the end means nothing here. */
function sameName(a: string, b: string): boolean {
  return a === b || a.replace(/\.$/, '').toLowerCase() === b.replace(/\.$/, '').toLowerCase()
}
