/**
 * Triggers: a few bytes that wake a service, with no reply.
 *
 * On a socket the bytes are followed by one NUL, and the service closes when it
 * has read them; on a named pipe they stand alone. This is Postfix's wire: its
 * own commands trigger our services.
 *
 * `W` wakes any service. For qmgr: `I` scans incoming, `D` scans deferred, `F`
 * forgets dead destinations, `A` ignores time stamps.
 *
 * @module
 */
import { closeSync, constants, openSync, statSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { isErrno } from '#system/errno.ts'
import { connectUnix, sendDatagram } from '#system/sockets.ts'

/** What a service reads of one trigger. */
export const TRIGGER_BYTES_MAX = 1024

/** How long a peer may take to close after the trigger (application_event_drain_time). */
export const TRIGGER_TIMEOUT_MS = 100_000

/** How long to wait for a busy one that need not answer. */
const BUSY_TIMEOUT_MS = 1000

/**
 * Sends `request` to the socket or named pipe at `path`, and resolves when the
 * service has taken it, or at `timeoutMs` after it was sent.
 *
 * @throws {NodeJS.ErrnoException} When nobody listens there.
 */
export async function sendTrigger(path: string, request: string, timeoutMs = TRIGGER_TIMEOUT_MS): Promise<void> {
  if (statSync(path).isFIFO()) writeFifo(path, request)
  else await writeSocket(path, request, timeoutMs)
}

/**
 * Leaves `request` at the socket or named pipe at `path`, for the service to take when it comes to it: for those who
 * need not know when. A service that has too much waiting is waited for, as by `sendTrigger()`.
 *
 * @throws {NodeJS.ErrnoException} When nobody listens there.
 */
export async function leaveTrigger(path: string, request: string): Promise<void> {
  if (statSync(path).isFIFO()) return writeFifo(path, request)
  let fd: number | undefined
  try {
    fd = connectUnix(path)
    sendDatagram(fd, Buffer.from(`${request}\0`))
  } catch (error) {
    if (!isErrno(error, 'EAGAIN')) throw error
    await writeSocket(path, request, BUSY_TIMEOUT_MS)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function writeFifo(path: string, request: string): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  try {
    writeSync(fd, request)
  } finally {
    closeSync(fd)
  }
}

function writeSocket(path: string, request: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let connected = false
    socket.setTimeout(timeoutMs, () => socket.destroy())
    socket.on('connect', () => {
      connected = true
      socket.write(`${request}\0`)
    })
    socket.on('error', (error) => (connected ? resolve() : reject(error)))
    socket.on('end', () => socket.destroy())
    socket.on('close', () => resolve())
    socket.resume()
  })
}
