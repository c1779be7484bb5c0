/**
 * Connections to MySQL and MariaDB: the one module that knows the package `mysql2`, which is loaded when a table is opened.
 *
 * Text travels as UTF-8 (utf8mb4); what comes back are bytes, whatever the columns are.
 *
 * Source: MySQL documentation, "Client/Server Protocol", "String Literals" (NO_BACKSLASH_ESCAPES).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Connection, ConnectionOptions, SslOptions } from 'mysql2'
import { loadOnce } from '#system/loading.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { SqlRefusal, within, type SqlAnswer, type SqlConnection, type SqlTimeouts } from './connection.ts'
import { warmUp } from './mysql-warm-up.ts'

/** TLS settings of a server: files in PEM form. */
export type MysqlTls = {
  readonly certFile?: string
  readonly keyFile?: string
  readonly caFile?: string
  readonly caPath?: string
  readonly ciphers?: string
  /** The certificate has to be for the host's name, and TLS is a must. Certificates of authorities alone ask for their chain. */
  readonly verify: boolean
}

/** A server and a login. */
export type MysqlTarget = {
  readonly place: { readonly host: string; readonly port: number } | { readonly socketPath: string }
  /** Empty: that of the process. */
  readonly user: string
  readonly password: string
  readonly database: string
  /** Without: no TLS. */
  readonly tls?: MysqlTls
}

/** Loads the driver: now, because a worker in a chroot cannot later. */
export const loadMysql = loadOnce(async () => {
  const { default: mysql } = await import('mysql2')
  await warmUp((options) => mysql.createConnection(options))
  return mysql
})

/** Errors that are about the connection; all others of the server are about the query. */
const FATAL_CODES: ReadonlySet<string> = new Set(['ER_SERVER_SHUTDOWN', 'ER_CON_COUNT_ERROR', 'ER_ABORTING_CONNECTION', 'ER_CONNECTION_KILLED'])

const HOW_TO_ESCAPE = "SELECT @@sql_mode LIKE '%NO_BACKSLASH_ESCAPES%'"

/** The certificates of a folder, one in each file. */
function folderOfCertificates(path: string): Buffer[] {
  return readdirSync(path, { withFileTypes: true }).filter((entry) => !entry.isDirectory()).map(({ name }) => readFileSync(join(path, name)))
}

function sslOptions({ certFile, keyFile, caFile, caPath, ciphers, verify }: MysqlTls): SslOptions {
  const authorities = caFile === undefined ? caPath && folderOfCertificates(caPath) : readFileSync(caFile)
  return {
    rejectUnauthorized: verify || caFile !== undefined || caPath !== undefined,
    verifyIdentity: verify,
    ...(authorities === undefined || authorities === '' ? {} : { ca: authorities }),
    ...(certFile === undefined ? {} : { cert: readFileSync(certFile, 'utf8') }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile, 'utf8') }),
    ...(ciphers === undefined ? {} : { ciphers }),
  }
}

function connectionOptions({ place, user, password, database }: MysqlTarget, socket: Socket, ssl: SslOptions | undefined): ConnectionOptions {
  return {
    ...('host' in place ? place : {}),
    stream: socket,
    // Without this the driver takes a login over a UNIX socket for one that others can read.
    ...('socketPath' in place ? { socketPath: place.socketPath } : {}),
    user: user || userInfo().username,
    password,
    database,
    charset: 'utf8mb4',
    ...(ssl === undefined ? {} : { ssl }),
    rowsAsArray: true,
    // All values as the server writes them.
    typeCast: (field) => field.buffer(),
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** Whether the server refused a query, and will answer the next one. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && 'sqlState' in error && !FATAL_CODES.has(codeOf(error)) && !('fatal' in error && error.fatal === true)
}

function columns(row: unknown): (string | null)[] {
  return Array.isArray(row) ? row.map((value: unknown) => (value instanceof Uint8Array ? decodeRaw(value) : null)) : []
}

/** What the driver gives: rows of a query, or for a procedure one item for each result set and a last one for itself. */
function answerOf(results: unknown, fields: unknown): SqlAnswer {
  if (!Array.isArray(results)) return { kind: 'none' }
  const isProcedure = Array.isArray(fields) && fields.some((each) => each === undefined || Array.isArray(each))
  if (!isProcedure) return { kind: 'rows', rows: results.map(columns) }
  const sets: unknown[][] = results.filter((each: unknown) => Array.isArray(each))
  const [only] = sets
  if (sets.length > 1) return { kind: 'many' }
  return only === undefined ? { kind: 'none' } : { kind: 'rows', rows: only.map(columns) }
}

function ask(connection: Connection, text: string): Promise<SqlAnswer> {
  return new Promise((resolve, reject) => {
    connection.query({ sql: text }, (error: unknown, results: unknown, fields: unknown) => {
      if (error === null || error === undefined) resolve(answerOf(results, fields))
      else if (isRefusal(error)) reject(new SqlRefusal(error.message))
      else reject(error instanceof Error ? error : new Error('query failed', { cause: error }))
    })
  })
}

function handshake(connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.connect((error) => (error === null ? resolve() : reject(error)))
  })
}

async function open(target: MysqlTarget, timeouts: SqlTimeouts, ssl: SslOptions | undefined): Promise<SqlConnection> {
  const mysql = await loadMysql()
  const { place } = target
  const socket = 'host' in place ? new Socket().connect(place.port, place.host) : new Socket().connect(place.socketPath)
  // The driver checks a certificate against the name of the socket where the host is an address, and Node.js
  // keeps that name for hosts it has looked up only. Without it the check would be against `localhost`, and fail.
  if ('host' in place) Reflect.set(socket, '_host', place.host)
  socket.setNoDelay(true)
  socket.setKeepAlive(true)
  let alive = true
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => undefined)
  const lose = (error?: Error): void => {
    alive = false
    lost.reject(error ?? new Error('lost connection to the server'))
  }
  socket.on('error', lose).on('close', () => lose())
  const connection = mysql.createConnection(connectionOptions(target, socket, ssl))
  connection.on('error', lose)
  const abandon = (): void => {
    alive = false
    connection.destroy()
    socket.destroy()
  }
  const query = (text: string): Promise<SqlAnswer> => {
    return within(timeouts.queryMs, Promise.race([ask(connection, text), lost.promise]), 'timeout waiting for the answer', abandon)
  }
  try {
    await within(timeouts.connectMs, Promise.race([handshake(connection), lost.promise]), 'timeout expired', abandon)
    const mode = await query(HOW_TO_ESCAPE)
    return {
      escapes: mode.kind === 'rows' && mode.rows[0]?.[0] === '0' ? 'backslash' : 'quotes',
      get alive() {
        return alive
      },
      query,
      setIdle: (idle) => (idle ? socket.unref() : socket.ref()),
      close() {
        alive = false
        socket.unref()
        connection.end(() => socket.destroy())
      },
    }
  } catch (error) {
    abandon()
    throw error
  }
}

/**
 * Connects to a server and logs in. With TLS settings, TLS is used where the server has it; where
 * names are verified, a server without it is refused.
 *
 * @throws {Error} With the reason; nothing is left open.
 */
export async function connectMysql(target: MysqlTarget, timeouts: SqlTimeouts): Promise<SqlConnection> {
  const ssl = target.tls === undefined ? undefined : sslOptions(target.tls)
  try {
    return await open(target, timeouts, ssl)
  } catch (error) {
    if (codeOf(error) !== 'HANDSHAKE_NO_SSL_SUPPORT') throw error
    if (target.tls?.verify === true) throw new Error('TLS/SSL error: SSL is required, but the server does not support it', { cause: error })
    return open(target, timeouts, undefined)
  }
}
