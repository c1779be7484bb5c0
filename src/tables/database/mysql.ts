/**
 * mysql: lookups in MySQL and MariaDB.
 *
 * Talks to:      the servers of `hosts`.
 * Reads:         option files of the client library (`my.cnf`), unless `option_group` is empty.
 * Diagnostics:   warnings for servers that cannot be reached and queries that fail; the lookup is then an error.
 * Source:        mysql_table(5).
 *
 * @module
 */
import { connectMysql, loadMysql, type MysqlTarget, type MysqlTls } from '#network/database/mysql.ts'
import type { SqlAnswer, SqlConnection } from '#network/database/connection.ts'
import { TableOpenError, type OpenRequest, type Table } from '#tables/table.ts'
import { openCharset, type Charset } from '#util/charset.ts'
import { splitAtChars } from '#util/split.ts'
import { databaseTable, domainFilter } from './database-table.ts'
import { readMysqlOptions, type MysqlOptions } from './mysql-options.ts'
import type { ServerPlace } from './servers.ts'
import { openSettings, type Settings } from './settings.ts'
import { shareServers } from './shared-servers.ts'
import { intervals, lookupOnServers, SQL_CONNECTIONS_MAX, SQL_TIMEOUTS, sqlTemplates } from './sql.ts'

const DEFAULT_PORT = 3306
const DEFAULT_SOCKET = '/run/mysqld/mysqld.sock'

/** MySQL's names that are not labels of WHATWG Encoding as they stand. */
const LABELS: Readonly<Record<string, string>> = {
  latin1: 'windows-1252', latin2: 'iso-8859-2', latin5: 'iso-8859-9', latin7: 'iso-8859-13', cp1250: 'windows-1250', cp1251: 'windows-1251',
  cp1256: 'windows-1256', cp1257: 'windows-1257', cp866: 'ibm866', koi8r: 'koi8-r', koi8u: 'koi8-u', greek: 'iso-8859-7', hebrew: 'iso-8859-8',
  sjis: 'shift_jis', cp932: 'shift_jis', ujis: 'euc-jp', eucjpms: 'euc-jp', euckr: 'euc-kr', gb2312: 'gbk', gbk: 'gbk', big5: 'big5', ascii: 'latin1',
}
const UTF8_NAMES: ReadonlySet<string> = new Set(['utf8', 'utf8mb3', 'utf8mb4', 'binary'])

/** What is known before the servers are. */
type Facts = {
  readonly user: string
  readonly password: string
  readonly database: string
  readonly tls: MysqlTls | undefined
  readonly options: MysqlOptions
}

/** TLS settings of the table, or else of the option files; `undefined`: there are none, and so no TLS. */
function tlsOf(settings: Settings, options: MysqlOptions): MysqlTls | undefined {
  const file = (setting: string, option: string): string | undefined => settings.optional(setting) ?? (options.get(option) || undefined)
  const [certFile, keyFile] = [file('tls_cert_file', 'ssl-cert'), file('tls_key_file', 'ssl-key')]
  const [caFile, caPath, ciphers] = [file('tls_CAfile', 'ssl-ca'), file('tls_CApath', 'ssl-capath'), file('tls_ciphers', 'ssl-cipher')]
  const verify = settings.bool('tls_verify_cert', /^(?:1|on|true|yes)?$/i.test(options.get('ssl-verify-server-cert') ?? 'no'))
  const given = Object.entries({ certFile, keyFile, caFile, caPath, ciphers }).filter(([, value]) => value !== undefined)
  return given.length > 0 || verify ? { ...Object.fromEntries(given), verify } : undefined
}

/** An option file is read unless both settings are empty. */
function optionsOf(settings: Settings): MysqlOptions {
  const [file, group] = [settings.str('option_file', ''), settings.str('option_group', 'client')]
  return file === '' && group === '' ? new Map() : readMysqlOptions(file, group)
}

function portOf(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new TableOpenError(`unknown service: ${text}/tcp`)
  return Number(text)
}

/** Where a host of the setting is. `localhost` means the socket, also with `inet:` in front. @throws {TableOpenError} */
function whereIs(text: string, options: MysqlOptions): MysqlTarget['place'] {
  const socketPath = options.get('socket') || DEFAULT_SOCKET
  if (text.startsWith('unix:')) return { socketPath: text.slice('unix:'.length) || socketPath }
  const [, name = '', port = ''] = /^(.*?)(?::([^:\]]*))?$/s.exec(text.replace(/^inet:/, '')) ?? []
  const host = name.replace(/^\[(.*)\]$/s, '$1')
  const number = port === '' ? Number(options.get('port')) || DEFAULT_PORT : portOf(port)
  return host.toLowerCase() === 'localhost' || host === '' ? { socketPath } : { host, port: number }
}

/** @throws {TableOpenError} */
function placeOf(name: string, { user, password, database, tls, options }: Facts, charsetFault: string | undefined): ServerPlace<SqlConnection> {
  const place = whereIs(name, options)
  const target: MysqlTarget = { place, user, password, database, ...(tls === undefined ? {} : { tls }) }
  const fault = charsetFault === undefined ? undefined : new Error(charsetFault)
  return {
    name,
    kind: 'socketPath' in place ? 'unix' : 'inet',
    connect: () => (fault === undefined ? connectMysql(target, SQL_TIMEOUTS) : Promise.reject(fault)),
  }
}

function charsetOf(name: string): { readonly charset?: Charset; readonly fault?: string } {
  if (UTF8_NAMES.has(name.toLowerCase())) return {}
  const charset = openCharset(LABELS[name.toLowerCase()] ?? '')
  return charset === undefined ? { fault: `mysql_set_character_set '${name}' failed: Can't initialize character set ${name}` } : { charset }
}

/** The values of an answer. A query without a result set is an error unless the table says otherwise. */
function valuesOf(spec: string, requireResultSet: boolean, answer: SqlAnswer): (string | null)[] | { refusal: string } {
  if (answer.kind === 'rows') return answer.rows.flat()
  if (answer.kind === 'many') return { refusal: `${spec}: query failed: multiple result sets returning data are not supported` }
  if (!requireResultSet) return []
  return { refusal: `${spec}: query failed: query returned no result set(require_result_set = yes)` }
}

/**
 * Opens `mysql:/file` or `mysql:name`. Connections are made by lookups.
 *
 * @throws {TableOpenError} The settings cannot be read or used.
 */
export function openMysql(request: OpenRequest): Table {
  const { name, spec } = request
  const settings = openSettings(name, request.options.config)
  const options = optionsOf(settings)
  const text = (setting: string, option: string): string => settings.optional(setting) ?? options.get(option) ?? ''
  const login = { user: text('user', 'user'), password: text('password', 'password'), database: settings.str('dbname', '', { min: 1 }) }
  const { charset, fault } = charsetOf(settings.str('charset', 'utf8mb4', { min: 1 }))
  const limits = intervals(settings)
  const tls = tlsOf(settings, options)
  const requireResultSet = settings.bool('require_result_set', true)
  const templates = sqlTemplates(settings, request, charset)
  const words = splitAtChars(settings.str('hosts', ''))
  const hosts = words.length > 0 ? words : ['localhost']
  const places = hosts.map((host) => placeOf(host, { ...login, tls, options }, fault))
  const filter = domainFilter(settings, request)
  // A driver that cannot be loaded shows when a connection is made.
  loadMysql().catch(() => undefined)
  const { servers, release } = shareServers({
    identity: [hosts, Object.values(login), tls, options.get('port'), options.get('socket'), fault],
    places: () => places,
    options: { type: 'mysql', ...limits, connectionsMax: SQL_CONNECTIONS_MAX },
    timeouts: SQL_TIMEOUTS,
  })
  const table = {
    templates, dialect: 'mysql', servers, charset,
    valuesOf: (answer: SqlAnswer) => valuesOf(spec, requireResultSet, answer),
    failure: (_host: string, reason: string) => `${spec}: query failed: ${reason}`,
  } as const
  return databaseTable(request, name, { filter, ask: (key) => lookupOnServers(table, key), close: release })
}
