/**
 * Where a PostgreSQL server is and how to speak to it: a connection URI, or a host.
 *
 * Source: PostgreSQL documentation, "Connection URIs" and "Parameter Key Words"; pgsql_table(5), hosts.
 */

/** How TLS is used: libpq's words. */
export type PgSslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

/** A server and a login. */
export type PgTarget = {
  /** A name, an address, or the folder of a UNIX socket. */
  readonly host: string
  readonly port: number
  /** Empty: that of the process. */
  readonly user: string
  readonly password: string
  /** Empty: named as the user. */
  readonly database: string
  readonly sslMode: PgSslMode
  /** Files in PEM form. */
  readonly sslRootCert?: string
  readonly sslCert?: string
  readonly sslKey?: string
  /** Seconds; 0: the usual limit. */
  readonly connectTimeout: number
  readonly applicationName: string
  /** Command line options for the server's process. */
  readonly options: string
}

/** What a target is made of besides the host: the table's settings, and the environment of the process. */
export type PgLogin = {
  readonly user: string
  readonly password: string
  readonly database: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

const SSL_MODES: readonly PgSslMode[] = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']
const URI_REGEXP = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s
const DEFAULT_PORT = '5432'

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RangeError(`invalid percent-encoded token: "${text}"`)
  }
}

function portOf(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new RangeError(`invalid integer value "${text}" for connection option "port"`)
  return Number(text)
}

function sslModeOf(text: string): PgSslMode {
  const mode = SSL_MODES.find((name) => name === text)
  if (mode === undefined) throw new RangeError(`invalid sslmode value: "${text}"`)
  return mode
}

/** Splits `host:port`, `[address]:port`; the last colon counts. */
function splitHost(text: string): { host: string; port: string } {
  const [, host = text, port = ''] = /^(.*?)(?::([^:\]]*))?$/s.exec(text) ?? []
  return { host: host.replace(/^\[(.*)\]$/s, '$1'), port }
}

type Words = ReadonlyMap<string, string>

function targetOf(words: Words, environment: PgLogin['environment']): PgTarget {
  const word = (name: string, variable: string, fallback = ''): string => words.get(name) || environment[variable] || fallback
  const file = (name: string, variable: string): string | undefined => word(name, variable) || undefined
  const [sslRootCert, sslCert, sslKey] = [file('sslrootcert', 'PGSSLROOTCERT'), file('sslcert', 'PGSSLCERT'), file('sslkey', 'PGSSLKEY')]
  return {
    host: word('host', 'PGHOST', '/var/run/postgresql'),
    port: portOf(word('port', 'PGPORT', DEFAULT_PORT)),
    user: word('user', 'PGUSER'),
    password: word('password', 'PGPASSWORD'),
    database: word('dbname', 'PGDATABASE'),
    sslMode: sslModeOf(word('sslmode', 'PGSSLMODE', 'prefer')),
    ...(sslRootCert === undefined ? {} : { sslRootCert }),
    ...(sslCert === undefined ? {} : { sslCert }),
    ...(sslKey === undefined ? {} : { sslKey }),
    connectTimeout: Number(word('connect_timeout', 'PGCONNECT_TIMEOUT', '0')) || 0,
    applicationName: word('application_name', 'PGAPPNAME'),
    options: word('options', 'PGOPTIONS'),
  }
}

/** Words that a URI may have behind its `?`, and that mean something here. */
const URI_WORDS: ReadonlySet<string> = new Set([
  'host', 'port', 'user', 'password', 'dbname', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'connect_timeout', 'application_name', 'options',
])
/** Words that change nothing for lookups. */
const IGNORED_WORDS: ReadonlySet<string> = new Set([
  'client_encoding', 'fallback_application_name', 'keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count',
  'tcp_user_timeout', 'gssencmode', 'target_session_attrs', 'sslcompression', 'sslsni', 'load_balance_hosts',
])

function wordsOfUri(uri: string): Words {
  const [, login, place = '', dbname = '', query = ''] = URI_REGEXP.exec(uri) ?? []
  const words = new Map<string, string>()
  const add = (name: string, text: string): void => {
    if (text !== '') words.set(name, percentDecoded(text))
  }
  const [user = '', ...password] = (login ?? '').split(':')
  add('user', user)
  add('password', password.join(':'))
  const { host, port } = splitHost(place)
  add('host', host)
  add('port', port)
  add('dbname', dbname)
  for (const pair of query.split('&').filter((text) => text !== '')) {
    const [name = '', ...value] = pair.split('=')
    if (!URI_WORDS.has(name) && !IGNORED_WORDS.has(name)) throw new RangeError(`invalid URI query parameter: "${name}"`)
    add(name, value.join('='))
  }
  return words
}

/** Whether an item of `hosts` is a URI, which has the login in itself. */
export function isPgUri(text: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(text)
}

/** The host of an item of `hosts` that is not a URI, without `unix:` or `inet:`; one that starts with `/` is the folder of a socket. */
export function pgHost(text: string): string {
  const name = text.replace(/^(?:unix|inet):/, '')
  return name.startsWith('/') ? name : splitHost(name).host
}

/**
 * Reads an item of `hosts`.
 *
 * @throws {RangeError} It makes no sense, in libpq's words.
 */
export function pgTarget(text: string, login: PgLogin): PgTarget {
  if (isPgUri(text)) return targetOf(wordsOfUri(text), login.environment)
  const name = text.replace(/^(?:unix|inet):/, '')
  const { host, port } = name.startsWith('/') ? { host: name, port: '' } : splitHost(name)
  const words = { host, port, user: login.user, password: login.password, dbname: login.database }
  return targetOf(new Map(Object.entries(words)), login.environment)
}
