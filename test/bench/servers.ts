/**
 * The servers that the benchmark compares: the same main.cf and master.cf (Debian's, without chroot) in a folder of its
 * own for each, on the same disk, started by its own `postfix start`.
 *
 * Durability is the default of each: Postfix syncs every queue file before it acknowledges it, Posthorn its journal.
 */
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getpwnam } from '#system/users.ts'
import { eventually, freePort } from '#test/support/system.ts'
import { installation, MASTER_CF, type Installation, type ServerKind } from './installation.ts'
import { withManyFiles } from './native.ts'
import { treeCpuMs, treePssKb } from './processes.ts'

/** What a case wants of its servers; `@HOME@` and `@PORT:name@` are filled in. */
export type ServerSetup = {
  readonly main?: Readonly<Record<string, string>>
  /** Lines of master.cf after Debian's. */
  readonly master?: readonly string[]
  /** Files below etc/. */
  readonly files?: Readonly<Record<string, string>>
  /** Clients that are served at once: default_process_limit, for each kind. Default: that of Postfix, 100. */
  readonly clients?: number
  /** Seen as /etc/resolv.conf. */
  readonly resolvConf?: string
}

const REMOVED = Buffer.from(': removed')
const START_MS = 60_000

/** Counts the lines `…: removed` as they are appended. */
class RemovedCounter {
  readonly #path: string
  #position = 0
  #seen = 0

  constructor(path: string) {
    this.#path = path
  }

  read(): number {
    if (!fs.existsSync(this.#path)) return 0
    const fd = fs.openSync(this.#path, 'r')
    try {
      const bytes = Buffer.alloc(Math.max(0, fs.fstatSync(fd).size - this.#position))
      fs.readSync(fd, bytes, 0, bytes.length, this.#position)
      const end = bytes.lastIndexOf(0x0a) + 1
      for (let at = bytes.indexOf(REMOVED); at >= 0 && at < end; at = bytes.indexOf(REMOVED, at + 1)) this.#seen += 1
      this.#position += end
    } finally {
      fs.closeSync(fd)
    }
    return this.#seen
  }
}

/** A configured server in a folder of its own, removed at the end. */
export class BenchServer implements AsyncDisposable {
  readonly kind: ServerKind
  readonly home: string
  readonly #installation: Installation
  readonly #setup: ServerSetup
  readonly #ports = new Map<string, number>()
  readonly #removed: RemovedCounter
  #claimed = 0

  constructor(kind: ServerKind, setup: ServerSetup, bundles?: string) {
    this.kind = kind
    this.#setup = setup
    this.#installation = installation(kind, bundles)
    this.home = fs.mkdtempSync(join(tmpdir(), 'posthorn-bench-'))
    fs.chmodSync(this.home, 0o755)
    this.#removed = new RemovedCounter(join(this.home, 'maillog'))
  }

  get etc(): string {
    return join(this.home, 'etc')
  }

  get spool(): string {
    return join(this.home, 'spool')
  }

  port(name = 'smtp'): number {
    return this.#ports.get(name) ?? 0
  }

  /** Process id of master; 0 before it runs. */
  get pid(): number {
    const file = join(this.spool, 'pid/master.pid')
    return fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')) || 0 : 0
  }

  cpuMs(): number {
    return treeCpuMs(this.pid)
  }

  pssKb(): number {
    return treePssKb(this.pid)
  }

  log(): string {
    const file = join(this.home, 'maillog')
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  }

  /** Resolves when `count` more messages have left the queue since the last call. */
  async waitForRemoved(count: number, patienceMs: number): Promise<void> {
    this.#claimed += count
    try {
      await eventually('the end', () => (this.#removed.read() >= this.#claimed ? true : undefined), patienceMs)
    } catch {
      const tail = this.log().split('\n').filter((line) => /warning|error|fatal|panic|deferred/.test(line)).slice(-12).join('\n')
      throw new Error(`${this.kind}: ${this.#removed.read()} of ${this.#claimed} messages have left the queue\n${tail}`)
    }
  }

  /** The command line of one of its commands, on its configuration. */
  command(name: string, args: readonly string[] = []): [string, ...string[]] {
    const where = name === 'sendmail' || name === 'mailq' || name === 'newaliases' ? '-C' : '-c'
    const [program = '', ...before] = this.#installation.command(name)
    return [program, ...before, where, this.etc, ...args]
  }

  /** Runs a command to its end; milliseconds that it took. */
  run(name: string, args: readonly string[] = [], input = ''): { ms: number; status: number | null; stdout: string; stderr: string } {
    const [program, ...words] = this.command(name, args)
    const started = performance.now()
    const { status, stdout, stderr } = spawnSync(program, words, { input, encoding: 'utf8', maxBuffer: 2 ** 30, env: this.#environment() })
    return { ms: performance.now() - started, status, stdout, stderr }
  }

  /** Writes the configuration. */
  async configure(): Promise<void> {
    const { main = {}, master = [], files = {}, clients = 100 } = this.#setup
    for (const folder of ['etc', 'spool', 'data', 'mail']) fs.mkdirSync(join(this.home, folder))
    const owner = getpwnam('postfix') ?? { uid: 0, gid: 0 }
    for (const folder of ['data', 'mail']) fs.chownSync(join(this.home, folder), owner.uid, owner.gid)
    const services = [this.#masterCf(), ...master, ''].join('\n')
    for (const [, name = ''] of services.matchAll(/@PORT:(\w+)@/g)) if (!this.#ports.has(name)) this.#ports.set(name, await freePort())
    const values: Record<string, string> = {
      compatibility_level: '3.6', queue_directory: '@HOME@/spool', data_directory: '@HOME@/data', myhostname: 'mail.example.org',
      mydestination: '', inet_interfaces: '127.0.0.1', inet_protocols: 'ipv4', mynetworks: '127.0.0.0/8', maillog_file: '@HOME@/maillog',
      maillog_file_prefixes: '@HOME@', smtpd_peername_lookup: 'no', smtp_tls_security_level: 'none', alias_maps: '', alias_database: '',
      default_process_limit: String(clients), ...this.#installation.main, ...main,
    }
    const texts = { ...files, 'master.cf': services, 'main.cf': Object.entries(values).map(([name, value]) => `${name} = ${value}\n`).join('') }
    for (const [file, text] of Object.entries(texts)) fs.writeFileSync(join(this.etc, file), this.#fill(text))
  }

  /** `postfix start`, up to the first greeting of its port. */
  async start(): Promise<void> {
    await this.#control('start')
    const port = this.port()
    await eventually(`${this.kind} at port ${port}`, () => (listens(port) ? true : undefined), START_MS)
  }

  /** `postfix stop`. */
  async stop(): Promise<void> {
    await this.#control('stop')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.pid > 0 && fs.existsSync(`/proc/${this.pid}`)) await this.#control('abort')
    fs.rmSync(this.home, { recursive: true, force: true })
  }

  #environment(): NodeJS.ProcessEnv {
    return { ...process.env, MAIL_CONFIG: this.etc }
  }

  #control(verb: string): Promise<unknown> {
    const [program, ...args] = withManyFiles(this.#withResolver(this.command('postfix', [verb])))
    // What is started keeps the descriptors of a pipe open.
    const child = spawn(program, args, { stdio: 'ignore', env: this.#environment() })
    return new Promise((resolve) => child.on('exit', resolve))
  }

  /** In a mount namespace of its own, with another /etc/resolv.conf. */
  #withResolver(command: readonly string[]): readonly string[] {
    if (this.#setup.resolvConf === undefined) return command
    const file = join(this.home, 'resolv.conf')
    fs.writeFileSync(file, this.#setup.resolvConf)
    return ['unshare', '-m', 'sh', '-c', 'mount --make-rprivate / && mount --bind "$0" /etc/resolv.conf && exec "$@"', file, ...command]
  }

  #masterCf(): string {
    return fs.readFileSync(MASTER_CF, 'utf8').replace(/^smtp\s+inet\s.*$/m, '127.0.0.1:@PORT:smtp@ inet n - n - - smtpd')
      .replaceAll(/^(\S+\s+\S+\s+\S+\s+\S+\s+)y/gm, '$1n')
  }

  #fill(text: string): string {
    return text.replaceAll('@HOME@', this.home).replaceAll(/@PORT:(\w+)@/g, (_all, name: string) => String(this.#ports.get(name) ?? ''))
  }
}

function listens(port: number): boolean {
  return spawnSync('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`], { stdio: 'ignore' }).status === 0
}

/** A server that runs. */
export async function startServer(kind: ServerKind, setup: ServerSetup, bundles?: string): Promise<BenchServer> {
  const server = new BenchServer(kind, setup, bundles)
  try {
    await server.configure()
    await server.start()
    return server
  } catch (error) {
    const tail = server.log().split('\n').slice(-10).join('\n')
    await server[Symbol.asyncDispose]()
    throw new Error(`Cannot start ${kind}: ${String(error)}\n${tail}`, { cause: error })
  }
}
