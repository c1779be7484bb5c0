/** Redis: one server, a cluster of three, or a master with a sentinel. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { daemonFolder, programAbsent, startDaemonIn, systemUser, type Daemon } from './daemon.ts'
import { freePorts } from './ports.ts'

const PROGRAM = '/usr/bin/redis-server'
const CLIENT = '/usr/bin/redis-cli'
const run = promisify(execFile)

/** A server that runs. */
export type RedisServer = Daemon & {
  readonly port: number
  readonly socket: string
  /** Sends a command by redis-cli. @throws {Error} */
  readonly command: (...words: readonly string[]) => Promise<string>
}

/** Why there is none to test with. */
export function redisAbsent(): string | undefined {
  return programAbsent(PROGRAM) ?? programAbsent(CLIENT)
}

/** Sends a command to the server on a port; with `-c` among the options it is led to the right node of a cluster. */
async function command(port: number, options: readonly string[], words: readonly string[]): Promise<string> {
  const { stdout } = await run(CLIENT, ['-p', String(port), '--no-auth-warning', ...options, ...words])
  return stdout.trimEnd()
}

/** Starts one. @param lines Further lines of its configuration; `$PORT` stands for its port. */
export async function startRedis(lines: readonly string[] = [], { sentinel = false, options = [] as readonly string[] } = {}): Promise<RedisServer> {
  const user = systemUser('redis')
  const folder = daemonFolder(user)
  const [port = 0] = await freePorts(1)
  const socket = join(folder.path, 'socket')
  const file = join(folder.path, 'redis.conf')
  const place = [`port ${port}`, 'bind 127.0.0.1', `dir ${folder.path}`]
  const own = sentinel ? [] : ['save ""', 'appendonly no', `unixsocket ${socket}`, 'unixsocketperm 777']
  // A sentinel writes to its file.
  writeFileSync(file, [...place, ...own, ...lines, ''].join('\n').replaceAll('$PORT', String(port)), { mode: 0o666 })
  if (user !== undefined) await run('chown', [String(user.uid), file])
  return startDaemonIn(folder, {
    command: PROGRAM, args: [file, ...(sentinel ? ['--sentinel'] : [])], ready: { host: '127.0.0.1', port },
    ...(user === undefined ? {} : { user }),
  }, { port, socket, command: (...words: readonly string[]) => command(port, options, words) })
}

/** A cluster of three masters. */
export type RedisCluster = AsyncDisposable & { readonly nodes: readonly RedisServer[]; readonly command: RedisServer['command'] }

/** Starts three servers and joins them. */
export async function startRedisCluster(): Promise<RedisCluster> {
  await using stack = new AsyncDisposableStack()
  const nodes: RedisServer[] = []
  const lines = ['cluster-enabled yes', 'cluster-config-file nodes.conf', 'cluster-node-timeout 2000']
  for (let i = 0; i < 3; i++) nodes.push(stack.use(await startRedis(lines)))
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  await run(CLIENT, ['--cluster', 'create', ...addresses, '--cluster-replicas', '0', '--cluster-yes'])
  for (const node of nodes) while (!(await node.command('cluster', 'info')).includes('cluster_state:ok')) await new Promise(setImmediate)
  const owned = stack.move()
  return {
    nodes,
    command: (...words) => command(nodes[0]?.port ?? 0, ['-c'], words),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
