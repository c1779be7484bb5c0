/**
 * The names that count in a configuration, beyond the table: those that services of master.cf
 * bring (`relay_destination_rate_delay`), and those that an administrator made up and uses as
 * `$name`, as a restriction class or as the settings of a database table.
 *
 * Whatever else main.cf or a `-o` sets is unused, most likely a typing error.
 *
 * Source: postconf(1), -C.
 *
 * @module
 */
import { findNames } from '#config/expand.ts'
import { isPending } from '#config/parameters/pending.ts'
import { PARAMETERS } from '#config/parameters/table.ts'
import type { Parameter } from '#config/parameter.ts'
import { splitAtChars } from '#util/split.ts'
import { checkFile, databasesIn, hasFile, settingNames } from './databases.ts'
import { settingsOf, type Service } from './service.ts'
import { strayComments } from './stray-comments.ts'

/** Classes that `-C` selects; `help` is in no name. */
export type NameClass = 'builtin' | 'service' | 'user' | 'extension' | 'pending' | 'help'

/**
 * A name that counts; `initial` is its default, which a name that an administrator made up has not. A name without
 * a class is an old one that is not shown in lists.
 */
export type KnownName = {
  readonly classes: readonly NameClass[]
  readonly initial: string | undefined
  readonly raw: boolean
}

/** What registerUserNames() reads. */
export type NameSources = {
  readonly directory: string
  /** Definitions of main.cf. */
  readonly main: ReadonlyMap<string, string>
  readonly services: readonly Service[]
  /** Expands a value; the names of `scope` count before main.cf's. @throws {ConfigError} */
  readonly expand: (text: string, scope?: ReadonlyMap<string, string>) => string
  /** No warnings about settings that nothing uses. */
  readonly quiet: boolean
  readonly warn: (text: string) => void
}

/** Settings of every delivery service: the suffix, and the parameter that is the default. */
const DELIVERY_SUFFIXES: ReadonlyMap<string, string> = new Map([
  ...[
    'destination_concurrency_failed_cohort_limit', 'destination_concurrency_limit',
    'destination_concurrency_negative_feedback', 'destination_concurrency_positive_feedback',
    'destination_rate_delay', 'destination_recipient_limit', 'delivery_slot_cost', 'delivery_slot_discount',
    'delivery_slot_loan', 'extra_recipient_limit', 'minimum_delivery_slots', 'recipient_limit',
    'recipient_refill_delay', 'recipient_refill_limit', 'transport_rate_delay',
  ].map((suffix) => [suffix, `$default_${suffix}`] as const),
  ['initial_destination_concurrency', '$initial_destination_concurrency'],
])

const DELIVERY_PROGRAMS: readonly string[] = ['local', 'error', 'virtual', 'smtp', 'lmtp', 'pipe']
const COMMAND_PROGRAMS: readonly string[] = ['pipe', 'spawn']

/** Names of the table, and those that the services bring. */
export function namesOfServices(services: readonly Service[]): Map<string, KnownName> {
  const names = new Map<string, KnownName>()
  for (const [name, parameter] of Object.entries<Parameter>(PARAMETERS)) {
    const classes: NameClass[] = isPending(name) ? [parameter.class, 'pending'] : [parameter.class]
    names.set(name, { classes, initial: parameter.initial, raw: parameter.kind === 'raw' })
  }
  for (const { fields } of services) {
    const [service = '', program = ''] = [fields[0], fields[7]]
    if (DELIVERY_PROGRAMS.includes(program)) {
      for (const [suffix, initial] of DELIVERY_SUFFIXES) addName(names, `${service}_${suffix}`, 'service', initial)
    }
    if (COMMAND_PROGRAMS.includes(program)) addName(names, `${service}_time_limit`, 'service', '$command_time_limit')
    addName(names, `${service}_worker_processes`, 'extension', '$worker_processes')
  }
  return names
}

/** Adds the names that defaults refer to without being in the table, such as `virtual_maps`: empty unless set. */
export function registerOldNames(names: Map<string, KnownName>, { main }: Pick<NameSources, 'main'>): void {
  for (const { initial = '', raw } of Array.from(names.values())) {
    if (!raw) findNames(initial, (name) => {
      if (!names.has(name)) names.set(name, { classes: main.has(name) ? ['user'] : [], initial: '', raw: false })
    })
  }
}

/**
 * Adds the names that an administrator made up and uses, and says what is wrong with those used.
 *
 * @returns For each service, the names that count only there.
 */
export function registerUserNames(names: Map<string, KnownName>, sources: NameSources): ReadonlySet<string>[] {
  const scopes = sources.services.map((service): Scope => ({ settings: settingsOf(service), valid: new Set() }))
  const files = new Set<string>()
  // A table counts where Postfix itself reads the value, so also through a name that an administrator made up.
  const read = new Set([...names].filter(([, { classes }]) => classes.some((own) => own !== 'user')).map(([name]) => name))
  for (const scope of scopes) {
    addClasses(scope.settings.get('smtpd_restriction_classes'), scope, names, sources)
    for (const [name, value] of scope.settings) {
      if (names.get(name)?.raw === true) continue
      scanReferences(value, scope, scopes, names, sources)
      if (read.has(name)) scanText(value, scope, scopes, names, sources, files)
    }
  }
  addClasses(sources.main.get('smtpd_restriction_classes'), undefined, names, sources)
  for (const [name, value] of sources.main) {
    if (names.get(name)?.raw === true) continue
    scanReferences(value, undefined, scopes, names, sources)
    if (read.has(name)) scanText(value, undefined, scopes, names, sources, files)
  }
  return scopes.map(({ valid }) => valid)
}

type Scope = { readonly settings: ReadonlyMap<string, string>; readonly valid: Set<string> }

function addName(names: Map<string, KnownName>, name: string, own: NameClass, initial: string): void {
  const known = names.get(name)
  if (known === undefined) names.set(name, { classes: [own], initial, raw: false })
  else if (!known.classes.includes(own)) names.set(name, { ...known, classes: [...known.classes, own] })
}

function addUserName(names: Map<string, KnownName>, name: string): void {
  if (!names.has(name)) names.set(name, { classes: ['user'], initial: undefined, raw: false })
}

/** Restriction classes count where they are defined. */
function addClasses(
  classes: string | undefined, scope: Scope | undefined, names: Map<string, KnownName>, sources: NameSources,
): void {
  for (const name of splitAtChars(sources.expand(classes ?? '', scope?.settings))) {
    if (!addReference(name, scope, [], names, sources) && !names.has(name)) {
      sources.warn(`${fileOf(scope, sources)}: undefined parameter: ${name}`)
    }
  }
}

function scanReferences(
  value: string,
  scope: Scope | undefined,
  scopes: readonly Scope[],
  names: Map<string, KnownName>,
  sources: NameSources,
): void {
  const found = (name: string): void => {
    const isFound = addReference(name, scope, scopes, names, sources)
    if (isFound || names.has(name) || IMPLICIT_NAMES.includes(name)) return
    sources.warn(`${fileOf(scope, sources)}: undefined parameter: ${name}`)
  }
  findNames(value, found, sources.warn)
}

function fileOf(scope: Scope | undefined, { directory }: NameSources): string {
  return `${directory}/${scope === undefined ? 'main.cf' : 'master.cf'}`
}

/** Looks at the text of a value: stray comments, and tables; `files` are those whose own file has been looked at. */
function scanText(
  value: string,
  scope: Scope | undefined,
  scopes: readonly Scope[],
  names: Map<string, KnownName>,
  sources: NameSources,
  files: Set<string>,
): void {
  for (const text of strayComments(value)) sources.warn(`${fileOf(scope, sources)}: ${text}`)
  for (const reference of databasesIn(sources.expand(value, scope?.settings))) {
    if (!hasFile(reference)) {
      for (const name of settingNames(reference)) addReference(name, scope, scopes, names, sources)
      continue
    }
    const table = `${reference.type}:${reference.name}`
    if (files.has(table)) continue
    files.add(table)
    for (const text of checkFile(reference, sources.quiet)) sources.warn(text)
  }
}

/** Names that every process has. */
const IMPLICIT_NAMES: readonly string[] = ['process_id', 'process_name', 'service_name']

/** Notes that `name` is used; `false` when neither the scope, main.cf nor, from main.cf, any service sets it. */
function addReference(
  name: string,
  scope: Scope | undefined,
  scopes: readonly Scope[],
  names: Map<string, KnownName>,
  { main }: NameSources,
): boolean {
  if (scope?.settings.has(name) === true) {
    scope.valid.add(name)
    return true
  }
  if (main.has(name)) addUserName(names, name)
  const others = scope === undefined ? scopes.filter(({ settings }) => settings.has(name)) : []
  for (const { valid } of others) valid.add(name)
  return main.has(name) || others.length > 0
}
