/**
 * The lists of restrictions of a configuration, and everything they name:
 * classes, tables, policy services. All of it is opened at start.
 *
 * Source: postconf(5), smtpd_*_restrictions, smtpd_restriction_classes; RESTRICTION_CLASS_README.
 */
import { ConfigError } from '#config/error.ts'
import type { Config } from '#config/config.ts'
import { log } from '#system/log.ts'
import { openMaps } from '#tables/maps.ts'
import { asciiLower } from '#util/ascii.ts'
import { COMMA_SPACE, splitAtChars, splitOutsideBraces, stripBraces } from '#util/split.ts'
import { openPolicyService } from './policy-services.ts'
import type { PolicyService } from './policy-services.ts'
import { requireProtection } from './required.ts'
import { compileList } from './restriction.ts'
import type { AccessTable, Item } from './restriction.ts'
import { RESTRICTIONS } from './restrictions.ts'

/** The lists by the word in their parameter's name. */
const LIST_NAMES = ['client', 'helo', 'sender', 'relay', 'recipient', 'etrn', 'data', 'end_of_data'] as const

/** One of those words. */
export type ListName = (typeof LIST_NAMES)[number]

/** Opened lists. */
export type RestrictionLists = {
  readonly lists: Readonly<Record<ListName, readonly Item[]>>
  readonly classes: ReadonlyMap<string, readonly Item[]>
  readonly tables: ReadonlyMap<string, AccessTable>
  readonly services: ReadonlyMap<string, PolicyService>
  /** Items of local_header_rewrite_clients. */
  readonly rewriteClients: readonly string[]
  close(): void
}

/** A class of our own: the two checks of sender logins together. */
const LOGIN_MISMATCH = 'reject_sender_login_mismatch'
const LOGIN_MISMATCH_WORDS = [
  'reject_authenticated_sender_login_mismatch', 'reject_unauthenticated_sender_login_mismatch',
] as const

/**
 * Opens all lists.
 *
 * @throws {ConfigError} When the relay is not protected, a class is not defined, or a policy service is malformed.
 */
export function openLists(config: Config, sleep: (ms: number) => Promise<void>): RestrictionLists {
  const opener = new ListOpener(config, sleep)
  const words = (name: ListName): string[] => opener.read(config.str(`smtpd_${name}_restrictions`))
  const read: Record<ListName, string[]> = {
    client: words('client'), helo: words('helo'), sender: words('sender'), relay: words('relay'),
    recipient: words('recipient'),
    etrn: words('etrn'), data: words('data'), end_of_data: words('end_of_data'),
  }
  const classes = readClasses(config, opener)
  requireProtection([read.recipient, read.relay], classes)
  const rewriteClients = opener.read(config.str('local_header_rewrite_clients'))
  return {
    lists: {
      client: compile(read.client), helo: compile(read.helo), sender: compile(read.sender), relay: compile(read.relay),
      recipient: compile(read.recipient), etrn: compile(read.etrn), data: compile(read.data),
      end_of_data: compile(read.end_of_data),
    },
    classes: new Map([...classes].map(([name, list]) => [name, compile(list)])),
    tables: opener.tables,
    services: opener.services,
    rewriteClients,
    close: () => opener.close(),
  }
}

const compile = (list: readonly string[]): Item[] => compileList(list, RESTRICTIONS)

/** Class names are case-sensitive: they are parameters. */
function readClasses(config: Config, opener: ListOpener): Map<string, string[]> {
  const classes = new Map<string, string[]>()
  for (const name of config.list('smtpd_restriction_classes')) {
    const value = config.isSet(name) ? config.expand(`$${name}`) : ''
    if (value.trim() === '') throw new ConfigError(`restriction class \`${name}' needs a definition`)
    classes.set(name, opener.read(value))
  }
  return classes.set(LOGIN_MISMATCH, [...LOGIN_MISMATCH_WORDS])
}

/** Opens the tables and services that lists name, each once. */
class ListOpener {
  readonly tables = new Map<string, AccessTable>()
  readonly services = new Map<string, PolicyService>()
  readonly #config: Config
  readonly #sleep: (ms: number) => Promise<void>

  constructor(config: Config, sleep: (ms: number) => Promise<void>) {
    this.#config = config
    this.#sleep = sleep
  }

  /** The words of a list. */
  read(text: string): string[] {
    const words = splitOutsideBraces(text, COMMA_SPACE)
    words.forEach((word, i) => {
      if (asciiLower(words[i - 1] ?? '') === 'check_policy_service') this.#openService(word)
      else if (word.startsWith('{') || word.includes(':')) this.#openTable(word)
    })
    return words
  }

  #openService(argument: string): void {
    if (this.services.has(argument)) return
    this.services.set(argument, openPolicyService(this.#config, argument, this.#sleep))
  }

  #openTable(argument: string): void {
    if (this.tables.has(argument)) return
    const parsed = parseTableArgument(argument)
    if ('warnings' in parsed) {
      for (const text of parsed.warnings) log.warning(text)
      return
    }
    const maps = openMaps(parsed.spec, parsed.spec, { config: this.#config })
    this.tables.set(argument, { maps, searchOrder: parsed.searchOrder })
  }

  close(): void {
    for (const { maps } of this.tables.values()) maps.close()
    for (const { client } of this.services.values()) client.close()
  }
}

type ParsedArgument =
  | { readonly spec: string; readonly searchOrder: readonly string[] | undefined }
  | { readonly warnings: readonly string[] }

const SEARCHES: readonly string[] = ['cert_fingerprint', 'pubkey_fingerprint', 'issuer_cn', 'subject_cn']

/** Reads `type:table` or `{ type:table { search_order = a, b } }`. */
export function parseTableArgument(argument: string): ParsedArgument {
  const content = argument.startsWith('{') ? stripBraces(argument) : ({ kind: 'ok', text: argument } as const)
  if (content.kind === 'error') return { warnings: [`malformed map specification: '${content.reason}'`] }
  const [spec, ...attributes] = argument.startsWith('{') ? splitOutsideBraces(content.text) : [argument]
  if (spec === undefined) return { warnings: [`empty map specification: '${argument}'`] }
  if (!spec.includes(':')) {
    return { warnings: [`malformed map specification: '${argument}'`, `expected maptype:mapname instead of '${spec}'`] }
  }
  let searchOrder: readonly string[] | undefined
  for (const attribute of attributes) {
    const text = attribute.startsWith('{') ? stripBraces(attribute) : ({ kind: 'ok', text: attribute } as const)
    const match = text.kind === 'ok' ? /^([^=]+?)\s*=\s*(.*)$/s.exec(text.text) : null
    if (match === null) return { warnings: [`malformed map attribute in '${argument}': '${attribute}'`] }
    if (asciiLower(match[1] ?? '') !== 'search_order') {
      return { warnings: [`unknown map attribute in '${argument}': '${match[1]}'`] }
    }
    searchOrder = splitAtChars(match[2] ?? '').map(asciiLower)
    const unknown = searchOrder.find((name) => !SEARCHES.includes(name))
    if (unknown !== undefined) return { warnings: [`unknown search type '${unknown}' in '${argument}'`] }
  }
  return { spec, searchOrder }
}
