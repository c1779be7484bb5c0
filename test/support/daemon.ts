/** Servers of Debian's packages that tests start for themselves: on the loopback, in a folder of their own, unprivileged. */
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, type NetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getpwnam, isRoot } from '#system/users.ts'

/** A server that runs. */
export type Daemon = AsyncDisposable & {
  /** Ends it and waits until it is gone; nothing else happens to its folder. */
  stop(): Promise<void>
  /** Starts it again after `stop()`. */
  start(): Promise<void>
}

/** How to start one. */
export type DaemonOptions = {
  readonly command: string
  readonly args: readonly string[]
  /** Who it runs as, when the test runs as root. */
  readonly user?: Ids
  /** It is ready when this takes a connection. */
  readonly ready: NetConnectOpts
}

export type Ids = { readonly uid: number; readonly gid: number }

const START_TIMEOUT_MS = 20_000
const POLL_MS = 20

/** Numbers of a user of the system; `undefined` when there is none, or when we are no root who could become it. */
export function systemUser(name: string): Ids | undefined {
  const user = isRoot() ? getpwnam(name) : undefined
  return user === undefined ? undefined : { uid: user.uid, gid: user.gid }
}

/** Why a server cannot be started here; `undefined` when its program is there. */
export function programAbsent(path: string): string | undefined {
  return existsSync(path) ? undefined : `${path} is not installed`
}

/** A folder that a server can write, with empty folders in it; it goes with the `using` block. */
export function daemonFolder(user: Ids | undefined, ...inside: readonly string[]): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'posthorn-daemon-'))
  chmodSync(path, 0o755)
  for (const name of inside) mkdirSync(join(path, name))
  if (user !== undefined) for (const name of ['', ...inside]) chownSync(join(path, name), user.uid, user.gid)
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

function accepts(place: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(place)
    const end = (accepted: boolean) => (): void => {
      socket.destroy()
      resolve(accepted)
    }
    socket.on('connect', end(true)).on('error', end(false))
  })
}

async function waitUntilReady(child: ChildProcess, { command, ready }: DaemonOptions, errors: () => string): Promise<void> {
  const until = performance.now() + START_TIMEOUT_MS
  while (!(await accepts(ready))) {
    if (child.exitCode !== null || performance.now() > until) throw new Error(`${command} does not start: ${errors()}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** Starts a server and waits until it takes connections. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  let child: ChildProcess | undefined
  const start = async (): Promise<void> => {
    let text = ''
    child = spawn(options.command, options.args, { ...options.user, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => { text = (text + chunk.toString()).slice(-2000) })
    await waitUntilReady(child, options, () => text)
  }
  const stop = async (): Promise<void> => {
    const ending = child
    child = undefined
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return
    const gone = new Promise((resolve) => ending.once('exit', resolve))
    ending.kill('SIGTERM')
    await gone
  }
  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return { start, stop, [Symbol.asyncDispose]: stop }
}

/** Starts a server in a folder, which goes with it; `facts` are what else the test wants to know of it. */
export async function startDaemonIn<T extends object>(folder: Disposable, options: DaemonOptions, facts: T): Promise<Daemon & T> {
  try {
    const daemon = await startDaemon(options)
    return {
      ...facts,
      start: () => daemon.start(),
      stop: () => daemon.stop(),
      async [Symbol.asyncDispose]() {
        await daemon.stop()
        folder[Symbol.dispose]()
      },
    }
  } catch (error) {
    folder[Symbol.dispose]()
    throw error
  }
}
