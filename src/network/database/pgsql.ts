/**
 * Connections to PostgreSQL: the one module that knows the package `pg`, which is loaded when a table is opened.
 *
 * Text travels as UTF-8. TLS is used as libpq does by default: where the server has it, without
 * a look at its certificate; `sslmode` asks for less or more.
 *
 * Source: PostgreSQL documentation, "Frontend/Backend Protocol", "SSL Support".
 */
import { readFileSync } from 'node:fs'
import { isIP, Socket } from 'node:net'
import { userInfo } from 'node:os'
import { checkServerIdentity, type ConnectionOptions } from 'node:tls'
import type { Client, ClientConfig } from 'pg'
import { loadOnce } from '#system/loading.ts'
import { SqlRefusal, within, type SqlAnswer, type SqlConnection, type SqlTimeouts } from './connection.ts'
import type { PgTarget } from './pgsql-target.ts'

/** Loads the driver: now, because a worker in a chroot cannot later. */
export const loadPgsql = loadOnce(() => import('pg'))

/** What this driver says when the server has no TLS. */
const NO_TLS = 'The server does not support SSL connections'

/** TLS settings for a mode; `false`: none. */
function tlsOptions({ host, sslMode, sslRootCert, sslCert, sslKey }: PgTarget): ConnectionOptions | false {
  if (host.startsWith('/') || sslMode === 'disable' || sslMode === 'allow') return false
  // libpq: with a root certificate at hand, `require` looks at the chain too.
  const isVerified = sslMode.startsWith('verify-') || (sslMode === 'require' && sslRootCert !== undefined)
  const checkName: typeof checkServerIdentity = (_name, certificate) => {
    return sslMode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined
  }
  return {
    rejectUnauthorized: isVerified,
    checkServerIdentity: checkName,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(sslRootCert === undefined || sslRootCert === 'system' ? {} : { ca: readFileSync(sslRootCert) }),
    ...(sslCert === undefined ? {} : { cert: readFileSync(sslCert) }),
    ...(sslKey === undefined ? {} : { key: readFileSync(sslKey) }),
  }
}

function clientConfig(target: PgTarget, socket: Socket, ssl: ConnectionOptions | false): ClientConfig {
  const user = target.user || userInfo().username
  return {
    stream: () => socket,
    host: target.host,
    port: target.port,
    user,
    password: target.password,
    database: target.database || user,
    ssl,
    keepAlive: true,
    client_encoding: 'UTF8',
    ...(target.applicationName === '' ? {} : { application_name: target.applicationName }),
    ...(target.options === '' ? {} : { options: target.options }),
    // All values as the server writes them.
    types: { getTypeParser: () => (value: string) => value },
  }
}

/** Errors that are no fault of the query: the connection, and the end of the server or the session. The severity may be in any language. */
const ENDS_SESSION_REGEXP = /^(?:08|57P)/

function isRefusal(error: unknown): error is Error & { severity: string; code: string } {
  return error instanceof Error && 'severity' in error && typeof error.severity === 'string' && 'code' in error && typeof error.code === 'string'
}

function columns(row: unknown): (string | null)[] {
  return Array.isArray(row) ? row.map((value: unknown) => (typeof value === 'string' ? value : null)) : []
}

/** The result of one query; of several statements the last one counts. */
function answerOf(results: unknown): SqlAnswer {
  const result: unknown = Array.isArray(results) ? results.at(-1) : results
  if (typeof result !== 'object' || result === null || !('rows' in result) || !('fields' in result)) return { kind: 'empty' }
  if (!('command' in result) || result.command === null) return { kind: 'empty' }
  if (!Array.isArray(result.fields) || result.fields.length === 0) return { kind: 'none' }
  const rows: unknown[] = Array.isArray(result.rows) ? result.rows : []
  return { kind: 'rows', rows: rows.map(columns) }
}

async function ask(client: Client, text: string): Promise<unknown> {
  try {
    return await client.query({ text, rowMode: 'array' })
  } catch (error) {
    if (isRefusal(error) && !ENDS_SESSION_REGEXP.test(error.code)) throw new SqlRefusal(`${error.severity}:  ${error.message}`)
    throw isRefusal(error) ? new Error(`${error.severity}:  ${error.message}`) : error
  }
}

async function open(target: PgTarget, timeouts: SqlTimeouts, ssl: ConnectionOptions | false): Promise<SqlConnection> {
  const { default: pg } = await loadPgsql()
  const socket = new Socket()
  const client = new pg.Client(clientConfig(target, socket, ssl))
  let alive = true
  client.on('error', () => {
    alive = false
  })
  client.on('end', () => {
    alive = false
  })
  const abandon = (): void => {
    alive = false
    socket.destroy()
  }
  const query = (text: string): Promise<unknown> => within(timeouts.queryMs, ask(client, text), 'timeout waiting for the answer', abandon)
  try {
    const limitMs = target.connectTimeout > 0 ? Math.min(target.connectTimeout * 1000, timeouts.connectMs) : timeouts.connectMs
    await within(limitMs, client.connect(), 'timeout expired', abandon)
    const conforming = answerOf(await query('SHOW standard_conforming_strings'))
    const isPlain = conforming.kind === 'rows' && conforming.rows[0]?.[0] === 'on'
    return {
      escapes: isPlain ? 'quotes' : 'backslash',
      get alive() {
        return alive
      },
      query: async (text) => answerOf(await query(text)),
      setIdle: (idle) => (idle ? socket.unref() : socket.ref()),
      close() {
        alive = false
        client.end().catch(() => undefined)
        socket.unref()
        socket.destroySoon()
      },
    }
  } catch (error) {
    abandon()
    throw isRefusal(error) ? new Error(`${error.severity}:  ${error.message}`) : error
  }
}

/**
 * Connects to a server and logs in.
 *
 * @throws {Error} With the reason; nothing is left open.
 */
export async function connectPgsql(target: PgTarget, timeouts: SqlTimeouts): Promise<SqlConnection> {
  const ssl = tlsOptions(target)
  try {
    return await open(target, timeouts, ssl)
  } catch (error) {
    const hasNoTls = error instanceof Error && error.message === NO_TLS
    if (hasNoTls && target.sslMode === 'prefer') return open(target, timeouts, false)
    if (hasNoTls) throw new Error('server does not support SSL, but SSL was required', { cause: error })
    if (target.sslMode !== 'allow' || target.host.startsWith('/')) throw error
    return open(target, timeouts, tlsOptions({ ...target, sslMode: 'require' }))
  }
}
