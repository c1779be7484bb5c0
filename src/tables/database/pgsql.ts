/**
 * pgsql: lookups in PostgreSQL.
 *
 * Talks to:      the servers of `hosts`, with libpq's conventions for URIs, sockets, TLS and PG… variables.
 * Diagnostics:   warnings for servers that cannot be reached and queries that fail; the lookup is then an error.
 * Source:        pgsql_table(5).
 *
 * @module
 */
import { connectPgsql, loadPgsql } from '#network/database/pgsql.ts'
import { isPgUri, pgHost, pgTarget, type PgLogin } from '#network/database/pgsql-target.ts'
import type { SqlAnswer, SqlConnection } from '#network/database/connection.ts'
import { TableOpenError, type OpenRequest, type Table } from '#tables/table.ts'
import { openCharset, type Charset } from '#util/charset.ts'
import { splitAtChars } from '#util/split.ts'
import { databaseTable, domainFilter } from './database-table.ts'
import type { ServerPlace } from './servers.ts'
import { openSettings, type Settings } from './settings.ts'
import { shareServers } from './shared-servers.ts'
import { intervals, lookupOnServers, SQL_CONNECTIONS_MAX, SQL_TIMEOUTS, sqlTemplates } from './sql.ts'

/** PostgreSQL's names that are not labels of WHATWG Encoding as they stand. */
const LABELS: Readonly<Record<string, string>> = {
  koi8r: 'koi8-r', koi8u: 'koi8-u', win866: 'ibm866', alt: 'ibm866', latin6: 'iso-8859-10', latin7: 'iso-8859-13', latin8: 'iso-8859-14',
  latin9: 'iso-8859-15', latin10: 'iso-8859-16', sjis: 'shift_jis', mskanji: 'shift_jis', uhc: 'euc-kr', windows949: 'euc-kr',
  win949: 'euc-kr', euccn: 'gbk', win874: 'windows-874', win936: 'gbk', win950: 'big5', win: 'windows-1251', koi8: 'koi8-r',
}
/** No conversion, or none that is needed. */
const UTF8_NAMES: ReadonlySet<string> = new Set(['utf8', 'unicode', 'sqlascii'])

/** An encoding by PostgreSQL's name; `undefined`: it is UTF-8. @throws {RangeError} There is none of this name. */
function encodingOf(name: string): Charset | undefined {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  if (UTF8_NAMES.has(plain)) return undefined
  const spelled = plain.replace(/^win(?=125)/, 'windows-').replace(/^windows(?=\d)/, 'windows-').replace(/^euc(?=\w)/, 'euc-').replace(/^iso8859/, 'iso-8859-')
  const charset = openCharset(LABELS[plain] ?? spelled)
  if (charset === undefined) throw new RangeError(`cannot set the encoding to ${name}`)
  return charset
}

function loginOf(settings: Settings): PgLogin {
  const [user, password] = [settings.str('user', ''), settings.str('password', '')]
  return { user, password, database: settings.str('dbname', ''), environment: process.env }
}

/** The hosts in the order of the setting. @throws {TableOpenError} One needs the name of a database. */
function hostsOf(settings: Settings, { database }: PgLogin, spec: string): string[] {
  const words = splitAtChars(settings.str('hosts', ''))
  const hosts = words.length > 0 ? words : ['localhost']
  const plain = hosts.find((host) => !isPgUri(host))
  if (plain !== undefined && database === '') {
    throw new TableOpenError(`${spec} host target '${pgHost(plain)}' requires dbname setting`)
  }
  return hosts
}

function placeOf(host: string, login: PgLogin): ServerPlace<SqlConnection> {
  return {
    name: host,
    kind: !isPgUri(host) && pgHost(host).startsWith('/') ? 'unix' : 'inet',
    connect: async () => connectPgsql(pgTarget(host, login), SQL_TIMEOUTS),
  }
}

/** An encoding that there is none of, as a host that cannot be connected to. */
function placeWithout(host: string, encoding: string): ServerPlace<SqlConnection> {
  const connect = (): Promise<SqlConnection> => Promise.reject(new Error(`cannot set the encoding to ${encoding}, skipping ${host}`))
  return { name: host, kind: 'inet', connect }
}

/** NULL is an empty value to libpq's users. */
function valuesOf(answer: SqlAnswer, host: string): (string | null)[] | { refusal: string } {
  if (answer.kind === 'rows') return answer.rows.flatMap((row) => row.map((value) => value ?? ''))
  if (answer.kind === 'none') return []
  return { refusal: `pgsql query failed: unknown code 0x0 from host ${host}` }
}

function failure(host: string, reason: string): string {
  return `pgsql query failed: fatal error from host ${host}: ${reason}`
}

function openEncoding(name: string): { charset?: Charset | undefined; unknown?: true } {
  try {
    return { charset: encodingOf(name) }
  } catch {
    return { unknown: true }
  }
}

/**
 * Opens `pgsql:/file` or `pgsql:name`. Connections are made by lookups.
 *
 * @throws {TableOpenError} The settings cannot be read or used.
 */
export function openPgsql(request: OpenRequest): Table {
  const { name, spec, options } = request
  const settings = openSettings(name, options.config)
  const login = loginOf(settings)
  const encoding = settings.str('encoding', 'UTF8', { min: 1 })
  const { charset, unknown } = openEncoding(encoding)
  const limits = intervals(settings)
  const templates = sqlTemplates(settings, request, charset)
  const hosts = hostsOf(settings, login, spec)
  const filter = domainFilter(settings, request)
  // A driver that cannot be loaded shows when a connection is made.
  loadPgsql().catch(() => undefined)
  const { user, password, database } = login
  const { servers, release } = shareServers({
    identity: [hosts, user, password, database, unknown === true ? encoding : ''],
    places: () => hosts.map((host) => (unknown === true ? placeWithout(host, encoding) : placeOf(host, login))),
    options: { type: 'pgsql', ...limits, connectionsMax: SQL_CONNECTIONS_MAX },
    timeouts: SQL_TIMEOUTS,
  })
  const table = { templates, dialect: 'standard', servers, charset, valuesOf, failure } as const
  return databaseTable(request, name, { filter, ask: (key) => lookupOnServers(table, key), close: release })
}
