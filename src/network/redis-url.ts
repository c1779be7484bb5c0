/**
 * URLs of Redis servers, for one server, a cluster, or a master that sentinels know.
 */

/** A server's address. */
export type RedisAddress = { readonly host: string; readonly port: number }

/** What a URL says. */
export type RedisPlace = {
  readonly kind: 'server' | 'unix' | 'cluster' | 'sentinel'
  readonly tls: boolean
  /** One for a server; those of a cluster or the sentinels; none for `unix`. */
  readonly addresses: readonly RedisAddress[]
  /** Of `unix`: the socket. Of `sentinel`: the name of the master. Else empty. */
  readonly name: string
  readonly user: string
  readonly password: string
  readonly database: number
}

const PORTS = { server: 6379, cluster: 6379, sentinel: 26379 } as const
const URL_REGEXP = /^redis(s?)(?:\+(cluster|sentinel))?:\/\/(?:([^@/:]*)(?::([^@/]*))?@)?([^/@]*)((?:\/[^/]*){0,2})$/
const ADDRESS_REGEXP = /^(?:\[([^\]]+)\]|([^:,[\]]*))(?::(\d{1,5}))?$/
const DATABASES_MAX = 1_000_000

function decoded(text: string | undefined): string | undefined {
  try {
    return decodeURIComponent(text ?? '')
  } catch {
    return undefined
  }
}

function addressOf(text: string, port: number): RedisAddress | undefined {
  const [whole, bracketed, plain, digits] = ADDRESS_REGEXP.exec(text) ?? []
  const number = digits === undefined ? port : Number(digits)
  if (whole === undefined || number > 65535) return undefined
  return { host: (bracketed ?? plain) || 'localhost', port: number }
}

/** The number of a database, `undefined` for something else. */
export function databaseNumber(text: string): number | undefined {
  return /^\d{1,7}$/.test(text) && Number(text) <= DATABASES_MAX ? Number(text) : undefined
}

/** `unix:/path`, with or without `://`; a number of the database may follow as `?db=`. */
function unixPlace(text: string): RedisPlace | undefined {
  const [, path, digits = '0'] = /^unix:(?:\/\/)?(\/[^?]+)(?:\?db=(\d+))?$/.exec(text) ?? []
  const database = databaseNumber(digits)
  if (path === undefined || database === undefined) return undefined
  return { kind: 'unix', tls: false, addresses: [], name: path, user: '', password: '', database }
}

/**
 * Reads `redis://user:password@host:port/database`, `rediss://…` with TLS, `unix:/path`,
 * `redis+cluster://host:port,host:port` and `redis+sentinel://host:port,host:port/master/database`.
 *
 * @returns `undefined`: it is none of them.
 */
export function parseRedisUrl(text: string): RedisPlace | undefined {
  if (text.startsWith('unix:')) return unixPlace(text)
  const [, secure, many, userText, passwordText, hosts = '', path = ''] = URL_REGEXP.exec(text) ?? []
  if (secure === undefined) return undefined
  const kind = many === 'cluster' || many === 'sentinel' ? many : 'server'
  const addresses = (kind === 'server' ? [hosts] : hosts.split(',')).map((host) => addressOf(host, PORTS[kind]))
  const parts = path.split('/').slice(1)
  const [name, number = ''] = kind === 'sentinel' ? parts : ['', ...parts]
  const [master, user, password] = [decoded(name), decoded(userText), decoded(passwordText)]
  const database = number === '' ? 0 : databaseNumber(number)
  if (user === undefined || password === undefined || database === undefined || master === undefined) return undefined
  // Only a cluster has no databases, and only sentinels know names.
  if ((kind === 'cluster' && database !== 0) || (kind === 'sentinel') !== (master !== '') || (kind === 'server' && parts.length > 1)) return undefined
  const known = addresses.filter((address) => address !== undefined)
  if (known.length < addresses.length) return undefined
  return { kind, tls: secure === 's', addresses: known, name: master, user, password, database }
}
