/**
 * What address lookups and rewriting need to know of a configuration: opened
 * once, shared by the resolver, cleanup and the restrictions.
 *
 * Source: postconf(5), mydestination, recipient_delimiter, owner_request_special.
 */
import type { Config } from '#config/config.ts'
import type { ExtensionOptions } from '#mail/address.ts'
import { openMatchList } from '#tables/match-list.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { mailhostAddress } from './mail-domain.ts'
import { openOwnAddresses } from './own-addresses.ts'
import type { NameSource, OwnAddresses } from './own-addresses.ts'
import { rewriteRules } from './rewrite.ts'
import type { RewriteRules } from './rewrite.ts'

/** Yes, no, or a table that could not be read. */
export type LocalAnswer = boolean | 'error'

/** What is known of this mail system's addresses. */
export type AddressContext = {
  readonly rules: RewriteRules
  /** `recipient_delimiter`: a set of characters. */
  readonly delimiters: string
  readonly extensions: ExtensionOptions
  readonly ownAddresses: OwnAddresses
  /** Whether mail for `domain` (a name or `[address]`) is for this machine: mydestination, or one of our addresses. */
  isLocal(domain: string): MaybePromise<LocalAnswer>
}

/** Opens what is needed: mydestination with its tables, and our addresses. */
export function openAddressContext(config: Config, source?: NameSource): AddressContext {
  const destinations = openMatchList('mydestination', config.str('mydestination'), 'string', { config, parent: false })
  const ownAddresses = openOwnAddresses(config, source)
  return {
    rules: rewriteRules(config),
    delimiters: config.str('recipient_delimiter'),
    extensions: {
      doubleBounceSender: config.str('double_bounce_sender'),
      ownerRequestSpecial: config.bool('owner_request_special'),
    },
    ownAddresses,
    isLocal: (domain) => isLocal(domain, (name) => destinations.match(name), ownAddresses),
  }
}

function isLocal(
  domain: string,
  matches: (name: string) => MaybePromise<LocalAnswer>,
  ownAddresses: OwnAddresses,
): MaybePromise<LocalAnswer> {
  // One dot at the end says that the name is complete; it is not part of the name.
  const name = domain.replace(/\.$/, '')
  if (name === '') return false
  const listed = matches(name)
  const addressToo = (answer: LocalAnswer): MaybePromise<LocalAnswer> => {
    if (answer !== false || !name.startsWith('[') || !name.endsWith(']')) return answer
    const address = mailhostAddress(name.slice(1, -1))
    return address === undefined ? false : ownAddresses.isOurs(address)
  }
  return listed instanceof Promise ? listed.then(addressToo) : addressToo(listed)
}
