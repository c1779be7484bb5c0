/**
 * transport(5): which transport and next hop a recipient or a domain has.
 *
 * Source: transport(5), "TABLE SEARCH ORDER", "RESULT FORMAT"; postconf(5) parent_domain_matches_subdomains.
 */
import type { Config } from '#config/config.ts'
import { splitAddress } from '#mail/address.ts'
import { openMaps } from '#tables/maps.ts'
import type { Maps } from '#tables/maps.ts'
import type { AddressContext } from './address-context.ts'
import { findAddress } from './address-find.ts'
import { whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'

/** Where a message goes next. */
export type Route = { readonly transport: string; readonly nexthop: string }

/** The route after the lookup; `absent`: no entry. */
export type TransportResult =
  | ({ readonly kind: 'found' } & Route)
  | { readonly kind: 'absent' }
  | { readonly kind: 'error' }

/** Transports whose next hop is a text that says why. */
const TEXT_TRANSPORTS: readonly string[] = ['error', 'retry']

/** A transport table list. */
export type TransportMap = {
  /** @param recipient Internal form with domain. @param route What an entry changes. */
  lookup(recipient: string, route: Route): MaybePromise<TransportResult>
}

/**
 * Opens the tables of a parameter; `undefined` when it names none.
 *
 * @param title transport_maps or address_verify_transport_maps.
 */
export function openTransportMap(
  config: Config,
  title: 'transport_maps' | 'address_verify_transport_maps',
  context: AddressContext,
): TransportMap | undefined {
  const maps = openMaps(title, config.str(title), { config, regsub: false })
  if (maps.empty) return undefined
  const plainParents = config.list('parent_domain_matches_subdomains').includes('transport_maps')
  return { lookup: (recipient, route) => lookup(maps, recipient, route, context, plainParents) }
}

function lookup(
  maps: Maps,
  recipient: string,
  route: Route,
  context: AddressContext,
  plainParents: boolean,
): MaybePromise<TransportResult> {
  const domain = splitAddress(recipient).domain ?? ''
  const strategy = { kind: 'domains', plainParents, users: false } as const
  return whenReady(findAddress(maps, recipient, context, { strategy }), (exact) => {
    // The wildcard is asked of all tables, also of those with patterns.
    return whenReady(exact.kind === 'absent' ? maps.find('*') : exact, (result): TransportResult => {
      if (result.kind !== 'found') return { kind: result.kind }
      return { kind: 'found', ...applyEntry(result.value, domain, route) }
    })
  })
}

/** An entry `transport:nexthop`, either part empty, applied to a route. */
export function applyEntry(value: string, domain: string, route: Route): Route {
  const { head: transport, tail: nexthop } = splitRoute(value)
  // `:nexthop` keeps the transport; `:` keeps all.
  if (transport === '') return nexthop === '' ? route : { ...route, nexthop }
  if (nexthop !== '') return { transport, nexthop }
  return { transport, nexthop: TEXT_TRANSPORTS.includes(transport) ? 'Address is undeliverable' : domain }
}

/** Cuts `transport:nexthop` at the first colon. */
export function splitRoute(value: string): { readonly head: string; readonly tail: string } {
  const colon = value.indexOf(':')
  return colon < 0 ? { head: value, tail: '' } : { head: value.slice(0, colon), tail: value.slice(colon + 1) }
}
