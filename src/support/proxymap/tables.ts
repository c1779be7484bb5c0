/**
 * The tables of the service: each opened once for all clients that ask in the same way.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { log } from '#system/log.ts'
import { openTable } from '#tables/open.ts'
import { unproxied, type ProxyFlags, type ProxyReply, type ProxyRequest, type ProxyService } from '#tables/proxy.ts'
import { TableOpenError, type Change, type Lookup, type Table, type TableOptions } from '#tables/table.ts'
import { openWritable, type WritableTable } from '#tables/writable.ts'
import { approvedTables } from './approval.ts'

/** Bytes of names, keys and values of one request. */
const REQUEST_BYTES_MAX = 100_000
/** Entries in one reply of a walk. */
const SEQUENCE_ENTRIES = 500

const PARAMETERS = { proxymap: 'proxy_read_maps', proxywrite: 'proxy_write_maps' } as const
const ACCESS = { proxymap: 'read-only', proxywrite: 'read-write' } as const

/** Walks of one client, by table: where its next reply goes on. */
export type Walks = Map<string, AsyncIterator<readonly [string, string]>>

function replyOf(result: Lookup): ProxyReply {
  if (result.kind === 'found') return { status: 'ok', value: result.value }
  return { status: result.kind === 'absent' ? 'absent' : 'retry' }
}

function changeReply(change: Change): ProxyReply {
  if (change.kind === 'error') log.warning(change.reason)
  return { status: change.kind === 'done' ? 'ok' : change.kind === 'absent' ? 'absent' : 'retry' }
}

/** The entries of a table as the steps of one walk, whichever kind of loop it wants. */
async function* walk(entries: Iterable<readonly [string, string]> | AsyncIterable<readonly [string, string]>): AsyncGenerator<readonly [string, string]> {
  yield* entries
}

function sizeOf(request: ProxyRequest): number {
  const key = 'key' in request ? request.key.length : 0
  return request.table.length + key + ('value' in request ? request.value.length : 0)
}

/** One service: what it may open, and what is open. */
export class ProxiedTables {
  readonly #config: Config
  readonly #service: ProxyService
  readonly #approved: ReadonlySet<string>
  readonly #readable = new Map<string, Table>()
  readonly #writable = new Map<string, WritableTable>()

  constructor(config: Config, service: ProxyService) {
    this.#config = config
    this.#service = service
    const parameter = PARAMETERS[service]
    this.#approved = approvedTables(parameter, config.str(parameter))
  }

  /** Carries out a request. Never rejects. */
  async answer(request: ProxyRequest, walks: Walks): Promise<ProxyReply> {
    const table = unproxied(request.table)
    if (!table.includes(':') || sizeOf(request) > REQUEST_BYTES_MAX) return { status: 'invalid' }
    if (this.#service !== 'proxywrite' && (request.kind === 'update' || request.kind === 'delete')) {
      log.warning(`refusing ${table} ${request.kind} request on non-proxywrite service`)
      return { status: 'denied' }
    }
    if (!this.#isApproved(table)) return { status: 'denied' }
    try {
      return await this.#carryOut(request, table, walks)
    } catch (error) {
      if (!(error instanceof TableOpenError)) throw error
      log.error(error.message)
      log.warning(`${table} is unavailable. ${error.message}`)
      return { status: 'retry' }
    }
  }

  /** Resolves when all changes are written. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#writable.values(), (table) => table.settled()))
  }

  close(): void {
    for (const table of this.#readable.values()) table.close()
  }

  async #carryOut(request: ProxyRequest, table: string, walks: Walks): Promise<ProxyReply> {
    const { kind, flags } = request
    switch (kind) {
      case 'lookup':
        return replyOf(await this.#open(table, flags).lookup(request.key))
      case 'update':
        return changeReply(await this.#openWritable(table, flags).put(request.key, request.value))
      case 'delete':
        return changeReply(await this.#openWritable(table, flags).remove(request.key))
      case 'sequence':
        return this.#sequence(table, request, walks)
      default:
        return kind satisfies never
    }
  }

  #isApproved(table: string): boolean {
    if (this.#approved.has(table)) return true
    log.warning(`request for unapproved table: "${table}"`)
    log.warning(`to approve this table for ${ACCESS[this.#service]} access, list proxy:${table} in main.cf:${PARAMETERS[this.#service]}`)
    return false
  }

  #options({ fold, regsub, fileContent, utf8 }: ProxyFlags): TableOptions {
    const config = utf8 === this.#config.bool('smtputf8_enable')
      ? this.#config
      : this.#config.withOverrides(new Map([['smtputf8_enable', utf8 ? 'yes' : 'no']]))
    // What asks here is the service itself: `proxy:` within is opened as it stands.
    return { config, fold, regsub, fileContent, direct: true }
  }

  #open(table: string, flags: ProxyFlags): Table {
    if (this.#service === 'proxywrite') return this.#openWritable(table, flags)
    return shared(this.#readable, table, flags, () => openTable(table, this.#options(flags)))
  }

  #openWritable(table: string, flags: ProxyFlags): WritableTable {
    return shared(this.#writable, table, flags, () => openWritable(table, this.#options(flags)))
  }

  async #sequence(table: string, request: ProxyRequest & { kind: 'sequence' }, walks: Walks): Promise<ProxyReply> {
    const id = identity(table, request.flags)
    if (request.first) {
      const entries = this.#open(table, request.flags).entries?.()
      if (entries === undefined) return { status: 'unsupported' }
      walks.set(id, walk(entries))
    }
    const steps = walks.get(id)
    if (steps === undefined) return { status: 'invalid' }
    const entries: (readonly [string, string])[] = []
    while (entries.length < SEQUENCE_ENTRIES) {
      const step = await steps.next()
      if (step.done === true) {
        walks.delete(id)
        return { status: 'ok', entries, more: false }
      }
      entries.push(step.value)
    }
    return { status: 'ok', entries, more: true }
  }
}

function identity(table: string, flags: ProxyFlags): string {
  return `${table} ${JSON.stringify([flags.fold, flags.regsub, flags.fileContent, flags.utf8])}`
}

function shared<T>(tables: Map<string, T>, table: string, flags: ProxyFlags, open: () => T): T {
  const id = identity(table, flags)
  const known = tables.get(id)
  if (known !== undefined) return known
  const opened = open()
  tables.set(id, opened)
  return opened
}
