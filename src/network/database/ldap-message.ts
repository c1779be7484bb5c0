/**
 * Messages of LDAP: requests to bytes, bytes to replies.
 *
 * Source: RFC 4511 §4 (messages), §4.14 (StartTLS).
 */
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'
import { BER, BerError, BerReader, element, elementBounds, integer } from './ber.ts'

/** Where a search looks. */
export const SCOPE = { base: 0, one: 1, sub: 2 } as const satisfies Readonly<Record<string, number>>
export type Scope = (typeof SCOPE)[keyof typeof SCOPE]

/** One search. */
export type SearchRequest = {
  readonly base: string
  readonly scope: Scope
  /** As `encodeFilter()` makes it. */
  readonly filter: Uint8Array
  /** Attributes wanted; none at all stands for every one. */
  readonly attributes: readonly string[]
  /** Follow aliases: 0 never, 1 while searching, 2 for the base, 3 always. */
  readonly dereference: number
  /** Entries at most; 0: no limit. */
  readonly sizeLimit: number
  /** Seconds for the server; 0: no limit. */
  readonly timeLimit: number
}

/** An entry; the attributes and values in the server's order. */
export type LdapEntry = {
  readonly dn: string
  readonly attributes: readonly { readonly name: string; readonly values: readonly string[] }[]
}

/** How a request ended. `referrals`: URLs of other servers. */
export type LdapResult = { readonly status: number; readonly text: string; readonly referrals: readonly string[] }

/** One message from the server. `other`: something that no request of ours asks for. */
export type LdapReply =
  | { readonly kind: 'entry'; readonly id: number; readonly entry: LdapEntry }
  | { readonly kind: 'reference'; readonly id: number; readonly urls: readonly string[] }
  | { readonly kind: 'result'; readonly id: number; readonly result: LdapResult }
  | { readonly kind: 'other'; readonly id: number }

/** Longest message that is taken. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024

const START_TLS_OID = '1.3.6.1.4.1.1466.20037'
const RESULT_REFERRALS_TAG = 0xa3
const OP = { bind: 0x60, unbind: 0x42, search: 0x63, extended: 0x77 } as const
const REPLY = { bind: 0x61, entry: 0x64, done: 0x65, reference: 0x73, extended: 0x78 } as const

function octets(text: string, tag: number = BER.octets): Buffer {
  return element(tag, encodeRaw(text))
}

function message(id: number, operation: Uint8Array): Buffer {
  return element(BER.sequence, integer(id), operation)
}

/** RFC 4511 §4.2: simple bind; no name and no password: anonymous. */
export function bindRequest(id: number, version: number, dn: string, password: string): Buffer {
  return message(id, element(OP.bind, integer(version), octets(dn), octets(password, 0x80)))
}

/** RFC 4511 §4.3: says good-bye; there is no reply. */
export function unbindRequest(id: number): Buffer {
  return message(id, element(OP.unbind))
}

/** RFC 4511 §4.14.1. */
export function startTlsRequest(id: number): Buffer {
  return message(id, element(OP.extended, octets(START_TLS_OID, 0x80)))
}

/** RFC 4511 §4.5.1. */
export function searchRequest(id: number, search: SearchRequest): Buffer {
  const typesOnly = element(BER.boolean, Uint8Array.of(0))
  return message(id, element(
    OP.search, octets(search.base), integer(search.scope, BER.enumerated), integer(search.dereference, BER.enumerated),
    integer(search.sizeLimit), integer(search.timeLimit), typesOnly, search.filter,
    element(BER.sequence, ...search.attributes.map((name) => octets(name))),
  ))
}

function readEntry(reader: BerReader): LdapEntry {
  const dn = decodeRaw(reader.bytes(BER.octets))
  const attributes: { name: string; values: string[] }[] = []
  const list = reader.inside(BER.sequence)
  while (list.tag !== undefined) {
    const attribute = list.inside(BER.sequence)
    const name = decodeRaw(attribute.bytes(BER.octets))
    const values: string[] = []
    const set = attribute.inside(BER.set)
    while (set.tag !== undefined) values.push(decodeRaw(set.bytes(BER.octets)))
    attributes.push({ name, values })
  }
  return { dn, attributes }
}

function readTexts(reader: BerReader): string[] {
  const texts: string[] = []
  while (reader.tag !== undefined) texts.push(decodeRaw(reader.bytes(BER.octets)))
  return texts
}

function readResult(reader: BerReader): LdapResult {
  const status = reader.number(BER.enumerated)
  reader.bytes(BER.octets)
  const text = decodeRaw(reader.bytes(BER.octets))
  return { status, text, referrals: reader.tag === RESULT_REFERRALS_TAG ? readTexts(reader.inside()) : [] }
}

function readReply(bytes: Uint8Array): LdapReply {
  const reader = new BerReader(bytes)
  const id = reader.number()
  const tag = reader.tag
  const operation = reader.inside()
  if (tag === REPLY.entry) return { kind: 'entry', id, entry: readEntry(operation) }
  if (tag === REPLY.reference) return { kind: 'reference', id, urls: readTexts(operation) }
  if (tag === REPLY.bind || tag === REPLY.done || tag === REPLY.extended) return { kind: 'result', id, result: readResult(operation) }
  return { kind: 'other', id }
}

/**
 * Takes one message off the front of what was received.
 *
 * @returns It and its length in bytes; `undefined` while it is incomplete.
 * @throws {BerError} It is malformed or too long.
 */
export function takeReply(received: Uint8Array): { readonly reply: LdapReply; readonly length: number } | undefined {
  if (received.length > 0 && received[0] !== BER.sequence) throw new BerError('reply is not LDAP')
  const bounds = elementBounds(received)
  if (bounds === undefined) return undefined
  if (bounds.to > MESSAGE_BYTES_MAX) throw new BerError('reply is too long')
  if (bounds.to > received.length) return undefined
  return { reply: readReply(received.subarray(bounds.from, bounds.to)), length: bounds.to }
}
