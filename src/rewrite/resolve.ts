/**
 * The resolver: from a recipient to transport, next hop and final recipient.
 *
 * First the domains of this system are stripped off; the domain that is left
 * has a class; the class has a transport and a next hop; transport_maps may
 * replace both; relocated_maps turns them into an error that tells where the user went.
 *
 * Source: trivial-rewrite(8); ADDRESS_REWRITING_README; transport(5), relocated(5).
 */
import type { Config } from '#config/config.ts'
import { domainOf } from '#mail/address.ts'
import { parseStatus } from '#mail/status.ts'
import { isHostAddress } from '#network/dns/hostname.ts'
import { log } from '#system/log.ts'
import { openMaps } from '#tables/maps.ts'
import type { Maps } from '#tables/maps.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'
import { whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { openAddressContext } from './address-context.ts'
import type { AddressContext, LocalAnswer } from './address-context.ts'
import { findAddress } from './address-find.ts'
import { openClassifier } from './domain-class.ts'
import type { Classifier, DomainClass } from './domain-class.ts'
import { isMailhostLiteral, isValidMailDomain } from './mail-domain.ts'
import { rewriteAddress, rewriteInternal } from './rewrite.ts'
import type { RewriteContext } from './rewrite.ts'
import { stripLocal, stripRules } from './strip-local.ts'
import type { StripRules } from './strip-local.ts'
import { openTransportMap, splitRoute } from './transport-map.ts'
import type { Route, TransportMap } from './transport-map.ts'

/**
 * The answer of the resolver. With `problem` only `class` and `recipient` may be looked at: `error` is an
 * address that cannot be (bounce: 5.1.3 bad address syntax), `fail` a lookup that did not work (defer:
 * 4.3.0 address resolver failure).
 */
export type Resolved = {
  readonly transport: string
  readonly nexthop: string
  /** Internal form, with domain. */
  readonly recipient: string
  readonly class: DomainClass
  /** The local part holds a routing operator: where the mail ends up is not certain. */
  readonly routed: boolean
  readonly problem?: 'error' | 'fail'
}

/** Resolves and rewrites addresses. */
export type Router = {
  /** @param sender Internal form, empty for null: for the sender-dependent tables. @param recipient Internal form. */
  resolve(sender: string, recipient: string): MaybePromise<Resolved>
  /** Rewrites external form. */
  rewrite(context: RewriteContext, external: string): string
  /** Rewrites internal form. */
  rewriteInternal(context: RewriteContext, internal: string): string
  isLocalDomain(domain: string): MaybePromise<LocalAnswer>
  /** What lookups by address need. */
  readonly context: AddressContext
}

/** `normal` for mail; `verify` for address probes, which have parameters of their own. */
export type RouterPurpose = 'normal' | 'verify'

/** A `transport:nexthop` parameter, and its name for complaints. */
type TransportParameter = { readonly name: string; readonly value: string }

type Parts = {
  readonly context: AddressContext
  readonly strip: StripRules
  readonly classes: Classifier
  readonly transports: Readonly<Record<Exclude<DomainClass, 'alias'>, TransportParameter>>
  readonly relayhost: string
  readonly senderTransports: Maps
  readonly senderRelayhosts: Maps
  readonly nullTransportKey: string
  readonly nullRelayhostKey: string
  readonly transportMap: TransportMap | undefined
  readonly relocated: Maps
  readonly relocatedPrefix: boolean
  readonly aliasText: string
  readonly numericDomains: boolean
  readonly minusUsers: boolean
  readonly utf8: boolean
}

/** A lookup that failed: the whole resolution fails, for now. */
const FAILED = Symbol('failed')

/** Opens the tables and lists that routing needs. */
export function openRouter(
  config: Config,
  context: AddressContext = openAddressContext(config),
  purpose: RouterPurpose = 'normal',
): Router {
  const parts = openParts(config, context, purpose)
  return {
    resolve: (sender, recipient) => resolve(parts, sender, recipient),
    rewrite: (name, external) => rewriteAddress(context.rules, name, external),
    rewriteInternal: (name, internal) => rewriteInternal(context.rules, name, internal),
    isLocalDomain: (domain) => context.isLocal(domain),
    context,
  }
}

function openParts(config: Config, context: AddressContext, purpose: RouterPurpose): Parts {
  const verify = purpose === 'verify'
  const transportMaps = verify
    ? 'address_verify_sender_dependent_default_transport_maps'
    : 'sender_dependent_default_transport_maps'
  const relayhostMaps = verify ? 'address_verify_sender_dependent_relayhost_maps' : 'sender_dependent_relayhost_maps'
  return {
    context,
    strip: stripRules(config),
    classes: openClassifier(config),
    transports: verify ? verifyTransports(config) : normalTransports(config),
    relayhost: config.str(verify ? 'address_verify_relayhost' : 'relayhost'),
    senderTransports: openMaps(transportMaps, config.str(transportMaps), { config, regsub: false }),
    senderRelayhosts: openMaps(relayhostMaps, config.str(relayhostMaps), { config, regsub: false }),
    nullTransportKey: config.str('empty_address_default_transport_maps_lookup_key'),
    nullRelayhostKey: config.str('empty_address_relayhost_maps_lookup_key'),
    transportMap: openTransportMap(config, verify ? 'address_verify_transport_maps' : 'transport_maps', context),
    relocated: openMaps('relocated_maps', config.str('relocated_maps'), { config }),
    relocatedPrefix: config.bool('relocated_prefix_enable'),
    aliasText: `5.1.1 User unknown${config.bool('show_user_unknown_table_name') ? ' in virtual alias table' : ''}`,
    numericDomains: config.bool('resolve_numeric_domain'),
    minusUsers: config.bool('allow_min_user'),
    utf8: config.bool('smtputf8_enable'),
  }
}

function normalTransports(config: Config): Parts['transports'] {
  const read = (
    name: 'local_transport' | 'virtual_transport' | 'relay_transport' | 'default_transport',
  ): TransportParameter => ({
    name,
    value: config.str(name),
  })
  return {
    local: read('local_transport'), virtual: read('virtual_transport'),
    relay: read('relay_transport'), default: read('default_transport'),
  }
}

function verifyTransports(config: Config): Parts['transports'] {
  const read = (
    name: `address_verify_${'local' | 'virtual' | 'relay' | 'default'}_transport`,
  ): TransportParameter => ({ name, value: config.str(name) })
  return {
    local: read('address_verify_local_transport'), virtual: read('address_verify_virtual_transport'),
    relay: read('address_verify_relay_transport'), default: read('address_verify_default_transport'),
  }
}

const unresolved = (recipient: string, problem: 'error' | 'fail'): Resolved => ({
  transport: '', nexthop: '', recipient, class: 'default', routed: false, problem,
})

/** A recipient whose domain is ours, or is not. */
type Placed = { readonly recipient: string; readonly local: boolean }

function resolve(parts: Parts, sender: string, address: string): MaybePromise<Resolved> {
  return whenReady(stripLocal(address, parts.strip, parts.context), (stripped) => {
    if (stripped.kind === 'ok') {
      return whenReady(checkDomain(parts, stripped), (checked) => {
        if (checked === undefined) return unresolved(stripped.recipient, 'error')
        return checked === FAILED ? unresolved(stripped.recipient, 'fail') : resolvePlaced(parts, sender, checked)
      })
    }
    log.warning(`address resolver failure for <${address}>`)
    return unresolved(address, 'fail')
  })
}

/** The domain in valid form, or `undefined` when it cannot be one. */
function checkDomain(parts: Parts, { recipient, local }: Placed): MaybePromise<Placed | typeof FAILED | undefined> {
  const domain = domainOf(recipient) ?? ''
  if (domain.startsWith('[')) return isMailhostLiteral(domain) ? { recipient, local } : undefined
  if (isValidMailDomain(domain, parts.utf8)) return { recipient, local }
  if (!parts.numericDomains || !isHostAddress(domain)) return undefined
  // RFC 5321 §4.1.3: an address needs brackets; with resolve_numeric_domain they are added.
  const literal = `[${domain}]`
  return whenReady(parts.context.isLocal(literal), (ours) => {
    if (ours === 'error') return FAILED
    return { recipient: `${recipient.slice(0, recipient.length - domain.length)}${literal}`, local: ours }
  })
}

function resolvePlaced(parts: Parts, sender: string, { recipient, local }: Placed): MaybePromise<Resolved> {
  const domain = domainOf(recipient) ?? ''
  return whenReady(parts.classes.classOf(domain, local), (domainClass) => {
    if (domainClass === 'error') return unresolved(recipient, 'fail')
    return whenReady(routeOf(parts, sender, recipient, domain, domainClass), (route): Resolved => {
      if (route === FAILED) return unresolved(recipient, 'fail')
      const { transport, nexthop } = route
      const resolved = { transport, nexthop, recipient, class: domainClass, routed: isRouted(recipient, domain) }
      // External commands may take such a user for an option.
      return !parts.minusUsers && recipient.startsWith('-') ? { ...resolved, problem: 'error' } : resolved
    })
  })
}

/** Whether anything before the domain looks like a route to some other system, here or there. */
function isRouted(recipient: string, domain: string): boolean {
  const operator = recipient.search(/[@!%]/)
  return recipient.slice(operator + 1) !== domain
}

/** Something of a table, or the lookup failed. */
type OrFailed<T> = MaybePromise<T | typeof FAILED>

/** Goes on with what a lookup gave, unless it failed. */
function unlessFailed<T, R>(value: OrFailed<T>, next: (value: T) => OrFailed<R>): OrFailed<R> {
  return whenReady(value, (known) => (known === FAILED ? FAILED : next(known)))
}

function routeOf(
  parts: Parts, sender: string, recipient: string, domain: string, domainClass: DomainClass,
): OrFailed<Route> {
  const base = domainClass === 'alias'
    ? { transport: 'error', nexthop: parts.aliasText }
    : classRoute(parts, sender, domain, domainClass)
  return unlessFailed(base, (route: Route) => unlessFailed(
    transportRoute(parts, recipient, domainClass, route), (mapped: Route) => relocate(parts, recipient, mapped),
  ))
}

function classRoute(
  parts: Parts, sender: string, domain: string, domainClass: Exclude<DomainClass, 'alias'>,
): OrFailed<Route> {
  const transport = domainClass === 'default' ? defaultTransport(parts, sender) : parts.transports[domainClass]
  const offHost = domainClass === 'relay' || domainClass === 'default'
  // Both are asked for, so that the log tells of both.
  return whenReady(transport, (parameter) => unlessFailed(
    offHost ? relayhostOf(parts, sender, domain) : domain,
    (nexthop: string) => parameter === FAILED ? FAILED : withTransport(parameter, nexthop),
  ))
}

function withTransport({ name, value }: TransportParameter, nexthop: string): Route | typeof FAILED {
  const { head: transport, tail } = splitRoute(value)
  if (transport !== '') return { transport, nexthop: tail === '' ? nexthop : tail }
  log.warning(`parameter ${name}: null transport is not allowed`)
  return FAILED
}

function defaultTransport(parts: Parts, sender: string): OrFailed<TransportParameter> {
  const { senderTransports, nullTransportKey, transports } = parts
  return unlessFailed(senderValue(parts, senderTransports, sender === '' ? nullTransportKey : sender), (value) =>
    value === undefined ? transports.default : { name: senderTransports.title, value })
}

function relayhostOf(parts: Parts, sender: string, domain: string): OrFailed<string> {
  const { senderRelayhosts, nullRelayhostKey, relayhost } = parts
  return unlessFailed(senderValue(parts, senderRelayhosts, sender === '' ? nullRelayhostKey : sender), (value) =>
    value ?? (relayhost === '' ? domain : relayhost))
}

/** The result of a sender-dependent table; DUNNO is none. */
function senderValue(parts: Parts, maps: Maps, key: string): OrFailed<string | undefined> {
  if (maps.empty) return undefined
  return whenReady(findAddress(maps, key, parts.context), (found) => {
    if (found.kind === 'found') return equalsIgnoreCase(found.value, 'DUNNO') ? undefined : found.value
    if (found.kind === 'absent') return undefined
    log.warning(`${maps.title} lookup failure`)
    return FAILED
  })
}

/** transport_maps does not replace the error of the virtual alias class: unknown users stay unknown. */
function transportRoute(parts: Parts, recipient: string, domainClass: DomainClass, route: Route): OrFailed<Route> {
  if (parts.transportMap === undefined || domainClass === 'alias') return route
  return whenReady(parts.transportMap.lookup(recipient, route), (mapped) => {
    if (mapped.kind === 'found') return { transport: mapped.transport, nexthop: mapped.nexthop }
    if (mapped.kind === 'absent') return route
    log.warning('transport_maps lookup failure')
    return FAILED
  })
}

/** Users who moved, whatever the class of their domain. */
function relocate(parts: Parts, recipient: string, route: Route): OrFailed<Route> {
  if (parts.relocated.empty) return route
  return whenReady(findAddress(parts.relocated, recipient, parts.context), (found) => {
    if (found.kind === 'absent') return route
    if (found.kind === 'found') return { transport: 'error', nexthop: relocatedText(found.value, parts.relocatedPrefix) }
    log.warning('relocated_maps lookup failure')
    return FAILED
  })
}

function relocatedText(value: string, prefix: boolean): string {
  // RFC 3463 §3.2: X.1.6, the mailbox has moved.
  if (prefix) return `5.1.6 User has moved to ${value}`
  return parseStatus(value) === undefined ? '5.2.0 Mailbox is unavailable' : value
}
