/**
 * Starting a worker as a process: its command line, descriptors and environment.
 *
 * Ours get an IPC channel behind their listeners. An executable of
 * daemon_directory gets what Postfix's master gives: a pair of flow control
 * pipes, a status pipe, and the listeners from descriptor 6 on; it serves one
 * client at a time and reports on the status pipe whether it is free.
 *
 * @module
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { Readable, type Writable } from 'node:stream'
import type { Config } from '#config/config.ts'
import { filterEnvironment } from '#system/environment.ts'
import { log } from '#system/log.ts'
import { isWorkerMessage, LIMIT_VARIABLE, PROGRAM_VARIABLE, type MasterMessage, type WorkerMessage } from '#service/control.ts'
import type { ServiceSpec } from './table.ts'

/** What a new worker is told. */
export type WorkerStart = {
  readonly listeners: readonly number[]
  /** Its share of the limit of clients; 0: none. */
  readonly limit: number
  readonly stress: boolean
}

/** How a worker ended. Without a status it was killed by `signal`, or could not be started (`error`). */
export type WorkerEnd = { readonly status: number | null; readonly signal: NodeJS.Signals | null; readonly error?: Error }

/** What master learns about a worker. */
export type WorkerEvents = {
  onMessage(message: WorkerMessage): void
  /** Once. */
  onExit(end: WorkerEnd): void
}

/** A running worker. */
export type WorkerHandle = {
  readonly pid: number | undefined
  send(message: MasterMessage): void
  kill(signal: NodeJS.Signals): void
}

/** Starts a worker of a service. Failures arrive as `onExit`. */
export type WorkerStarter = (spec: ServiceSpec, start: WorkerStart, events: WorkerEvents) => WorkerHandle

/** No warnings that an admin cannot act on, and no debugger for who may send signals. */
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--disable-sigusr1']

/** Of the standard error of one worker. */
const ERROR_LINES_MAX = 50

/** Where an executable of Postfix reports to master. */
const STATUS_FD = 5
/** MASTER_STATUS of Postfix: i32 pid, u32 generation, i32 available. */
const STATUS_BYTES = 12

/** The command line after the program, as Postfix's master writes it. */
export function workerArguments({ entry }: ServiceSpec, { listeners, stress }: WorkerStart): string[] {
  return [
    '-n', entry.name,
    '-t', entry.type,
    ...(entry.processLimit === 0 ? ['-z'] : entry.processLimit === 1 ? ['-l'] : []),
    ...(entry.unprivileged ? ['-u'] : []),
    ...(entry.chroot ? ['-c'] : []),
    ...(listeners.length > 1 ? ['-s', String(listeners.length)] : []),
    ...(entry.type === 'inet' || entry.type === 'pass' ? ['-o', `stress=${stress ? 'yes' : ''}`] : []),
    ...entry.args,
  ]
}

/** Syncs of mailboxes and large messages wait for the device, and should wait together; libuv's default is 4. */
const FILE_THREADS = '16'

/** The starter of real processes, for the configuration that holds now. */
export function processStarter(config: Config): WorkerStarter {
  const environment = { ...filterEnvironment(config.str('import_environment'), process.env), MAIL_CONFIG: config.directory }
  return (spec, start, events) =>
    spec.program.kind === 'executable' ? startExecutable(spec, start, events, environment) : startOurs(spec, start, events, environment)
}

function startOurs(spec: ServiceSpec, start: WorkerStart, events: WorkerEvents, environment: Record<string, string>): WorkerHandle {
  const file = spec.program.kind === 'worker' ? spec.program.file : spec.path
  const stdio: StdioOptions = ['ignore', 'inherit', 'pipe', ...start.listeners, 'ipc']
  const env = { ...environment, [LIMIT_VARIABLE]: String(start.limit), [PROGRAM_VARIABLE]: spec.entry.command, UV_THREADPOOL_SIZE: FILE_THREADS }
  const child = spawn(process.execPath, [...NODE_FLAGS, file, ...workerArguments(spec, start)], { stdio, env })
  logErrors(child, spec)
  child.on('message', (message: unknown) => {
    if (isWorkerMessage(message)) events.onMessage(message)
  })
  watchEnd(child, events)
  return {
    pid: child.pid,
    send: (message) => {
      // A worker that is about to end has closed its side; its exit comes next.
      if (child.connected) child.send(message, () => undefined)
    },
    kill: (signal) => void child.kill(signal),
  }
}

function startExecutable(spec: ServiceSpec, start: WorkerStart, events: WorkerEvents, environment: Record<string, string>): WorkerHandle {
  const stdio: StdioOptions = ['ignore', 'inherit', 'inherit', 'pipe', 'pipe', 'pipe', ...start.listeners]
  const env = { ...environment, GENERATION: '0' }
  const file = spec.program.kind === 'executable' ? spec.program.file : spec.path
  const child = spawn(file, workerArguments(spec, start), { stdio, env })
  const streams: readonly (Readable | Writable | null | undefined)[] = child.stdio
  const status = streams[STATUS_FD]
  if (status instanceof Readable) readStatus(status, events)
  watchEnd(child, events)
  return {
    pid: child.pid,
    // A process that finds the status pipe closed ends as soon as it is free.
    send: (message) => {
      if (message.kind !== 'stop') return
      status?.destroy()
      if (message.graceMs !== undefined) child.kill('SIGTERM')
    },
    kill: (signal) => void child.kill(signal),
  }
}

function readStatus(status: Readable, events: WorkerEvents): void {
  let held = Buffer.alloc(0)
  let used = false
  events.onMessage({ kind: 'ready' })
  status.on('error', () => undefined)
  status.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    for (; held.length >= STATUS_BYTES; held = held.subarray(STATUS_BYTES)) {
      const free = held.readInt32LE(8) !== 0
      if (!free && !used) {
        used = true
        events.onMessage({ kind: 'used' })
      }
      events.onMessage({ kind: 'full', full: !free })
    }
  })
}

/** What Node.js says about a program that it cannot even load would be lost otherwise. */
function logErrors({ stderr, pid }: ChildProcess, { path }: ServiceSpec): void {
  let lines = 0
  stderr?.on('error', () => undefined)
  stderr?.on('data', (chunk: Buffer) => {
    for (const text of chunk.toString().split('\n')) {
      if (text.trim() !== '' && lines++ < ERROR_LINES_MAX) log.warning(`process ${path} pid ${pid}: ${text}`)
    }
  })
}

function watchEnd(child: ChildProcess, events: WorkerEvents): void {
  let ended = false
  const end = (status: number | null, signal: NodeJS.Signals | null, error?: Error): void => {
    if (ended) return
    ended = true
    events.onExit(error === undefined ? { status, signal } : { status, signal, error })
  }
  child.on('error', (error) => {
    if (child.pid === undefined) end(null, null, error)
  })
  child.on('exit', (status, signal) => end(status, signal))
}
