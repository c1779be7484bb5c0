/**
 * memcache: entries in a memcached server, in front of another table or alone.
 *
 * With `backup`, what the server does not have is looked up there and stored in the server; changes go to both.
 * Keys with white space are not looked up: the protocol has no way to write them.
 *
 * Anybody who can reach the server can write to it: not for tables that name commands, files or users.
 *
 * Source: memcache_table(5).
 */
import { log } from '#system/log.ts'
import { errnoText } from '#system/errno.ts'
import { CannotConnect, MemcacheClient, memcacheServer } from '#network/database/memcache.ts'
import { UnexpectedReply } from '#network/database/memcache-reply.ts'
import { keyFolder } from '#tables/fold.ts'
import { ABSENT, failed, found, refuseSensitive, TableOpenError, type Change, type Lookup, type OpenRequest, type Table } from '#tables/table.ts'
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'
import { domainFilter, type DomainFilter } from './database-table.ts'
import { openSettings, type Settings } from './settings.ts'
import { expandTemplate, parseTemplate, templateContext, type Template } from './template.ts'

const DEFAULT_SERVER = 'inet:localhost:11211'
const WHITE_SPACE_REGEXP = /[\0 \t-\r]/
const DONE: Change = { kind: 'done' }

/** What an entry is stored with, and under which name. */
type Storing = {
  readonly keyFormat: Template | undefined
  readonly digest: string | undefined
  readonly flags: number
  readonly ttlSeconds: number
  readonly dataBytesMax: number
}

/** The name of a key in the server, or why it has none. */
type ServerKey = { readonly bytes: Uint8Array } | { readonly skip: string } | { readonly error: string }

/** One table. */
class Cache {
  readonly #spec: string
  readonly #name: string
  readonly #fold: (key: string) => string
  readonly #storing: Storing
  readonly #client: MemcacheClient
  readonly #filter: DomainFilter | undefined
  readonly #backup: Table | undefined

  constructor(request: OpenRequest, settings: Settings, storing: Storing, client: MemcacheClient) {
    this.#spec = request.spec
    this.#name = settings.name
    this.#fold = keyFolder(request.options)
    this.#storing = storing
    this.#client = client
    this.#filter = domainFilter(settings, request)
    const backup = settings.optional('backup')
    this.#backup = backup === undefined ? undefined : request.open(backup)
  }

  get backup(): Table | undefined {
    return this.#backup
  }

  async lookup(text: string): Promise<Lookup> {
    const key = this.#fold(text)
    const name = await this.#serverKey(key)
    if ('error' in name) return failed(name.error)
    if ('skip' in name) {
      if (log.verbose) log.debug(`${this.#name}: skipping lookup for name "${key}": ${name.skip}`)
      return ABSENT
    }
    const inServer = await this.#get(name.bytes)
    // A server that is away is no reason not to ask the table behind it.
    if (inServer.kind === 'found' || this.#backup === undefined) return inServer
    const answer = await this.#backup.lookup(key)
    if (answer.kind === 'found' && inServer.kind === 'absent') await this.#set(name.bytes, key, answer.value)
    return answer
  }

  async put(text: string, value: string): Promise<Change> {
    const key = this.#fold(text)
    const name = await this.#keyToChange(key, 'update')
    if ('kind' in name) return name
    const change = await this.#set(name.bytes, key, value)
    return this.#backup === undefined ? change : this.#changeBackup((backup) => backup.put?.(key, value))
  }

  async remove(text: string): Promise<Change> {
    const key = this.#fold(text)
    const name = await this.#keyToChange(key, 'delete')
    if ('kind' in name) return name
    let change: Change
    try {
      change = { kind: await this.#client.delete(name.bytes) }
    } catch (error) {
      change = { kind: 'error', reason: this.#warn(error) }
    }
    return this.#backup === undefined ? change : this.#changeBackup((backup) => backup.remove?.(key))
  }

  refresh(): void {
    this.#filter?.refresh()
    this.#backup?.refresh?.()
  }

  close(): void {
    this.#filter?.close()
    this.#backup?.close()
    this.#client.close()
  }

  async #get(key: Uint8Array): Promise<Lookup> {
    try {
      const data = await this.#client.get(key)
      const text = data === undefined ? undefined : decodeRaw(data.subarray(0, data.includes(0) ? data.indexOf(0) : undefined))
      return text === undefined ? ABSENT : found(text)
    } catch (error) {
      return failed(this.#warn(error))
    }
  }

  async #set(name: Uint8Array, key: string, value: string): Promise<Change> {
    const { dataBytesMax, flags, ttlSeconds } = this.#storing
    const data = encodeRaw(value)
    if (data.length > dataBytesMax) {
      const reason = `database ${this.#spec}: data for key ${key} is too long (data_size_limit=${dataBytesMax}) -- not stored`
      log.warning(reason)
      return { kind: 'refused', reason }
    }
    try {
      await this.#client.set(name, data, flags, ttlSeconds)
      return DONE
    } catch (error) {
      return { kind: 'error', reason: this.#warn(error) }
    }
  }

  async #changeBackup(change: (backup: Table) => Promise<Change> | undefined): Promise<Change> {
    const backup = this.#backup
    const done = backup === undefined ? undefined : await change(backup)
    if (done !== undefined) return done
    const reason = `database ${this.#spec}: its backup ${backup?.name ?? ''} cannot be changed while it is open`
    log.warning(reason)
    return { kind: 'refused', reason }
  }

  /** The key's name in the server; a change that cannot be made is told to the log. */
  async #keyToChange(key: string, operation: string): Promise<{ readonly bytes: Uint8Array } | Change> {
    const name = await this.#serverKey(key)
    if ('bytes' in name) return name
    if ('error' in name) return { kind: 'error', reason: name.error }
    const reason = `${this.#name}: skipping ${operation} for name "${key}": ${name.skip}`
    log.warning(reason)
    return { kind: 'refused', reason }
  }

  async #serverKey(key: string): Promise<ServerKey> {
    if (key === '') return { skip: 'empty lookup key' }
    const listed = this.#filter === undefined || await this.#filter.match(key)
    if (listed === 'error') return { error: `${this.#spec}: cannot tell whether its domain list has ${key}` }
    if (!listed) return { skip: 'domain mismatch' }
    const { keyFormat, digest } = this.#storing
    const name = keyFormat === undefined ? key : expandTemplate(keyFormat, key)
    if (name === undefined || name === '') return { skip: 'empty lookup key expansion' }
    if (digest !== undefined) return { bytes: Buffer.from(process.getBuiltinModule('node:crypto').createHash(digest).update(encodeRaw(name)).digest('hex')) }
    return WHITE_SPACE_REGEXP.test(name) ? { skip: 'name contains space' } : { bytes: encodeRaw(name) }
  }

  /** Writes down why the server did not do as asked. */
  #warn(error: unknown): string {
    const reason = error instanceof CannotConnect || error instanceof UnexpectedReply
      ? `${this.#name}: ${error.message}`
      : `database ${this.#spec}: I/O error: ${errnoText(error)}`
    log.warning(reason)
    return reason
  }
}

function storingOf(settings: Settings, name: string): Storing {
  const format = settings.optional('key_format')
  const digest = settings.optional('key_digest')
  if (digest !== undefined && !process.getBuiltinModule('node:crypto').getHashes().some((known) => known.toLowerCase() === digest.toLowerCase())) {
    throw new TableOpenError(`open ${settings.name}: key digest ${digest} is not available`)
  }
  return {
    keyFormat: format === undefined ? undefined : parseTemplate(templateContext('memcache', name), format, 'query'),
    digest,
    flags: settings.int('flags', 0),
    ttlSeconds: settings.int('ttl', 3600),
    dataBytesMax: settings.int('data_size_limit', 10240),
  }
}

function clientOf(settings: Settings, { dataBytesMax }: Storing): MemcacheClient {
  const server = memcacheServer(settings.str('memcache', DEFAULT_SERVER))
  if (typeof server === 'string') throw new TableOpenError(server)
  return new MemcacheClient({
    server,
    dataBytesMax,
    lineBytesMax: settings.int('line_size_limit', 1024, { min: 1 }),
    tries: settings.int('max_try', 2, { min: 1 }),
    retryPauseMs: 1000 * settings.int('retry_pause', 1, { min: 1 }),
    timeoutMs: 1000 * settings.int('timeout', 2, { min: 1 }),
  })
}

/**
 * Opens `memcache:/path` or `memcache:name`. The server is not asked yet.
 *
 * @throws {TableOpenError} Settings cannot be read or used.
 */
export function openMemcache(request: OpenRequest): Table {
  refuseSensitive(request)
  const settings = openSettings(request.name, request.options.config)
  const storing = storingOf(settings, request.name)
  const cache = new Cache(request, settings, storing, clientOf(settings, storing))
  const entries = cache.backup?.entries?.bind(cache.backup)
  return {
    name: request.spec,
    pattern: false,
    lookup: (key) => cache.lookup(key),
    put: (key, value) => cache.put(key, value),
    remove: (key) => cache.remove(key),
    ...(entries === undefined ? {} : { entries }),
    refresh: () => cache.refresh(),
    close: () => cache.close(),
  }
}
