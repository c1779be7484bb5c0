/**
 * The whole mail system in a temporary folder, on free ports of the loopback: master and all its workers, as real
 * processes, from the sources.
 *
 * As root the workers run as `nobody`; otherwise all run as the user of the test.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isRoot } from '#system/users.ts'
import { testOwner } from './owner.ts'

export type SystemOptions = {
  /** Lines of main.cf besides those every system has; `@HOME@` stands for its folder. */
  readonly main?: Readonly<Record<string, string>>
  /** Further lines of master.cf; `@PORT:name@` stands for a free port that `port(name)` tells. */
  readonly master?: readonly string[]
  /** Files below etc/. */
  readonly files?: Readonly<Record<string, string>>
  /** Milliseconds until `waitForLog()` gives up. */
  readonly patienceMs?: number
  /** Workers come from this folder, where it has them; see test/support/faults.ts. */
  readonly programs?: string
  /** A line of sh before master starts, such as `ulimit -n 60`. */
  readonly before?: string
  /** Further environment of master. */
  readonly env?: Readonly<Record<string, string>>
}

const ROOT = join(import.meta.dirname, '../..')
const PATIENCE_MS = 30_000
const WAIT_MS = 20

const SERVICES = `
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
showq unix n - n - - showq
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
`

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Repeats `look` until it gives something; the wait between is for other processes. */
export async function eventually<T>(what: string, look: () => T | undefined | Promise<T | undefined>, patienceMs = PATIENCE_MS): Promise<T> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
  }
}

/** A mail system at work. Stopped and removed at the end of an `await using` block. */
export class MailSystem {
  readonly home: string
  readonly #ports: ReadonlyMap<string, number>
  readonly #patienceMs: number
  readonly #options: SystemOptions
  #master: ChildProcess | undefined

  constructor(home: string, ports: ReadonlyMap<string, number>, options: SystemOptions = {}) {
    this.home = home
    this.#ports = ports
    this.#options = options
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS
  }

  get etc(): string {
    return join(this.home, 'etc')
  }

  get spool(): string {
    return join(this.home, 'spool')
  }

  /** Process id of master. */
  get pid(): number {
    return this.#master?.pid ?? 0
  }

  port(name: string): number {
    const port = this.#ports.get(name)
    if (port === undefined) throw new Error(`no port ${name}`)
    return port
  }

  /** All log lines so far, from the program on: `postfix/qmgr[1]: …`. */
  log(): string[] {
    const text = fs.existsSync(join(this.home, 'maillog')) ? fs.readFileSync(join(this.home, 'maillog'), 'utf8') : ''
    return text.split('\n').filter((line) => line !== '').map((line) => line.split(' ').slice(4).join(' '))
  }

  /** The first log line that matches, as soon as it is there. */
  async waitForLog(pattern: RegExp, patienceMs = this.#patienceMs): Promise<string> {
    try {
      return await eventually(String(pattern), () => this.log().find((line) => pattern.test(line)), patienceMs)
    } catch (error) {
      throw new Error(`${String(error)}; the log:\n${this.log().slice(-40).join('\n')}`, { cause: error })
    }
  }

  /** As many lines as `count` match. */
  waitForLines(pattern: RegExp, count: number, patienceMs = this.#patienceMs): Promise<string[]> {
    return eventually(`${count} × ${String(pattern)}`, () => {
      const lines = this.log().filter((line) => pattern.test(line))
      return lines.length >= count ? lines : undefined
    }, patienceMs)
  }

  /** Messages of a Maildir below mail/, oldest first. */
  maildir(name: string): string[] {
    const folder = join(this.home, 'mail', name, 'new')
    if (!fs.existsSync(folder)) return []
    const files = fs.readdirSync(folder).map((file) => join(folder, file))
    return files.toSorted((a, b) => fs.statSync(a).mtimeMs - fs.statSync(b).mtimeMs).map((file) => fs.readFileSync(file, 'utf8'))
  }

  /** Message files of a queue. */
  queue(name: string): string[] {
    return fs.readdirSync(join(this.spool, name), { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => e.name)
  }

  /** Runs one of our commands on this system. */
  async command(name: string, args: readonly string[], input = ''): Promise<{ status: number | null; stdout: string; stderr: string }> {
    const child = spawn(process.execPath, [join(ROOT, `src/commands/${name}/main.ts`), ...args], {
      env: { ...process.env, MAIL_CONFIG: this.etc, POSTHORN_ARGV0: name }, stdio: ['pipe', 'pipe', 'pipe'],
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    const status = await new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)))
    return { status, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }
  }

  /** Starts master, and waits until it listens. */
  async start(): Promise<void> {
    const before = this.log().filter((line) => line.includes('daemon started')).length
    const { before: prepare = ':', programs, env } = this.#options
    const command = [process.execPath, join(ROOT, 'src/master/main.ts'), '-d', '-c', this.etc]
    const master = spawn('/bin/sh', ['-c', `${prepare} && exec "$@"`, 'sh', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'], detached: true,
      env: { ...process.env, MAIL_CONFIG: this.etc, ...(programs === undefined ? {} : { POSTHORN_TEST_PROGRAMS: programs }), ...env },
    })
    this.#master = master
    let said = ''
    const hear = (chunk: Buffer): void => void (said += chunk.toString())
    master.stdout?.on('data', hear)
    master.stderr?.on('data', hear)
    await eventually('start of master', () => {
      if (master.exitCode !== null) throw new Error(`master ended with ${master.exitCode}: ${said}\n${this.log().join('\n')}`)
      return this.log().filter((line) => line.includes('daemon started')).length > before ? true : undefined
    })
  }

  /** Orderly stop; resolves when master has ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const master = this.#master
    if (!master || master.exitCode !== null || master.signalCode !== null) return
    const ended = new Promise((resolve) => master.on('exit', resolve))
    master.kill(signal)
    await ended
  }

  reload(): void {
    this.#master?.kill('SIGHUP')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const master = this.#master
    await Promise.race([this.stop(), new Promise((resolve) => setTimeout(resolve, 10_000).unref())])
    if (master?.pid !== undefined) {
      // Workers that hang must not outlive the test.
      try {
        process.kill(-master.pid, 'SIGKILL')
      } catch {
        // All gone, as it should be.
      }
    }
    fs.rmSync(this.home, { recursive: true, force: true })
  }
}

/** The services of a system that accepts mail on `port('smtp')`; the Maildirs of example.org are below mail/. */
export async function createSystem(options: SystemOptions = {}): Promise<MailSystem> {
  const home = fs.mkdtempSync(join(tmpdir(), 'posthorn-system-'))
  fs.chmodSync(home, 0o755)
  const { name, group, uid, gid } = testOwner()
  const ports = new Map<string, number>()
  const master = ['127.0.0.1:@PORT:smtp@ inet n - n - - smtpd', ...(options.master ?? [])].join('\n') + SERVICES
  for (const [, portName = ''] of master.matchAll(/@PORT:(\w+)@/g)) if (!ports.has(portName)) ports.set(portName, await freePort())
  const fill = (text: string): string => text.replaceAll('@HOME@', home).replaceAll(/@PORT:(\w+)@/g, (_all, n: string) => String(ports.get(n) ?? ''))
  const main: Record<string, string> = {
    compatibility_level: '3.11', queue_directory: '@HOME@/spool', data_directory: '@HOME@/data', mail_owner: name, setgid_group: group,
    default_privs: name, maillog_file: '@HOME@/maillog', maillog_file_prefixes: '@HOME@', myhostname: 'mail.example.org', mydomain: 'example.org',
    myorigin: 'example.org', mydestination: 'localhost', inet_interfaces: '127.0.0.1', inet_protocols: 'ipv4', mynetworks: '127.0.0.0/8',
    alias_maps: '', alias_database: '', virtual_mailbox_domains: 'example.org', virtual_mailbox_base: '@HOME@/mail',
    virtual_mailbox_maps: 'regexp:@HOME@/etc/vmailbox', virtual_minimum_uid: '1', virtual_uid_maps: `static:${uid}`, virtual_gid_maps: `static:${gid}`,
    smtpd_peername_lookup: 'no', posthorn_dns_servers: '127.0.0.1:9', ...options.main,
  }
  fs.mkdirSync(join(home, 'etc'))
  const files: Record<string, string> = {
    vmailbox: 'if !/^nobody@/\n/@example\\.org$/ box/\nendif\n', ...options.files,
    'main.cf': Object.entries(main).map(([key, value]) => `${key} = ${value}\n`).join(''), 'master.cf': master,
  }
  for (const [file, text] of Object.entries(files)) fs.writeFileSync(join(home, 'etc', file), fill(text))
  for (const folder of ['data', 'mail']) makeOwned(join(home, folder), uid, gid, 0o755)
  makeSpool(join(home, 'spool'), uid, gid)
  return new MailSystem(home, ports, options)
}

function makeOwned(path: string, uid: number, gid: number, mode: number): void {
  fs.mkdirSync(path)
  fs.chmodSync(path, mode)
  if (isRoot()) fs.chownSync(path, uid, gid)
}

function makeSpool(path: string, uid: number, gid: number): void {
  fs.mkdirSync(path)
  fs.mkdirSync(join(path, 'pid'))
  for (const name of ['active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'private', 'saved', 'trace']) {
    makeOwned(join(path, name), uid, gid, 0o700)
  }
  makeOwned(join(path, 'maildrop'), uid, gid, 0o730)
  makeOwned(join(path, 'public'), uid, gid, 0o710)
}

/** A system that runs. */
export async function startSystem(options: SystemOptions = {}): Promise<MailSystem> {
  const system = await createSystem(options)
  try {
    await system.start()
    return system
  } catch (error) {
    await system[Symbol.asyncDispose]()
    throw error
  }
}
