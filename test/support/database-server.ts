/**
 * Real database servers for tests: PostgreSQL and MariaDB from Debian's packages, each in a temporary
 * folder, on a free port of the loopback and a UNIX socket, without durability.
 *
 * As root they run as the user of their package. They end with the `using` block.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getpwnam, isRoot } from '#system/users.ts'
import { freePorts } from './ports.ts'

/** Files of a certificate in PEM form. */
export type ServerCertificate = { readonly certificate: string; readonly key: string; readonly authority: string }

/** A running server with the database `posthorn`, which its user `posthorn` with the password `secret` may read and write. */
export type DatabaseServer = AsyncDisposable & {
  readonly port: number
  /** The folder of the socket for PostgreSQL, the socket itself for MariaDB. */
  readonly socket: string
  /** Runs statements in the database. */
  sql(statements: string): void
  /** Ends the server at once, as if its machine had gone. */
  stop(): Promise<void>
  /** Starts it again, at the same place. */
  start(): Promise<void>
}

/** How one kind of server is set up and started. */
type Kind = {
  readonly user: string
  readonly ready: string
  readonly prepare: (home: string, run: Runner) => void
  readonly command: (home: string, port: number, tls: ServerCertificate | undefined) => readonly [string, ...string[]]
  readonly socket: (home: string) => string
  readonly sql: (home: string, port: number, database: string, statements: string) => void
  /** Makes the database and the user. */
  readonly first: readonly string[]
}

type Identity = { readonly uid?: number; readonly gid?: number }
type Runner = (command: string, args: readonly string[]) => void

const POSTGRES = globSync('/usr/lib/postgresql/*/bin').toSorted().at(-1) ?? ''
const PATIENCE_MS = 30_000

/** Why there is no PostgreSQL here; `undefined` when there is one. */
export function postgresAbsent(): string | undefined {
  return existsSync(join(POSTGRES, 'initdb')) ? undefined : 'no PostgreSQL here (Debian: postgresql)'
}

/** Why there is no MariaDB here; `undefined` when there is one. */
export function mariadbAbsent(): string | undefined {
  return existsSync('/usr/sbin/mariadbd') ? undefined : 'no MariaDB here (Debian: mariadb-server)'
}

const postgres: Kind = {
  user: 'postgres',
  ready: 'database system is ready to accept connections',
  prepare(home, run) {
    run(join(POSTGRES, 'initdb'), ['-D', join(home, 'data'), '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '-N'])
    // Logins by TCP need the password, as at any site.
    writeFileSync(join(home, 'data', 'pg_hba.conf'), 'local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n')
  },
  command: (home, port, tls) => [
    join(POSTGRES, 'postgres'), '-D', join(home, 'data'), '-p', String(port), '-k', home, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off',
    ...(tls === undefined ? [] : ['-c', 'ssl=on', '-c', `ssl_cert_file=${tls.certificate}`, '-c', `ssl_key_file=${tls.key}`]),
  ],
  socket: (home) => home,
  sql: (home, port, database, input) => {
    const login = ['-h', home, '-p', String(port), '-U', 'postgres', '-d', database || 'postgres']
    execFileSync(join(POSTGRES, 'psql'), ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...login], { input, stdio: ['pipe', 'ignore', 'inherit'] })
  },
  first: ["CREATE USER posthorn PASSWORD 'secret'", 'CREATE DATABASE posthorn OWNER posthorn', 'GRANT pg_read_all_data, pg_write_all_data TO posthorn'],
}

const mariadb: Kind = {
  user: 'mysql',
  ready: 'ready for connections',
  prepare(home, run) {
    run('mariadb-install-db', ['--no-defaults', `--datadir=${join(home, 'data')}`, '--auth-root-authentication-method=normal', '--skip-test-db'])
  },
  command: (home, port, tls) => [
    '/usr/sbin/mariadbd', '--no-defaults', `--datadir=${join(home, 'data')}`, `--socket=${join(home, 'socket')}`, `--port=${port}`,
    '--bind-address=127.0.0.1', `--pid-file=${join(home, 'pid')}`, '--innodb-flush-log-at-trx-commit=0', '--innodb-buffer-pool-size=16M',
    '--performance-schema=off', '--skip-name-resolve', '--character-set-server=utf8mb4',
    ...(tls === undefined ? [] : [`--ssl-cert=${tls.certificate}`, `--ssl-key=${tls.key}`, `--ssl-ca=${tls.authority}`]),
  ],
  socket: (home) => join(home, 'socket'),
  sql: (home, _port, database, input) => {
    const login = [`--socket=${join(home, 'socket')}`, '--user=root', '--default-character-set=utf8mb4', ...(database === '' ? [] : [database])]
    execFileSync('mariadb', ['--no-defaults', ...login], { input, stdio: ['pipe', 'ignore', 'inherit'] })
  },
  first: [
    'CREATE DATABASE posthorn',
    ...['%', 'localhost'].flatMap((host) => [`CREATE USER posthorn@'${host}' IDENTIFIED BY 'secret'`, `GRANT ALL ON posthorn.* TO posthorn@'${host}'`]),
  ],
}

function identityFor(user: string): Identity {
  if (!isRoot()) return {}
  const { uid, gid } = getpwnam(user) ?? getpwnam('nobody') ?? {}
  return uid === undefined || gid === undefined ? {} : { uid, gid }
}

/** Starts the process; resolves when it says that it is ready. */
function launch({ ready }: Kind, [command, ...args]: readonly [string, ...string[]], identity: Identity): Promise<ChildProcess> {
  const child = spawn(command, args, { ...identity, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C.UTF-8' } })
  const { promise, resolve, reject } = Promise.withResolvers<ChildProcess>()
  let said = ''
  const timer = setTimeout(() => reject(new Error(`${command} does not start: ${said}`)), PATIENCE_MS)
  child.stderr?.on('data', (chunk: Buffer) => {
    if (said.includes(ready)) return
    said += chunk.toString()
    if (said.includes(ready)) resolve(child)
  })
  child.on('exit', () => reject(new Error(`${command} ended: ${said}`)))
  return promise.finally(() => clearTimeout(timer))
}

/** Files that the server's user may read, and nobody else the key. */
function ownCertificate(home: string, { uid, gid }: Identity, tls: ServerCertificate | undefined): ServerCertificate | undefined {
  if (tls === undefined) return undefined
  const write = (name: string, text: string): string => {
    const path = join(home, name)
    writeFileSync(path, text, { mode: 0o600 })
    if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
    return path
  }
  return { certificate: write('cert.pem', tls.certificate), key: write('key.pem', tls.key), authority: write('ca.pem', tls.authority) }
}

async function startServer(kind: Kind, tls: ServerCertificate | undefined): Promise<DatabaseServer> {
  const home = mkdtempSync(join(tmpdir(), 'posthorn-database-'))
  chmodSync(home, 0o755)
  mkdirSync(join(home, 'data'), { mode: 0o700 })
  const identity = identityFor(kind.user)
  if (identity.uid !== undefined && identity.gid !== undefined) {
    for (const path of [home, join(home, 'data')]) chownSync(path, identity.uid, identity.gid)
  }
  const [port = 0] = await freePorts(1)
  kind.prepare(home, (command, args) => execFileSync(command, args, { ...identity, stdio: 'ignore', cwd: home }))
  const command = kind.command(home, port, ownCertificate(home, identity, tls))
  let child: ChildProcess | undefined
  const server: DatabaseServer = {
    port,
    socket: kind.socket(home),
    sql: (statements) => kind.sql(home, port, 'posthorn', statements),
    async start() {
      child = await launch(kind, command, identity)
    },
    async stop() {
      const ending = child
      child = undefined
      if (ending === undefined) return
      const ended = new Promise((resolve) => ending.on('close', resolve))
      // PostgreSQL ends its own processes only when asked; both give up at once.
      ending.kill(kind === postgres ? 'SIGQUIT' : 'SIGKILL')
      await ended
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      rmSync(home, { recursive: true, force: true })
    },
  }
  await server.start()
  for (const statement of kind.first) kind.sql(home, port, '', `${statement};\n`)
  return server
}

/** Starts PostgreSQL. */
export function startPostgres(tls?: ServerCertificate): Promise<DatabaseServer> {
  return startServer(postgres, tls)
}

/** Starts MariaDB. */
export function startMariadb(tls?: ServerCertificate): Promise<DatabaseServer> {
  return startServer(mariadb, tls)
}
