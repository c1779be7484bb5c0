/**
 * Lookups in access tables: by name and parent domains, by address and networks, by mail address.
 *
 * The first key that is in the table decides, whatever the result is.
 *
 * Source: access(5), "EMAIL ADDRESS PATTERNS", "HOST NAME/ADDRESS PATTERNS";
 * postconf(5) parent_domain_matches_subdomains.
 */
import { isHostAddress } from '#network/dns/hostname.ts'
import { domainKeys, findAddress } from '#rewrite/address-find.ts'
import type { Maps, MapsResult } from '#tables/maps.ts'
import { domainOf } from '#mail/address.ts'
import type { Evaluation, Status } from './evaluation.ts'
import type { Interpreter, LookupRequest } from './restriction.ts'
import { REPLY_CLASS } from './status-class.ts'

/** `found` says that the table knows the key, even when its result is DUNNO. */
export type LookupStatus = { readonly status: Status; readonly found: boolean }

/** A key, and whether it is only a part of what is looked up. */
type Key = readonly [key: string, partial: boolean]

const MISSED: LookupStatus = { status: 'dunno', found: false }

/** What the client is told when a table fails: the words of an access table result. */
const BROKEN = '451 4.3.5 Server configuration error'

/** Looks keys up in an access table, one after the other. */
export class AccessLookup {
  readonly #evaluation: Evaluation
  readonly #interpreter: Interpreter
  readonly #maps: Maps

  constructor(evaluation: Evaluation, interpreter: Interpreter, maps: Maps) {
    this.#evaluation = evaluation
    this.#interpreter = interpreter
    this.#maps = maps
  }

  /** One key as it stands. */
  exact(request: LookupRequest): Promise<LookupStatus> {
    return this.#keys(request, [[request.key, false]])
  }

  /** A name and its parent domains; the name `unknown` and address-like names have none. */
  domain(request: LookupRequest): Promise<LookupStatus> {
    const { plainParents } = this.#evaluation.settings
    const keys = isHostAddress(request.key) ? [request.key] : domainKeys(request.key, plainParents)
    return this.#keys(request, keys.map((key, i): Key => [key, i > 0]))
  }

  /** An address and its networks: 192.0.2.7, 192.0.2, 192.0, 192; IPv6 is cut at its colons. */
  address(request: LookupRequest): Promise<LookupStatus> {
    return this.#keys(request, networkKeys(request.key).map((key, i): Key => [key, i > 0]))
  }

  /** A client: its name first, then its address. */
  async host(request: LookupRequest, address: string): Promise<LookupStatus> {
    const byName = await this.domain(request)
    return byName.found || byName.status !== 'dunno' ? byName : this.address({ ...request, key: address })
  }

  /** A mail address: as it resolves, whole and in parts. */
  async mail(request: LookupRequest): Promise<LookupStatus> {
    const evaluation = this.#evaluation
    const { about } = request.list
    const resolved = await evaluation.resolveFor(about, request.key)
    if (resolved.problem === 'fail') return { status: evaluation.retryLater(request.key), found: false }
    const key = resolved.recipient
    if (domainOf(key) === undefined) {
      evaluation.warning(`check_mail_access: no @domain in address: ${key}`)
      return MISSED
    }
    const strategy = { kind: 'domains', plainParents: evaluation.settings.plainParents, users: true } as const
    const answer = await findAddress(this.#maps, key, evaluation.tools.router.context, { strategy })
    const result = await this.#act({ ...request, key }, answer)
    // A recipient with routing operators may end up anywhere: a table must not vouch for it.
    const suspicious = resolved.routed && !evaluation.settings.allowUntrustedRouting && about === REPLY_CLASS.recipient
    return result?.status === 'ok' && suspicious ? { status: 'dunno', found: true } : (result ?? MISSED)
  }

  async #keys(request: LookupRequest, keys: readonly Key[]): Promise<LookupStatus> {
    for (const [key, partial] of keys) {
      const result = await this.#act(request, await this.#maps.find(key, partial))
      if (result !== undefined) return result
    }
    return MISSED
  }

  async #act(
    request: LookupRequest, answer: Pick<MapsResult, 'kind'> & { readonly value?: string },
  ): Promise<LookupStatus | undefined> {
    if (answer.kind === 'absent') return undefined
    // Maps has logged the reason.
    const value = answer.kind === 'error' ? BROKEN : (answer.value ?? '')
    return { status: await this.#interpreter.act(this.#evaluation, request, value), found: true }
  }
}

/** An IP address, then what is before its last separator, and so on. */
export function networkKeys(address: string): string[] {
  const separator = address.includes(':') ? ':' : '.'
  const keys = [address]
  for (let key = address; ; ) {
    const cut = key.lastIndexOf(separator)
    if (cut < 0) return keys
    key = key.slice(0, cut)
    keys.push(key)
  }
}
