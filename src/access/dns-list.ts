/**
 * DNS lists: whether a client address or a domain is on a list of bad or good senders.
 *
 * A list that does not answer has no say in rejecting: mail must not stop
 * because somebody else's name server is down.
 *
 * Source: postconf(5), reject_rbl_client, reject_rhsbl_*, permit_dnswl_client, permit_rhswl_client; RFC 5782.
 */
import { ipv6Groups, isValidHostname } from '#network/dns/hostname.ts'
import type { Resolver } from '#network/dns.ts'
import { asciiDomain } from '#rewrite/mail-domain.ts'
import { isDigits } from '#util/ascii.ts'
import { matchesPattern, parseAddressPattern } from './dns-list-pattern.ts'

/** `text`: the reason that the list gives (its TXT records). `unknown`: the list could not be asked. */
export type ListAnswer =
  | { readonly kind: 'listed'; readonly text: string }
  | { readonly kind: 'unlisted' }
  | { readonly kind: 'unknown'; readonly warning: string }
  | { readonly kind: 'malformed'; readonly reason: string }

/** A list as the admin names it: `bl.example` or `bl.example=127.0.0.[2..4]`. */
export type ListName = { readonly domain: string; readonly pattern: string | undefined }

/** Longest reason, in characters; several TXT records are joined by ` / `. */
const REASON_LENGTH_MAX = 500

const UNLISTED: ListAnswer = { kind: 'unlisted' }

/** Cuts the pattern of accepted answers off the name of a list. */
export function parseListName(text: string): ListName {
  const equals = text.indexOf('=')
  return equals < 0
    ? { domain: text, pattern: undefined }
    : { domain: text.slice(0, equals), pattern: text.slice(equals + 1) }
}

/** Asks about an IP address. RFC 5782 §2.1, §2.4: octets or nibbles in reverse order. */
export function askAboutAddress(resolver: Resolver, list: string, address: string): Promise<ListAnswer> {
  return ask(resolver, reversed(address), parseListName(list))
}

function reversed(address: string): string {
  if (!address.includes(':')) {
    const [first, second, third, fourth] = address.split('.')
    return fourth === undefined ? address : `${fourth}.${third}.${second}.${first}`
  }
  const nibbles = (ipv6Groups(address) ?? []).map((group) => group.toString(16).padStart(4, '0')).join('')
  return nibbles.split('').toReversed().join('.')
}

/** Asks about a domain, or that of an address; what cannot be a domain is on no list. */
export async function askAboutDomain(resolver: Resolver, list: string, nameOrAddress: string): Promise<ListAnswer> {
  const domain = nameOrAddress.slice(nameOrAddress.lastIndexOf('@') + 1)
  // Some lists answer questions about names that end in a number with an error that looks like a listing.
  const isNumeric = isDigits(domain.slice(domain.lastIndexOf('.') + 1))
  if (domain === '' || domain.startsWith('[') || isNumeric) return UNLISTED
  const name = asciiDomain(domain) ?? domain
  return isValidHostname(name) ? ask(resolver, name, parseListName(list)) : UNLISTED
}

async function ask(resolver: Resolver, subject: string, { domain, pattern }: ListName): Promise<ListAnswer> {
  const accepted = pattern === undefined ? undefined : parseAddressPattern(pattern)
  if (accepted?.kind === 'error') return { kind: 'malformed', reason: `RBL reply error: ${accepted.reason}` }
  const query = `${subject}.${domain}`
  const answer = await resolver.a(query)
  if (answer.kind === 'notfound') return UNLISTED
  if (answer.kind !== 'ok') return { kind: 'unknown', warning: `${query}: RBL lookup error: ${answer.reason}` }
  if (accepted !== undefined && !answer.records.some((record) => matchesPattern(accepted.fields, record))) {
    return UNLISTED
  }
  const reasons = await resolver.txt(query)
  return { kind: 'listed', text: reasons.kind === 'ok' ? joinReasons(reasons.records) : '' }
}

function joinReasons(records: readonly string[]): string {
  let text = ''
  for (const [i, record] of records.entries()) {
    if (text.length >= REASON_LENGTH_MAX) break
    text += record.slice(0, REASON_LENGTH_MAX - text.length)
    if (i < records.length - 1 && REASON_LENGTH_MAX - text.length > 3) text += ' / '
  }
  return text
}
