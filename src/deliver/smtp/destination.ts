/**
 * Next hops as text: where to look servers up, and on which port.
 *
 * Source: transport(5), relayhost in postconf(5), smtp(8) and lmtp(8).
 */
import { splitAtChars } from '#util/split.ts'

/** One element of a next hop. */
export type Destination =
  | {
    readonly kind: 'inet'
    /** As written, with brackets and port: the key of TLS policies and passwords. */
    readonly text: string
    /** Without brackets and port. */
    readonly host: string
    /** Number or name of the port. */
    readonly service: string
    /** Without brackets, so that MX records count. */
    readonly plain: boolean
  }
  | { readonly kind: 'unix'; readonly path: string }

/** A next hop that makes no sense; `message` is the text of the log. */
export class DestinationError extends Error {
  override readonly name = 'DestinationError'
}

/** How next hops are read. */
export type DestinationOptions = {
  readonly lmtp: boolean
  /** Service where the next hop names none: smtp_tcp_port, lmtp_tcp_port. */
  readonly defaultService: string
}

/**
 * Reads one element: `domain`, `domain:port`, `[host]`, `[host]:port`; with LMTP also `unix:/path`.
 *
 * @throws {DestinationError}
 */
export function parseDestination(text: string, { lmtp, defaultService }: DestinationOptions): Destination {
  if (lmtp && text.startsWith('unix:')) return { kind: 'unix', path: text.slice('unix:'.length) }
  const bare = lmtp && text.startsWith('inet:') ? text.slice('inet:'.length) : text
  const [host, service] = bare.startsWith('[') ? bracketed(bare) : hostAndPort(bare)
  const name = service === undefined || service === '' ? defaultService : service
  if (host === '') throw new DestinationError(`null host in server description: ${text}`)
  return { kind: 'inet', text: bare, host, service: name, plain: !bare.startsWith('[') }
}

function bracketed(text: string): [host: string, service: string | undefined] {
  const close = text.indexOf(']')
  if (close < 0) throw new DestinationError(`missing "]" in server description: ${text}`)
  const rest = text.slice(close + 1)
  if (rest !== '' && !rest.startsWith(':')) {
    throw new DestinationError(`garbage after "]" in server description: ${text}`)
  }
  return [text.slice(1, close).replace(/^ipv6:/i, ''), rest.slice(1)]
}

function hostAndPort(text: string): [host: string, service: string | undefined] {
  const colon = text.indexOf(':')
  // More than one colon: an IPv6 address without brackets, and no port.
  if (colon < 0 || text.includes(':', colon + 1)) return [text, undefined]
  return [text.slice(0, colon), text.slice(colon + 1)]
}

/** All elements of a next hop, then those of the fallback relay; `fallbackFrom` is the index of the first of those. */
export type Sites = { readonly sites: readonly string[]; readonly fallbackFrom: number }

/** Splits a next hop into its elements. A `unix:` path is never split. */
export function splitNexthop(nexthop: string, fallbackRelay: string, lmtp: boolean): Sites {
  if (lmtp && nexthop.startsWith('unix:')) return { sites: [nexthop], fallbackFrom: 1 }
  const own = splitAtChars(nexthop)
  return { sites: [...own, ...splitAtChars(fallbackRelay)], fallbackFrom: own.length }
}

/**
 * The number of a port.
 *
 * @param known Names and numbers, as known_tcp_ports has them.
 * @throws {DestinationError}
 */
export function portNumber(service: string, known: ReadonlyMap<string, number>, destination: string): number {
  const named = known.get(service.toLowerCase())
  if (named !== undefined) return named
  if (!/^\d+$/.test(service)) throw new DestinationError(`unknown service: ${service}/tcp`)
  const port = Number(service)
  if (port < 1 || port > 65535) {
    throw new DestinationError(`bad network port: ${service} for destination: ${destination}`)
  }
  return port
}
