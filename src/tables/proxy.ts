/**
 * proxy: tables that the proxymap service opens once for all who ask.
 *
 * A service in a chroot reaches tables outside of it, and databases see one client in place of many. Whoever uses
 * tables names the way to the service once (`connectProxy`); without one, or while the service is not there, every
 * lookup is an error, and mail waits. A table that decides about rights is opened by the asker itself.
 *
 * Source: proxymap(8); DATABASE_README.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { log } from '#system/log.ts'
import { isPatternSpec } from './pattern-type.ts'
import { ABSENT, failed, found, TableOpenError, type Change, type Lookup, type OpenRequest, type Table, type TableOptions } from './table.ts'

/** How the service is to open the table: one of these for each combination that was asked for. */
export type ProxyFlags = { readonly fold: boolean; readonly regsub: boolean; readonly fileContent: boolean; readonly utf8: boolean }

/** What the service is asked. `table` is what stands behind `proxy:`. A walk goes on until there is no `more`. */
export type ProxyRequest = { readonly table: string; readonly flags: ProxyFlags } & ProxyWork

/** What is to be done with a table. */
export type ProxyWork =
  | { readonly kind: 'lookup'; readonly key: string }
  | { readonly kind: 'update'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'sequence'; readonly first: boolean }

/**
 * Its answer. `ok`: found, or done. `retry`: the table failed. `denied`: not approved for this service. `invalid`: it
 * makes no sense. `unsupported`: the table cannot do this.
 */
export type ProxyReply =
  | { readonly status: 'ok'; readonly value?: string; readonly entries?: readonly (readonly string[])[]; readonly more?: boolean }
  | { readonly status: 'absent' | 'retry' | 'denied' | 'invalid' | 'unsupported' }

/** The two services: one reads only, one may also write. */
export type ProxyService = 'proxymap' | 'proxywrite'

/** Asks a service. @throws {Error} Nobody answers; the message says why. */
export type ProxyCall = (config: Config, service: ProxyService, request: ProxyRequest) => Promise<ProxyReply>

let call: ProxyCall | undefined

/** Names the way to the services, for all tables of this process; returns the one before. */
export function connectProxy(next: ProxyCall | undefined): ProxyCall | undefined {
  const before = call
  call = next
  return before
}

/** What Postfix says when a table that it asked for failed on the other side. */
export const PROXIED_ERROR = 'Application error'

/** An answer that ends a command; for others it is an error like any. */
export class ProxyRefused extends TableOpenError {}

/** Asks, and turns refusals into exceptions. @throws {ProxyRefused} @throws {TableOpenError} */
export async function askProxy(config: Config, service: ProxyService, request: ProxyRequest): Promise<ProxyReply> {
  if (call === undefined) throw new TableOpenError(`${service} service: not used by this program`)
  let reply: ProxyReply
  try {
    reply = await call(config, service, request)
  } catch (error) {
    throw new TableOpenError(error instanceof Error ? error.message : String(error))
  }
  if (reply.status === 'denied') throw new ProxyRefused(`${service} service is not configured for table "${request.table}"`)
  if (reply.status === 'invalid') throw new ProxyRefused(`${service} open failed for table "${request.table}": invalid request`)
  return reply
}

/** What the service is told of the options. */
export function proxyFlags({ config, fold = true, regsub = true, fileContent = false }: Pick<TableOptions, 'config' | 'fold' | 'regsub' | 'fileContent'>): ProxyFlags {
  return { fold, regsub, fileContent, utf8: config.bool('smtputf8_enable') }
}

/** The name behind all `proxy:` before it. */
export function unproxied(name: string): string {
  return name.replace(/^(?:proxy:)+/, '')
}

function resultOf(reply: ProxyReply): Lookup {
  if (reply.status === 'ok') return found(reply.value ?? '')
  return reply.status === 'absent' ? ABSENT : failed(PROXIED_ERROR)
}

class ProxyTable implements Table {
  readonly name: string
  readonly pattern: boolean
  readonly #table: string
  readonly #options: TableOptions

  constructor(spec: string, table: string, options: TableOptions) {
    this.name = spec
    this.#table = table
    this.#options = options
    this.pattern = isPatternSpec(table)
  }

  async lookup(key: string): Promise<Lookup> {
    try {
      return resultOf(await this.#ask({ kind: 'lookup', key }))
    } catch (error) {
      return failed(this.#reasonOf(error))
    }
  }

  async *entries(): AsyncGenerator<readonly [string, string]> {
    for (let first = true, more = true; more; first = false) {
      const reply = await this.#ask({ kind: 'sequence', first })
      if (reply.status === 'unsupported') throw new TableOpenError(`table ${this.name}: sequence operation is not supported`)
      if (reply.status !== 'ok') throw new TableOpenError(`table ${this.name}: sequence error: ${PROXIED_ERROR}`)
      for (const [key = '', value = ''] of reply.entries ?? []) yield [key, value]
      more = reply.more === true
    }
  }

  put(key: string, value: string): Promise<Change> {
    return this.#change({ kind: 'update', key, value })
  }

  remove(key: string): Promise<Change> {
    return this.#change({ kind: 'delete', key })
  }

  close(): void {}

  async #change(what: ProxyWork): Promise<Change> {
    try {
      const { status } = await this.#ask(what, 'proxywrite')
      if (status === 'ok') return { kind: 'done' }
      return status === 'absent' ? { kind: 'absent' } : { kind: 'error', reason: PROXIED_ERROR }
    } catch (error) {
      return { kind: 'error', reason: this.#reasonOf(error) }
    }
  }

  /** Why there is no answer, for the log and the asker. @throws {ProxyRefused} For a command: it ends with these words. */
  #reasonOf(error: unknown): string {
    if (!(error instanceof TableOpenError)) throw error
    if (error instanceof ProxyRefused && this.#options.strict === true) throw error
    log.warning(`table ${this.name}: ${error.message}`)
    return error.message
  }

  #ask(what: ProxyWork, service: ProxyService = 'proxymap'): Promise<ProxyReply> {
    const { config } = this.#options
    return askProxy(config, service, { table: this.#table, flags: proxyFlags(this.#options), ...what })
  }
}

/**
 * Opens `proxy:type:name`.
 *
 * @throws {TableOpenError} From the table behind it, when that is opened here (`direct`).
 */
export function openProxy({ name, spec, options, open }: OpenRequest): Table {
  const table = unproxied(name)
  if (options.direct !== true) return new ProxyTable(spec, table, options)
  const inner = open(table)
  return {
    name: spec,
    pattern: inner.pattern,
    lookup: (key) => inner.lookup(key),
    refresh: () => inner.refresh?.(),
    close: () => inner.close(),
  }
}
