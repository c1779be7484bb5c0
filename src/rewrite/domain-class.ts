/**
 * Address classes: what kind of destination a domain is.
 *
 * Source: ADDRESS_CLASS_README; postconf(5) virtual_alias_domains, virtual_mailbox_domains, relay_domains.
 */
import type { Config } from '#config/config.ts'
import { log } from '#system/log.ts'
import { openMatchList } from '#tables/match-list.ts'
import type { MatchList } from '#tables/match-list.ts'

/** The class of a domain. */
export type DomainClass = 'local' | 'alias' | 'virtual' | 'relay' | 'default'

/** Tells the class of a domain; `error`: a list could not be read, the answer is not to be guessed. */
export type Classifier = {
  /** @param local Whether the domain is ours by mydestination or address. */
  classOf(domain: string, local: boolean): Promise<DomainClass | 'error'>
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
  return {
    async classOf(domain, local) {
      if (local) {
        if (helpful) await warnDoubles(domain, 'mydestination', lists.slice(0, 2))
        return 'local'
      }
      for (const [i, list] of lists.entries()) {
        const matched = list.match(domain)
        const found = matched instanceof Promise ? await matched : matched
        if (found === 'error') {
          log.warning(`${list.title} lookup failure`)
          return 'error'
        }
        if (!found) continue
        if (helpful) await warnDoubles(domain, list.title, lists.slice(i + 1))
        return CLASSES[LIST_NAMES[i] ?? 'relay_domains']
      }
      return 'default'
    },
  }
}

function openList(config: Config, name: ListName): MatchList {
  const value = config.str(name)
  // Only relay_domains knows parent domains.
  return name === 'relay_domains'
    ? openMatchList(name, value, 'domain', { config })
    : openMatchList(name, value, 'string', { config, parent: false })
}

/** A domain has one class; a second listing has no effect, which is rarely what was meant. */
async function warnDoubles(domain: string, first: string, others: readonly MatchList[]): Promise<void> {
  for (const other of others) {
    if ((await other.match(domain)) === true) {
      log.warning(`do not list domain ${domain} in BOTH ${first} and ${other.title}`)
    }
  }
}
