/**
 * Address classes: what kind of destination a domain is.
 *
 * Source: ADDRESS_CLASS_README; postconf(5) virtual_alias_domains, virtual_mailbox_domains, relay_domains.
 */
import type { Config } from '#config/config.ts'
import { log } from '#system/log.ts'
import { openMatchList } from '#tables/match-list.ts'
import type { MatchList } from '#tables/match-list.ts'
import { isPromise, whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'

/** The class of a domain. */
export type DomainClass = 'local' | 'alias' | 'virtual' | 'relay' | 'default'

/** Tells the class of a domain; `error`: a list could not be read, the answer is not to be guessed. */
export type Classifier = {
  /** @param local Whether the domain is ours by mydestination or address. */
  classOf(domain: string, local: boolean): MaybePromise<DomainClass | 'error'>
}

const LIST_NAMES = ['virtual_alias_domains', 'virtual_mailbox_domains', 'relay_domains'] as const
type ListName = (typeof LIST_NAMES)[number]

/** Lists in the order of their precedence. */
const CLASSES: Readonly<Record<ListName, DomainClass>> = {
  virtual_alias_domains: 'alias',
  virtual_mailbox_domains: 'virtual',
  relay_domains: 'relay',
}

/** Opens the lists that define the classes. */
export function openClassifier(config: Config): Classifier {
  const helpful = config.bool('helpful_warnings')
  const lists = LIST_NAMES.map((name) => openList(config, name))
  const others = helpful ? lists : []
  return {
    classOf(domain, local) {
      if (!local) return classFrom(lists, 0, domain, helpful)
      return whenReady(warnDoubles(domain, 'mydestination', others.slice(0, 2)), () => 'local')
    },
  }
}

function classFrom(
  lists: readonly MatchList[], start: number, domain: string, helpful: boolean,
): MaybePromise<DomainClass | 'error'> {
  for (let i = start; i < lists.length; i++) {
    const list = lists[i]
    if (list === undefined) break
    const matched = list.match(domain)
    if (isPromise(matched)) {
      return matched.then((found) =>
        found === false ? classFrom(lists, i + 1, domain, helpful) : classOfList(lists, i, domain, helpful, found))
    }
    if (matched !== false) return classOfList(lists, i, domain, helpful, matched)
  }
  return 'default'
}

/** The class of the list at `i`, which has the domain; or the failure to read it. */
function classOfList(
  lists: readonly MatchList[], i: number, domain: string, helpful: boolean, found: true | 'error',
): MaybePromise<DomainClass | 'error'> {
  const title = lists[i]?.title ?? ''
  if (found === 'error') {
    log.warning(`${title} lookup failure`)
    return 'error'
  }
  const domainClass = CLASSES[LIST_NAMES[i] ?? 'relay_domains']
  return whenReady(warnDoubles(domain, title, helpful ? lists.slice(i + 1) : []), () => domainClass)
}

function openList(config: Config, name: ListName): MatchList {
  const value = config.str(name)
  // Only relay_domains knows parent domains.
  return name === 'relay_domains'
    ? openMatchList(name, value, 'domain', { config })
    : openMatchList(name, value, 'string', { config, parent: false })
}

/** A domain has one class; a second listing has no effect, which is rarely what was meant. */
function warnDoubles(domain: string, first: string, others: readonly MatchList[]): MaybePromise<void> {
  const [other, ...more] = others
  if (other === undefined) return undefined
  return whenReady(other.match(domain), (listed) => {
    if (listed === true) log.warning(`do not list domain ${domain} in BOTH ${first} and ${other.title}`)
    return warnDoubles(domain, first, more)
  })
}
