/**
 * Address masquerading: `user@host.example.com` becomes `user@example.com`.
 *
 * Source: ADDRESS_REWRITING_README; postconf(5) masquerade_domains, masquerade_exceptions.
 */
import type { Config } from '#config/config.ts'
import { splitAddress } from '#mail/address.ts'
import { openMatchList } from '#tables/match-list.ts'
import { asciiLower } from '#util/ascii.ts'
import type { MaybePromise } from '#util/maybe.ts'

/** One item of masquerade_domains; `keep` for `!domain`. */
export type MasqueradeDomain = { readonly domain: string; readonly keep: boolean }

/** Reads masquerade_domains: an odd number of `!` keeps the names below a domain. */
export function parseMasqueradeDomains(items: readonly string[]): MasqueradeDomain[] {
  return items
    .map((item) => ({ domain: asciiLower(item.replace(/^!+/, '')), marks: /^!*/.exec(item)?.[0].length ?? 0 }))
    .filter(({ domain }) => domain !== '')
    .map(({ domain, marks }) => ({ domain, keep: marks % 2 === 1 }))
}

/** The domain that takes the place of `domain`; the first item that fits decides. */
export function masqueradeDomain(domains: readonly MasqueradeDomain[], domain: string): string {
  const name = asciiLower(domain)
  for (const item of domains) {
    if (name === item.domain) return domain
    if (name.endsWith(`.${item.domain}`)) return item.keep ? domain : item.domain
  }
  return domain
}

/** Masquerades addresses in any form, since only the domain changes. */
export type Masquerade = {
  /** Whether there is nothing to do at all. */
  readonly empty: boolean
  /** `error`: masquerade_exceptions could not be read. */
  apply(address: string): MaybePromise<{ readonly kind: 'ok'; readonly address: string } | { readonly kind: 'error' }>
}

/** Opens masquerade_domains and masquerade_exceptions. */
export function openMasquerade(config: Config): Masquerade {
  const domains = parseMasqueradeDomains(config.list('masquerade_domains'))
  const exceptions = openMatchList('masquerade_exceptions', config.str('masquerade_exceptions'), 'string', {
    config,
    parent: false,
  })
  return {
    empty: domains.length === 0,
    apply(address) {
      const { local, domain } = splitAddress(address)
      if (domain === undefined) return { kind: 'ok', address }
      const decide = (excluded: boolean | 'error'): { kind: 'ok'; address: string } | { kind: 'error' } => {
        if (excluded === 'error') return { kind: 'error' }
        return { kind: 'ok', address: excluded ? address : `${local}@${masqueradeDomain(domains, domain)}` }
      }
      const excluded = exceptions.match(asciiLower(local))
      return excluded instanceof Promise ? excluded.then(decide) : decide(excluded)
    },
  }
}
