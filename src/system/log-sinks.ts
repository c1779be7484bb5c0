/**
 * Where log lines go: the system's log, a file, standard output, or our own log service.
 *
 * A sink writes at once: when `write()` returns, a killed process loses
 * nothing that was given to it.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { isErrno } from './errno.ts'
import { jsonLine, maillogLine, severityText, syslogDatagram, type LogLine } from './log-line.ts'
import { connectDatagram, sendDatagram } from './sockets.ts'

/** A destination of log lines. */
export type LogSink = {
  /** @throws {NodeJS.ErrnoException} When the lines could not be written; they may be given again. */
  write(lines: readonly LogLine[]): void
  /** Opens a file that was renamed meanwhile anew. Does nothing where that has no meaning. */
  reopen(): void
  close(): void
}

/** Where to log, as data. Paths are absolute, or relative to the directory of the process. */
export type LogDestination =
  | { readonly kind: 'syslog'; readonly facility: number; readonly path?: string }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly json?: boolean }
  | { readonly kind: 'stdout'; readonly json?: boolean }
  | { readonly kind: 'postlog'; readonly path: string }
  /** `problemsOnly`: what is no warning or worse is left out. */
  | { readonly kind: 'stderr'; readonly tag: string; readonly problemsOnly?: boolean }
  | { readonly kind: 'none' }

/** Where syslogd listens. */
const SYSLOG_PATH = '/dev/log'
/** How long a line may wait for a log service that does not read. */
const SEND_TIMEOUT_MS = 1000
/** How long to leave a log service alone that refused us. */
const RECONNECT_MS = 1000
/** What a datagram for postlogd may hold. */
const POSTLOG_BYTES_MAX = 4096

const host = hostname().replace(/\..*/, '')

function shape(json: boolean | undefined): (line: LogLine) => string {
  return json === true ? (line) => `${jsonLine(line, host)}\n` : (line) => `${maillogLine(line, host)}\n`
}

/** Writes everything, also to a pipe that takes only a part. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text)
  let done = 0
  while (done < bytes.length) {
    try {
      done += writeSync(fd, bytes, done)
    } catch (error) {
      if (!isErrno(error, 'EAGAIN')) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

/**
 * Appends whole lines to a file. One `write` of an `O_APPEND` file is one
 * piece, so that many processes share the file without mixing their lines.
 */
function fileSink(path: string, mode: number, json: boolean | undefined): LogSink {
  const format = shape(json)
  let fd = openSync(path, 'a', mode)
  return {
    write: (lines) => writeAll(fd, lines.map(format).join('')),
    reopen: () => {
      const before = fstatSync(fd)
      const now = statSync(path, { throwIfNoEntry: false })
      if (now !== undefined && now.ino === before.ino && now.dev === before.dev) return
      const next = openSync(path, 'a', mode)
      closeSync(fd)
      fd = next
    },
    close: () => closeSync(fd),
  }
}

function streamSink(fd: number, format: (line: LogLine) => string): LogSink {
  return { write: (lines) => writeAll(fd, lines.map(format).join('')), reopen: () => undefined, close: () => undefined }
}

/**
 * One datagram a line, to a service that may come and go. Lines for which there
 * is no service are dropped, as with syslog(3): mail does not stop for its log.
 */
function datagramSink(path: string, format: (line: LogLine) => string, bytesMax: number): LogSink {
  let fd: number | undefined
  let refusedAt = -Infinity
  const disconnect = (): void => {
    if (fd !== undefined) closeSync(fd)
    fd = undefined
  }
  const connect = (): void => {
    if (fd !== undefined || performance.now() - refusedAt < RECONNECT_MS) return
    try {
      fd = connectDatagram(path, SEND_TIMEOUT_MS)
    } catch {
      refusedAt = performance.now()
    }
  }
  const send = (bytes: Buffer): boolean => {
    connect()
    if (fd === undefined) return true
    try {
      sendDatagram(fd, bytes)
      return true
    } catch {
      disconnect()
      return false
    }
  }
  connect()
  return {
    write: (lines) => {
      for (const line of lines) {
        const bytes = Buffer.from(format(line)).subarray(0, bytesMax)
        if (!send(bytes)) send(bytes)
      }
    },
    reopen: disconnect,
    close: disconnect,
  }
}

/**
 * Opens a destination. Files and sockets are opened now, so that a process can
 * give up its privileges afterwards.
 *
 * @throws {NodeJS.ErrnoException} When a file cannot be opened.
 */
export function openSink(destination: LogDestination): LogSink {
  switch (destination.kind) {
    case 'syslog':
      return datagramSink(destination.path ?? SYSLOG_PATH, (line) => syslogDatagram(line, destination.facility), 8192)
    case 'postlog':
      return datagramSink(destination.path, (line) => maillogLine(line, host), POSTLOG_BYTES_MAX)
    case 'file':
      return fileSink(destination.path, destination.mode, destination.json)
    case 'stdout':
      return streamSink(1, shape(destination.json))
    case 'stderr':
      return streamSink(2, (line) => (destination.problemsOnly === true && !isProblem(line) ? '' : `${destination.tag}: ${severityText(line)}\n`))
    case 'none':
      return { write: () => undefined, reopen: () => undefined, close: () => undefined }
    default:
      return unknownDestination(destination satisfies never)
  }
}

function isProblem({ severity }: LogLine): boolean {
  return severity !== 'info' && severity !== 'debug'
}

function unknownDestination(destination: never): never {
  throw new TypeError(`Cannot log to ${JSON.stringify(destination)}`)
}
