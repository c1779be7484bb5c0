/**
 * Opens lookup tables by their `type:name`.
 *
 * Every type has one row here. What cannot be opened becomes a table of errors,
 * with the reason in the log, so that mail waits rather than goes wrong.
 *
 * Source: DATABASE_README; postconf(1), -m.
 */
import { openCidr } from './cidr.ts'
import { openPipemap, openUnionmap } from './composite.ts'
import { openLdap } from './database/ldap.ts'
import { openMemcache } from './database/memcache.ts'
import { openMysql } from './database/mysql.ts'
import { openPgsql } from './database/pgsql.ts'
import { openRedis } from './database/redis.ts'
import { openSqlite } from './database/sqlite.ts'
import { openDebug, openEnviron, openFail, openInline, openInternal, openRandmap, openStatic } from './constant.ts'
import { openIndexed } from './indexed.ts'
import { openNis } from './nis.ts'
import { openPcre } from './pattern/pcre.ts'
import { openRegexp } from './pattern/regexp.ts'
import { openProxy } from './proxy.ts'
import { openSocketmap } from './remote/socketmap.ts'
import { openTcp } from './remote/tcp.ts'
import { TableOpenError, type Opener, type Table, type TableOptions } from './table.ts'
import { openTexthash } from './texthash.ts'
import { openUnix } from './unix.ts'
import { unavailableTable } from './unavailable.ts'

/** How each type is opened. */
const OPENERS: Readonly<Record<string, Opener>> = {
  btree: (request) => openIndexed('btree', request),
  cdb: (request) => openIndexed('cdb', request),
  cidr: openCidr,
  debug: openDebug,
  environ: openEnviron,
  fail: openFail,
  hash: (request) => openIndexed('hash', request),
  inline: openInline,
  internal: openInternal,
  ldap: openLdap,
  lmdb: (request) => openIndexed('lmdb', request),
  memcache: openMemcache,
  mysql: openMysql,
  nis: (request) => openNis(request),
  pcre: openPcre,
  pgsql: openPgsql,
  pipemap: openPipemap,
  proxy: openProxy,
  randmap: openRandmap,
  redis: openRedis,
  regexp: openRegexp,
  sdbm: (request) => openIndexed('sdbm', request),
  socketmap: openSocketmap,
  sqlite: openSqlite,
  static: openStatic,
  tcp: openTcp,
  texthash: openTexthash,
  unionmap: openUnionmap,
  unix: openUnix,
}

/** Types of Postfix that Posthorn knows and does not open, and why. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ...['dbm', 'nisplus'].map((type) => [type, 'not supported by this version of Posthorn'] as const),
  ['mongodb', 'Posthorn has no driver for it: the one that exists is 8 MB in 12 packages'],
])

/** The types that can be opened, in alphabetical order, as `postconf -m` lists them. */
export const TABLE_TYPES: readonly string[] = Object.keys(OPENERS).toSorted()

function openOrThrow(spec: string, options: TableOptions): Table {
  const colon = spec.indexOf(':')
  const name = spec.slice(colon + 1)
  if (colon < 1 || name === '') {
    throw new TableOpenError(`open dictionary: expecting "type:name" form instead of "${spec}"`)
  }
  const type = spec.slice(0, colon)
  const opener = Object.hasOwn(OPENERS, type) ? OPENERS[type] : undefined
  if (opener === undefined) {
    const why = REFUSED.get(type)
    throw new TableOpenError(`unsupported dictionary type: ${type}${why === undefined ? '' : ` (${why})`}`)
  }
  return opener({ name, spec, options, open: (member) => openTable(member, options) })
}

/**
 * Opens the table `spec`, for example `hash:/etc/aliases`.
 *
 * A table that cannot be opened answers every lookup with an error, in
 * Postfix's words, and says so in the log.
 *
 * @throws {TableOpenError} It cannot be opened and `options.strict` is set.
 */
export function openTable(spec: string, options: TableOptions): Table {
  try {
    return openOrThrow(spec, options)
  } catch (error) {
    if (!(error instanceof TableOpenError) || options.strict === true) throw error
    return unavailableTable(spec, error.message, () => openOrThrow(spec, options))
  }
}
