/**
 * A real master on a temporary configuration, with the programs of
 * test/fixtures/programs, as the user who runs the test.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { testOwner } from './owner.ts'

const ROOT = join(import.meta.dirname, '../..')

/** How long anything may take before a test gives up on it. */
const PATIENCE_MS = 20_000

export type TestMaster = AsyncDisposable & {
  readonly folder: string
  /** A free port for `$port` in master.cf. */
  readonly port: number
  readonly child: ChildProcess
  /** All log lines so far. */
  log(): string
  /** Resolves with the log once it matches. */
  logged(pattern: RegExp, times?: number): Promise<string>
  /** Connects to a port or socket, and gives the first line of the greeting. */
  client(where?: number | string): Promise<{ socket: Socket; greeting: string }>
  /** Replaces master.cf and sends SIGHUP; resolves when the reload is logged. */
  reload(masterCf: string): Promise<void>
  /** A second master on the same folder. */
  again(): Promise<TestMaster>
  exit(): Promise<number | null>
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Resolves once `condition` holds; rejects with `what` when it never does. */
export async function until(condition: () => boolean, what: () => string): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Cannot wait any longer: ${what()}`)
    await delay(20)
  }
}

/** The folder of a test instance: main.cf, master.cf, queue and data directory. */
export function instanceFolder(masterCf: string, mainCf = ''): string {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-master-'))
  chmodSync(folder, 0o755)
  for (const name of ['etc', 'queue', 'queue/pid', 'queue/public', 'queue/private', 'data']) mkdirSync(join(folder, name))
  const owner = testOwner()
  for (const name of ['data', 'queue', 'queue/public', 'queue/private']) chownSync(join(folder, name), owner.uid, owner.gid)
  writeFileSync(join(folder, 'etc/main.cf'), [
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
    `daemon_directory = ${folder}/etc`,
    `mail_owner = ${owner.name}`,
    `setgid_group = ${owner.group}`,
    `default_privs = ${owner.name}`,
    `maillog_file = ${folder}/log`,
    `maillog_file_prefixes = ${tmpdir()}`,
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    'myhostname = test.example',
    mainCf,
    '',
  ].join('\n'))
  writeFileSync(join(folder, 'etc/master.cf'), masterCf)
  return folder
}

/** Starts a master process; `args` default to the foreground. Does not wait for it. */
export function spawnMaster(folder: string, args: readonly string[] = ['-d']): ChildProcess {
  return spawn(process.execPath, [join(ROOT, 'src/master/main.ts'), '-c', join(folder, 'etc'), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, POSTHORN_TEST_PROGRAMS: join(ROOT, 'test/fixtures/programs') },
  })
}

/**
 * Starts a master and waits until it works. `$port` in master.cf becomes a free port.
 *
 * @param prepare Changes the folder before the start.
 */
export async function startMaster(
  masterCf: string, mainCf = '', prepare: (folder: string) => void = () => undefined,
): Promise<TestMaster> {
  const port = await freePort()
  const folder = instanceFolder(masterCf.replaceAll('$port', String(port)), mainCf)
  prepare(folder)
  return openMaster(folder, port, 1)
}

async function openMaster(folder: string, port: number, starts: number): Promise<TestMaster> {
  const child = spawnMaster(folder)
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const log = (): string => (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : '')
  const logged = async (pattern: RegExp, times = 1): Promise<string> => {
    const global = new RegExp(pattern.source, 'gm')
    await until(() => [...log().matchAll(global)].length >= times, () => `for ${pattern} in\n${log()}${errors}`)
    return log()
  }
  const exited = once(child, 'exit')
  const exit = async (): Promise<number | null> => {
    await exited
    return child.exitCode
  }
  const dispose = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await exited
    }
    rmSync(folder, { recursive: true, force: true })
  }
  const reload = async (masterCf: string): Promise<void> => {
    const before = [...log().matchAll(/reload/g)].length
    writeFileSync(join(folder, 'etc/master.cf'), masterCf.replaceAll('$port', String(port)))
    child.kill('SIGHUP')
    await logged(/reload/, before + 1)
  }
  await logged(/daemon started/, starts)
  const client = (where: number | string = port): Promise<{ socket: Socket; greeting: string }> => greeted(folder, where)
  const again = (): Promise<TestMaster> => openMaster(folder, port, starts + 1)
  return { folder, port, child, log, logged, client, reload, again, exit, [Symbol.asyncDispose]: dispose }
}

async function greeted(folder: string, where: number | string): Promise<{ socket: Socket; greeting: string }> {
  const socket = typeof where === 'number' ? connect(where, '127.0.0.1') : connect(join(folder, 'queue', where))
  const [chunk] = await once(socket, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) })
  return { socket, greeting: String(chunk) }
}
