/** The servers that the benchmark compares, each a relay to the sink on a free port, in a folder of its own. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, freePort, startSystem } from '#test/support/system.ts'

export type ServerKind = 'postfix' | 'postfix tuned' | 'posthorn'

export type BenchServer = AsyncDisposable & {
  readonly kind: ServerKind
  readonly port: number
  /** Resolves when `count` more messages have left the queue since the last call. */
  waitForRemoved(count: number, patienceMs: number): Promise<void>
  /** Processor time of all its processes that are alive, in milliseconds. */
  cpuMs(): number
}

const REMOVED = Buffer.from(': removed')
const TICKS_PER_SECOND = 100

/** Counts the lines `…: removed` as they are appended. */
class RemovedCounter {
  readonly #path: string
  #position = 0
  #seen = 0
  #claimed = 0

  constructor(path: string) {
    this.#path = path
  }

  async wait(count: number, patienceMs: number): Promise<void> {
    this.#claimed += count
    await eventually(`${this.#claimed} removed messages`, () => (this.#read() >= this.#claimed ? true : undefined), patienceMs)
  }

  #read(): number {
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

/** Processor time of a process and all that it started, as /proc has it. */
function treeCpuMs(root: number): number {
  const parents = new Map<number, number[]>()
  const times = new Map<number, number>()
  for (const name of fs.readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const fields = fs.readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
      const parent = Number(fields[1])
      // User, system, and both of children that have ended: fields 14 to 17 of proc(5).
      times.set(Number(name), fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0))
      parents.set(parent, [...(parents.get(parent) ?? []), Number(name)])
    } catch {
      // It has ended meanwhile.
    }
  }
  const sum = (pid: number): number => (times.get(pid) ?? 0) + (parents.get(pid) ?? []).reduce((total, child) => total + sum(child), 0)
  return (sum(root) / TICKS_PER_SECOND) * 1000
}

/** Starts a server that relays everything to `sinkPort`. */
export function startServer(kind: ServerKind, sinkPort: number): Promise<BenchServer> {
  return kind === 'posthorn' ? startPosthorn(sinkPort) : startPostfix(kind, sinkPort)
}

async function startPosthorn(sinkPort: number): Promise<BenchServer> {
  const system = await startSystem({ main: { relayhost: `[127.0.0.1]:${sinkPort}`, smtp_tls_security_level: 'none' } })
  const counter = new RemovedCounter(join(system.home, 'maillog'))
  return {
    kind: 'posthorn', port: system.port('smtp'),
    waitForRemoved: (count, patienceMs) => counter.wait(count, patienceMs),
    cpuMs: () => treeCpuMs(system.pid),
    [Symbol.asyncDispose]: () => system[Symbol.asyncDispose](),
  }
}

/** Debian's Postfix with its own queue, data and log; see postfix(1) for what it wants of a folder. */
async function startPostfix(kind: ServerKind, sinkPort: number): Promise<BenchServer> {
  const home = fs.mkdtempSync(join(tmpdir(), 'posthorn-bench-'))
  fs.chmodSync(home, 0o755)
  const port = await freePort()
  const etc = join(home, 'etc')
  for (const folder of ['etc', 'spool', 'data']) fs.mkdirSync(join(home, folder))
  spawnSync('chown', ['postfix', join(home, 'data')])
  const master = fs.readFileSync('/usr/share/postfix/master.cf.dist', 'utf8')
    .replace(/^smtp\s+inet\s.*$/m, `127.0.0.1:${port} inet n - n - - smtpd`).replaceAll(/^(\S+\s+\S+\s+\S+\s+\S+\s+)y/gm, '$1n')
  fs.writeFileSync(join(etc, 'master.cf'), `${master}\npostlog unix-dgram n - n - 1 postlogd\n`)
  const main: Record<string, string> = {
    compatibility_level: '3.6', queue_directory: join(home, 'spool'), data_directory: join(home, 'data'), myhostname: 'mail.example.org',
    mydestination: '', inet_interfaces: '127.0.0.1', inet_protocols: 'ipv4', mynetworks: '127.0.0.0/8', relayhost: `[127.0.0.1]:${sinkPort}`,
    maillog_file: join(home, 'maillog'), maillog_file_prefixes: home, smtpd_peername_lookup: 'no', smtp_tls_security_level: 'none',
    alias_maps: '', ...(kind === 'postfix tuned' ? { in_flow_delay: '0' } : {}),
  }
  fs.writeFileSync(join(etc, 'main.cf'), Object.entries(main).map(([name, value]) => `${name} = ${value}\n`).join(''))
  const control = (verb: string): void => void spawnSync('/usr/sbin/postfix', ['-c', etc, verb], { stdio: 'ignore' })
  control('start')
  const pidFile = join(home, 'spool/pid/master.pid')
  const pid = await eventually('Postfix', () => (fs.existsSync(pidFile) ? Number(fs.readFileSync(pidFile, 'utf8')) || undefined : undefined))
  await eventually('its port', () => (spawnSync('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`]).status === 0 ? true : undefined))
  const counter = new RemovedCounter(join(home, 'maillog'))
  return {
    kind, port,
    waitForRemoved: (count, patienceMs) => counter.wait(count, patienceMs),
    cpuMs: () => treeCpuMs(pid),
    [Symbol.asyncDispose]: () => {
      control('abort')
      fs.rmSync(home, { recursive: true, force: true })
      return Promise.resolve()
    },
  }
}
