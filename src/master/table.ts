/**
 * The services of master.cf as master runs them, and what a reload changes.
 *
 * @module
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import type { ServiceEntry } from '#config/master-cf.ts'
import type { Endpoint } from './endpoints.ts'
import { endpointText, listenerName } from './endpoints.ts'
import type { Program } from './programs.ts'

/** One service, with all that its workers need to start. */
export type ServiceSpec = {
  /** `smtp/inet`: the identity of a service. */
  readonly key: string
  readonly entry: ServiceEntry
  readonly endpoints: readonly Endpoint[]
  readonly program: Program
  /** What log lines call the program: `/usr/lib/postfix/sbin/smtpd`. */
  readonly path: string
  /** What log lines call the listener: `25`, `private/smtp`. */
  readonly listener: string
  /** Worker processes at most. */
  readonly processes: number
  readonly throttleSeconds: number
}

/** Programs that use all CPUs unless the configuration says otherwise. */
const PARALLEL: ReadonlySet<string> = new Set(['smtpd', 'smtp', 'lmtp'])

/** How many processes the workers of an entry may be; the limit of clients bounds it. */
export function processCount(entry: ServiceEntry, config: Config, cpus = availableParallelism()): number {
  const set = config.dynamicInt(`${entry.name}_worker_processes`, 'worker_processes')
  const wanted = set > 0 ? set : PARALLEL.has(entry.command) ? cpus : 1
  return entry.processLimit > 0 ? Math.min(wanted, entry.processLimit) : wanted
}

/** Puts an entry together with what was found out about it. */
export function serviceSpec(entry: ServiceEntry, config: Config, program: Program, endpoints: readonly Endpoint[]): ServiceSpec {
  return {
    key: `${entry.name}/${entry.type}`,
    entry,
    endpoints,
    program,
    path: join(config.str('daemon_directory'), entry.command),
    listener: listenerName(entry, config),
    processes: program.kind === 'executable' ? entry.processLimit || Infinity : processCount(entry, config),
    throttleSeconds: config.time('service_throttle_time'),
  }
}

/** The entries that count: the last one of each name and type. Calls `onDuplicate` for the others. */
export function lastEntries(entries: readonly ServiceEntry[], onDuplicate: (entry: ServiceEntry) => void): ServiceEntry[] {
  const byKey = new Map<string, ServiceEntry>()
  for (const entry of entries) {
    const key = `${entry.name}/${entry.type}`
    if (byKey.has(key)) onDuplicate(entry)
    byKey.set(key, entry)
  }
  return [...byKey.values()]
}

/**
 * Whether master_service_disable switches a service off. An item is a type
 * (`inet`), a service (`smtp/inet`), or one of these after `!`, which keeps what
 * a later item would switch off. The first item that fits decides.
 */
export function isDisabled(entry: ServiceEntry, items: readonly string[]): boolean {
  for (const item of items) {
    const keep = item.startsWith('!')
    const pattern = (keep ? item.slice(1) : item).toLowerCase()
    if (pattern === entry.type || pattern === `${entry.name}/${entry.type}`.toLowerCase()) return !keep
  }
  return false
}

/** What a reload does, by key and by endpoint. */
export type TableChange = {
  readonly added: readonly ServiceSpec[]
  readonly kept: readonly ServiceSpec[]
  readonly removedKeys: readonly string[]
  /** Endpoints of the old table that no service of the new one has. */
  readonly closed: readonly string[]
  /** Endpoints that only the new table has. */
  readonly opened: readonly Endpoint[]
}

/** Compares two tables. A listener that both have stays open, with the clients in its backlog. */
export function compareTables(before: readonly ServiceSpec[], after: readonly ServiceSpec[]): TableChange {
  const beforeKeys = new Set(before.map((spec) => spec.key))
  const afterKeys = new Set(after.map((spec) => spec.key))
  const texts = (specs: readonly ServiceSpec[]): Set<string> => new Set(specs.flatMap((spec) => spec.endpoints.map(endpointText)))
  const beforeTexts = texts(before)
  const afterTexts = texts(after)
  return {
    added: after.filter((spec) => !beforeKeys.has(spec.key)),
    kept: after.filter((spec) => beforeKeys.has(spec.key)),
    removedKeys: [...beforeKeys].filter((key) => !afterKeys.has(key)),
    closed: [...beforeTexts].filter((text) => !afterTexts.has(text)),
    opened: after.flatMap((spec) => spec.endpoints).filter((endpoint) => !beforeTexts.has(endpointText(endpoint))),
  }
}

/** The parts of a limit for so many workers: as equal as whole numbers can be. 0 means no limit for each. */
export function shares(limit: number, workers: number): number[] {
  const base = Math.floor(limit / Math.max(1, workers))
  return Array.from({ length: workers }, (_, i) => (limit === 0 ? 0 : Math.max(1, base + (i < limit % workers ? 1 : 0))))
}
