/** memcached, as its package has it. */
import { daemonFolder, programAbsent, startDaemonIn, systemUser, type Daemon } from './daemon.ts'
import { freePorts } from './ports.ts'
import { join } from 'node:path'

const PROGRAM = '/usr/bin/memcached'

/** A server on a port, and one on a socket with entries of its own. */
export type Memcached = Daemon & { readonly port: number; readonly path: string }

/** Why there is none to test with. */
export function memcachedAbsent(): string | undefined {
  return programAbsent(PROGRAM)
}

/** Starts one: on a port of the loopback, or with `unix` on the socket `socket` in its folder. */
export async function startMemcached({ unix = false } = {}): Promise<Memcached> {
  const user = systemUser('memcache')
  const folder = daemonFolder(user)
  const [port = 0] = await freePorts(1)
  const socket = join(folder.path, 'socket')
  return startDaemonIn(folder, {
    command: PROGRAM,
    args: [...(unix ? ['-s', socket, '-a', '0777'] : ['-l', '127.0.0.1', '-p', String(port), '-U', '0']), '-m', '16', '-t', '1'],
    ready: unix ? { path: socket } : { host: '127.0.0.1', port },
    ...(user === undefined ? {} : { user }),
  }, { port, path: socket })
}
