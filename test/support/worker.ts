/**
 * A program's handlers at work in the process of the test: on port 0 of the
 * loopback, or on a UNIX socket in a temporary folder. Rights are not given up.
 */
import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Socket } from 'node:net'
import { configFrom } from '#config/load.ts'
import type { Config } from '#config/config.ts'
import { log } from '#system/log.ts'
import { bindDatagram, listenInet, listenUnix } from '#system/sockets.ts'
import { Serving, type WorkerHandlers } from '#service/serve.ts'
import { TICKET_KEY_BYTES } from '#service/control.ts'
import { Slots } from '#service/slots.ts'
import type { Worker, WorkerSetup } from '#service/worker.ts'

export type TestWorkerOptions = {
  readonly config?: Config
  /** `$service_name`; default `test`. */
  readonly name?: string
  readonly type?: 'inet' | 'unix' | 'pass' | 'unix-dgram'
  /** Default: no limit. */
  readonly clientLimit?: number
  readonly args?: readonly string[]
  /** `smtp` or `lmtp` …; default `test`. */
  readonly program?: string
}

/** A running service. */
export type TestWorker = AsyncDisposable & {
  readonly worker: Worker
  /** Where it listens: a port of 127.0.0.1 (inet), or the path of a socket. */
  readonly port: number
  readonly path: string
  readonly handlers: WorkerHandlers
  /** A connected client; the caller ends it. */
  client(): Promise<Socket>
  /** As `postfix reload`: no new clients, resolves when the ones at work are done. */
  stop(): Promise<void>
}

/** All workers of one test process can read each other's session tickets. */
const TICKET_KEYS = randomBytes(TICKET_KEY_BYTES)

/** Starts a program's handlers, as `runWorker` would. Stop it with `stop()`, or at the end of an `await using` block. */
export async function startWorker(setup: WorkerSetup, options: TestWorkerOptions = {}): Promise<TestWorker> {
  const { config = configFrom({}), name = 'test', type = 'inet', clientLimit = 0, args = [], program = 'test' } = options
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-worker-'))
  const path = join(folder, 'socket')
  const slots = new Slots(clientLimit)
  const stopping = new AbortController()
  const worker: Worker = {
    program, config, common: config, log, service: { name, type }, args, stop: stopping.signal, clientLimit, slots, stress: false,
    useTicketKeys: (use) => use(TICKET_KEYS),
  }
  const handlers = await setup(worker)
  const fd = type === 'inet' ? listenInet('127.0.0.1', 0, 64) : type === 'unix-dgram' ? bindDatagram(path) : listenUnix(path, 64)
  const serving = new Serving(handlers, { type, listeners: [fd], backlog: 64, slots })
  await serving.open()
  const address = serving.addresses[0]
  const port = typeof address === 'object' && address !== null ? address.port : 0
  let stopped = false
  const stop = async (): Promise<void> => {
    if (stopped) return
    stopped = true
    serving.close()
    stopping.abort(new Error('No new clients: the test stops the worker'))
    await serving.finished()
    closeSync(fd)
    rmSync(folder, { recursive: true, force: true })
  }
  const client = (): Promise<Socket> => new Promise((resolve, reject) => {
    const socket = type === 'inet' ? connect(port, '127.0.0.1') : connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
  return { worker, port, path, handlers, client, stop, [Symbol.asyncDispose]: stop }
}
