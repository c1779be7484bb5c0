/**
 * redis: values, fields of hashes and members of sets in Redis, as tables. A type of Posthorn's own.
 *
 * REDIS_TABLE
 *
 *     virtual_alias_maps = redis:/etc/postfix/redis-aliases.cf
 *     relay_domains      = redis:redis://127.0.0.1/1?SISMEMBER+relay+%s
 *
 * A file has the form of main.cf. `redis:name` takes `name_url`, `name_query` and so on from main.cf. A URL in place
 * of a file needs no other settings; behind its `?` is the query, with `+` for blanks. White space and commas end a
 * table's name in main.cf: more than one server needs a file.
 *
 * url (default: redis://localhost:6379)
 *     redis://user:password@host:port/database     one server; rediss://… with TLS
 *     unix:/path/of/socket?db=database
 *     redis+cluster://host:port,host:port          nodes of a cluster, one of which must be there; rediss+cluster://…
 *     redis+sentinel://host:port,host:port/master/database
 *                                                  the master of this name, as sentinels say; rediss+sentinel://…
 *     In user and password, `%XX` stands for a byte.
 * user, password, dbname (default: as in url)
 *     Who to log in as, and the number of the database.
 * sentinel_user, sentinel_password (default: none)
 *     Who to log in as at the sentinels.
 * query (default: GET %s)
 *     GET key           the value
 *     HGET key field    the value of a field of a hash
 *     SISMEMBER key member
 *                       the member, if it is in the set
 *     Each word may have the expansions %s (the key that is looked up), %u and %d (its local part and domain), %1 to
 *     %9 (labels of the domain, the last one first) and %%. A key that lacks a part is not in the table. What is
 *     expanded never makes further words: a blank, a quote or a line end in it is sent as a part of its word.
 * prefix (default: none)
 *     Stands before the name of the key, hash or set.
 * result_format (default: %s)
 *     What to make of the value: %s %u %d of the value, %S %U %D and %1 to %9 of the key that was looked up.
 * domain (default: none)
 *     Look up only addresses in these domains: names, files, or tables.
 * timeout (default: 5)
 *     Seconds, for connecting and for each command.
 * tls_CAfile, tls_CApath, tls_cert_file, tls_key_file, tls_ciphers (default: none), tls_verify_cert (default: yes)
 *     For the rediss URLs. Without authorities those of Node.js count.
 *
 * A server that cannot be reached or refuses the command is a temporary error. An empty value counts as no value.
 *
 * Source: ours; expansions as in mysql_table(5).
 */
import type { ConnectionOptions } from 'node:tls'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { RedisClient, type RedisCommand, type RedisSettings } from '#network/redis.ts'
import { databaseNumber, parseRedisUrl } from '#network/redis-url.ts'
import { authorities, keyPair } from '#network/tls/keys.ts'
import { ABSENT, failed, found, TableOpenError, type Lookup, type OpenRequest, type Table } from '#tables/table.ts'
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'
import { databaseTable, domainFilter } from './database-table.ts'
import { openSettings, parseSettings, type Settings } from './settings.ts'
import { expandTemplate, parseTemplate, templateContext, type Template, type TemplateContext } from './template.ts'

const DEFAULT_URL = 'redis://localhost:6379'
const DEFAULT_QUERY = 'GET %s'
const TIMEOUT_SECONDS = 5
/** Longest value that is taken for one. */
const VALUE_BYTES_MAX = 1024 * 1024
/** Words behind each command. */
const ARGUMENTS = { get: 1, hget: 2, sismember: 2 } as const satisfies Readonly<Record<RedisCommand['name'], number>>

/** The command that a query makes of a key. */
type Query = { readonly name: RedisCommand['name']; readonly words: readonly Template[] }

function isCommand(word: string): word is RedisCommand['name'] {
  return Object.hasOwn(ARGUMENTS, word)
}

/** @throws {TableOpenError} */
function queryOf(settings: Settings, context: TemplateContext): Query {
  const text = settings.str('query', DEFAULT_QUERY, { min: 1 })
  const [command = '', ...words] = text.trim().split(/\s+/)
  const name = command.toLowerCase()
  if (!isCommand(name)) throw new TableOpenError(`${settings.name}: query = ${text}: must be GET, HGET or SISMEMBER`)
  if (words.length !== ARGUMENTS[name]) {
    throw new TableOpenError(`${settings.name}: query = ${text}: ${command} needs ${ARGUMENTS[name]} further word(s)`)
  }
  const templates = words.map((word) => parseTemplate(context, word, 'query'))
  if (!templates.some(({ dynamic }) => dynamic)) log.warning(`redis: ${settings.name}: Fixed query ${text} is probably useless`)
  return { name, words: templates }
}

function tlsOf(settings: Settings): () => ConnectionOptions {
  const [file, folder] = [settings.str('tls_CAfile', ''), settings.str('tls_CApath', '')]
  const [cert, key] = [settings.str('tls_cert_file', ''), settings.str('tls_key_file', '')]
  const ciphers = settings.str('tls_ciphers', '')
  const verify = settings.bool('tls_verify_cert', true)
  return () => {
    const ca = authorities(file, folder)
    const secureContext = process.getBuiltinModule('node:tls').createSecureContext({
      ...(ca.length === 0 ? {} : { ca }), ...(cert === '' ? {} : keyPair(cert, key)), ...(ciphers === '' ? {} : { ciphers }),
    })
    return { secureContext, rejectUnauthorized: verify }
  }
}

/** @throws {TableOpenError} */
function clientSettings(settings: Settings): RedisSettings {
  const place = parseRedisUrl(settings.str('url', DEFAULT_URL, { min: 1 }))
  // The text may have a password in it.
  if (place === undefined) throw new TableOpenError(`${settings.name}: url: not a URL of Redis`)
  const database = databaseNumber(settings.str('dbname', String(place.database)))
  if (database === undefined) throw new TableOpenError(`${settings.name}: dbname: not the number of a database`)
  if (place.kind === 'cluster' && database !== 0) throw new TableOpenError(`${settings.name}: a cluster has database 0 only`)
  return {
    place: { ...place, user: settings.str('user', place.user), password: settings.str('password', place.password), database },
    sentinel: { user: settings.str('sentinel_user', ''), password: settings.str('sentinel_password', '') },
    tls: tlsOf(settings),
    timeoutMs: 1000 * settings.int('timeout', TIMEOUT_SECONDS, { min: 1 }),
  }
}

/** One table. */
class Store {
  readonly #name: string
  readonly #query: Query
  readonly #format: Template
  readonly #prefix: string
  readonly #client: RedisClient

  constructor(settings: Settings, table: string) {
    const context = templateContext('redis', table)
    this.#name = settings.name
    this.#query = queryOf(settings, context)
    this.#format = parseTemplate(context, settings.str('result_format', '%s'), 'result')
    this.#prefix = settings.str('prefix', '')
    this.#client = new RedisClient(clientSettings(settings))
  }

  /** Never throws, never rejects. */
  async ask(key: string): Promise<Lookup> {
    const words = this.#query.words.map((word) => expandTemplate(word, key))
    const [first, second = ''] = words
    if (first === undefined || words.includes(undefined)) return ABSENT
    let value: string | undefined
    try {
      value = this.#valueOf(await this.#client.ask(this.#command(this.#prefix + first, second)), second)
    } catch (error) {
      const reason = `redis:${this.#name}: ${errnoText(error)}`
      log.warning(reason)
      return failed(reason)
    }
    const result = value === undefined ? undefined : expandTemplate(this.#format, key, value)
    return result === undefined || result === '' ? ABSENT : found(result)
  }

  close(): void {
    this.#client.close()
  }

  #command(first: string, second: string): RedisCommand {
    const [key, other] = [encodeRaw(first), encodeRaw(second)]
    const { name } = this.#query
    if (name === 'hget') return { name, key, field: other }
    return name === 'sismember' ? { name, key, member: other } : { name, key }
  }

  #valueOf(answer: Uint8Array | number | null, member: string): string | undefined {
    if (typeof answer === 'number') return answer === 0 ? undefined : member
    if (answer === null) return undefined
    if (answer.length > VALUE_BYTES_MAX) throw new RangeError('the value is too long')
    return decodeRaw(answer.subarray(0, answer.includes(0) ? answer.indexOf(0) : undefined))
  }
}

/** Settings from a URL in place of a file: it, and the query behind its `?`. */
function settingsOf({ name, options }: OpenRequest): Settings {
  const [, url, query] = /^((?:rediss?(?:\+\w+)?:\/\/|unix:)[^?]*(?:\?db=\d+)?)(?:\?(.+))?$/s.exec(name) ?? []
  if (url === undefined) return openSettings(name, options.config)
  // Log lines call the table by it, and it may have a password.
  const shown = url.replace(/\/\/[^@/]*@/, '//')
  const lines = [`url = ${url}`, ...(query === undefined ? [] : [`query = ${query.replaceAll('+', ' ')}`])]
  return parseSettings(lines.join('\n'), shown)
}

/**
 * Opens `redis:/path`, `redis:name` or `redis:URL`. The server is not asked yet.
 *
 * @throws {TableOpenError} Settings cannot be read or used.
 */
export function openRedis(request: OpenRequest): Table {
  const settings = settingsOf(request)
  const store = new Store(settings, settings.name)
  const filter = domainFilter(settings, request)
  return databaseTable(request, settings.name, { filter, ask: (key) => store.ask(key), close: () => store.close() })
}
