/**
 * The log service: datagrams in, lines out. See main.ts.
 *
 * @module
 */
import { openSync, writeFileSync } from 'node:fs'
import { errnoText } from '#system/errno.ts'
import { openSink } from '#system/log-sinks.ts'
import { logDestination } from '#service/logging.ts'
import type { Worker, WorkerHandlers } from '#service/worker.ts'
import { lineOf, parseLogLine } from './line.ts'

/** Lines that wait for a disk that takes none; more are dropped. */
const WAITING_LINES_MAX = 10_000

/** Takes lines, and writes those of one turn of the event loop together. */
function batched(write: (lines: readonly string[]) => void, onError: (error: unknown) => void): (line: string) => void {
  let waiting: string[] = []
  const flush = (): void => {
    const lines = waiting
    waiting = []
    try {
      write(lines)
    } catch (error) {
      waiting = [...lines, ...waiting].slice(-WAITING_LINES_MAX)
      onError(error)
    }
  }
  return (line) => {
    if (waiting.length === 0 || waiting.length === WAITING_LINES_MAX) setImmediate(flush)
    waiting.push(line)
  }
}

/** Where lines go. As Postfix sent them into a plain file; taken apart for syslog and JSON. */
function writerFor({ config }: Worker): (lines: readonly string[]) => void {
  const destination = logDestination(config)
  const isPlain = (destination.kind === 'file' || destination.kind === 'stdout') && destination.json !== true
  if (isPlain) {
    const fd = destination.kind === 'file' ? openSync(destination.path, 'a', destination.mode) : 1
    return (lines) => writeFileSync(fd, `${lines.join('\n')}\n`)
  }
  const sink = openSink(destination)
  return (lines) => sink.write(lines.flatMap((line) => parseLogLine(line, Date.now()) ?? []))
}

/** The handlers of the log service. */
export function setup(worker: Worker): WorkerHandlers {
  const take = batched(writerFor(worker), (error) => {
    process.stderr.write(`postlogd: cannot write the log: ${errnoText(error)}\n`)
  })
  return {
    datagram: (bytes) => {
      const line = lineOf(bytes)
      if (line !== '') take(line)
    },
    drain: () => new Promise((resolve) => setImmediate(resolve)),
  }
}
