/** Ports that servers of a test have got. */
import type { Server } from 'node:net'

/** The port a TCP server listens on. */
export function tcpPort(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port')
  return address.port
}
