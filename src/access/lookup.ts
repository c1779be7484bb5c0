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
import type { Resolved } from '#rewrite/resolve.ts'
import type { Maps } from '#tables/maps.ts'
import { domainOf } from '#mail/address.ts'
import { isPromise, whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { Evaluation, Status } from './evaluation.ts'
import type { Interpreter, LookupRequest } from './restriction.ts'
import { REPLY_CLASS } from './status-class.ts'

/** `found` says that the table knows the key, even when its result is DUNNO. */
export type LookupStatus = { readonly status: Status; readonly found: boolean }

/** What a table has for a key, or that it cannot be read. */
type Answer = { readonly kind: 'found'; readonly value: string } | { readonly kind: 'error' }

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
  exact(request: LookupRequest): MaybePromise<LookupStatus> {
    return this.#keys(request, [request.key])
  }

  /** A name and its parent domains; the name `unknown` and address-like names have none. */
  domain(request: LookupRequest): MaybePromise<LookupStatus> {
    const { plainParents } = this.#evaluation.settings
    return this.#keys(request, isHostAddress(request.key) ? [request.key] : domainKeys(request.key, plainParents))
  }

  /** An address and its networks: 192.0.2.7, 192.0.2, 192.0, 192; IPv6 is cut at its colons. */
  address(request: LookupRequest): MaybePromise<LookupStatus> {
    return this.#keys(request, networkKeys(request.key))
  }

  /** A client: its name first, then its address. */
  host(request: LookupRequest, address: string): MaybePromise<LookupStatus> {
    return whenReady(this.domain(request), (byName) => {
      return byName.found || byName.status !== 'dunno' ? byName : this.address({ ...request, key: address })
    })
  }

  /** A mail address: as it resolves, whole and in parts. */
  mail(request: LookupRequest): MaybePromise<LookupStatus> {
    return whenReady(this.#evaluation.resolveFor(request.list.about, request.key), (resolved) => {
      return this.#resolved(request, resolved)
    })
  }

  #resolved(request: LookupRequest, resolved: Resolved): MaybePromise<LookupStatus> {
    const evaluation = this.#evaluation
    const { settings } = evaluation
    if (resolved.problem === 'fail') return { status: evaluation.retryLater(request.key), found: false }
    const key = resolved.recipient
    if (domainOf(key) === undefined) {
      evaluation.warning(`check_mail_access: no @domain in address: ${key}`)
      return MISSED
    }
    const strategy = { kind: 'domains', plainParents: settings.plainParents, users: true } as const
    // A recipient with routing operators may end up anywhere: a table must not vouch for it.
    const isRecipient = request.list.about === REPLY_CLASS.recipient
    const suspicious = resolved.routed && !settings.allowUntrustedRouting && isRecipient
    return whenReady(findAddress(this.#maps, key, evaluation.tools.router.context, { strategy }), (answer) => {
      if (answer.kind === 'absent') return MISSED
      return whenReady(this.#act({ ...request, key }, answer), (result) => {
        return result.status === 'ok' && suspicious ? { status: 'dunno', found: true } : result
      })
    })
  }

  /** Keys one after the other; those after the first are only parts of what is looked up. */
  #keys(request: LookupRequest, keys: readonly string[], start = 0): MaybePromise<LookupStatus> {
    for (let i = start; i < keys.length; i++) {
      const answer = this.#maps.find(keys[i] ?? '', i > 0)
      if (isPromise(answer)) {
        return answer.then((later) =>
          later.kind === 'absent' ? this.#keys(request, keys, i + 1) : this.#act(request, later))
      }
      if (answer.kind !== 'absent') return this.#act(request, answer)
    }
    return MISSED
  }

  #act(request: LookupRequest, answer: Answer): MaybePromise<LookupStatus> {
    // Maps has logged the reason.
    const value = answer.kind === 'error' ? BROKEN : answer.value
    return whenReady(this.#interpreter.act(this.#evaluation, request, value), (status) => ({ status, found: true }))
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
