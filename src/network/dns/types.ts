/**
 * What a name lookup asks and answers: the vocabulary of network/dns.
 *
 * `reason` is always the whole text that a delivery status or a log line shows.
 *
 * Source: RFC 1035; RFC 7505 (null MX); dns_lookup(3) of Postfix for the texts.
 */

/** The record types this resolver knows. */
export type RecordType = 'MX' | 'A' | 'AAAA' | 'PTR' | 'TXT' | 'CNAME' | 'SRV' | 'TLSA' | 'NS'

/** A mail exchanger. RFC 7505: preference 0 with the empty `host` says that the domain takes no mail. */
export type Mx = { readonly preference: number; readonly host: string }

/** A service location, RFC 2782. */
export type Srv = { readonly priority: number; readonly weight: number; readonly port: number; readonly host: string }

/** A certificate association, RFC 6698. */
export type Tlsa = {
  readonly usage: number
  readonly selector: number
  readonly matchingType: number
  readonly data: Uint8Array
}

/** The records asked for, and what is known about all of them. */
export type DnsFound<T> = {
  readonly kind: 'ok'
  /** At least one, in the order of the server. */
  readonly records: readonly T[]
  /** The smallest time to live on the way, in seconds. */
  readonly ttl: number
  /** The owner name at the end of the CNAME chain. */
  readonly name: string
  /** Whether a trusted resolver says that it has validated the answer (the AD bit). */
  readonly secure: boolean
}

/**
 * The answer to one question.
 *
 * - `notfound`: no such record; `exists` tells a name without such records from a name that is not there.
 * - `retry`: timeout, server trouble or a malformed reply: the same question may succeed later.
 * - `fail`: the servers refuse the question as such; trying again does not help.
 * - `invalid`: the name, or a name in the answer, is not a valid host name.
 */
export type DnsAnswer<T> =
  | DnsFound<T>
  | { readonly kind: 'notfound'; readonly exists: boolean; readonly reason: string }
  | { readonly kind: 'retry' | 'fail' | 'invalid'; readonly reason: string }

/** How the search list of resolv.conf applies to a question; by default it does not. */
export type LookupOptions = {
  /** Append the default domain to a name without dots (RES_DEFNAMES). */
  readonly defaultDomain?: boolean
  /** Walk the search list (RES_DNSRCH). */
  readonly search?: boolean
  /** Ask for validated data (the DO and AD bits). */
  readonly dnssec?: boolean
}

/** Looks names up. No method rejects: every outcome is an answer. */
export type Resolver = {
  mx(domain: string, options?: LookupOptions): Promise<DnsAnswer<Mx>>
  a(name: string, options?: LookupOptions): Promise<DnsAnswer<string>>
  aaaa(name: string, options?: LookupOptions): Promise<DnsAnswer<string>>
  /** The names of an IPv4 or IPv6 address. */
  ptr(address: string): Promise<DnsAnswer<string>>
  /** The strings of each TXT record, joined. */
  txt(name: string, options?: LookupOptions): Promise<DnsAnswer<string>>
  ns(name: string, options?: LookupOptions): Promise<DnsAnswer<string>>
  srv(name: string, options?: LookupOptions): Promise<DnsAnswer<Srv>>
  tlsa(name: string, options?: LookupOptions): Promise<DnsAnswer<Tlsa>>
  /**
   * Addresses by the system's own rules (nsswitch.conf, /etc/hosts, search list).
   *
   * @param family 0 for both.
   */
  native(name: string, family: 0 | 4 | 6): Promise<DnsAnswer<string>>
  /** Names of `address` in the hosts file; empty when it has none. */
  hostsNames(address: string): readonly string[]
  /** Addresses of `name` in the hosts file; empty when it has none. */
  hostsAddresses(name: string): readonly string[]
}
