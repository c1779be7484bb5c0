/**
 * The log of a process: Postfix's lines, through pino.
 *
 * Lines wait until the end of the turn of the event loop and are then written
 * together, synchronously. Before a change of the queue is acknowledged its
 * writer calls `log.flush()`, so that not even kill -9 loses the line.
 *
 * @module
 */
import pino from 'pino'
import { safeText, type LogFields, type LogLine, type Severity } from './log-line.ts'
import { openSink, type LogDestination, type LogSink } from './log-sinks.ts'

export type { LogFields } from './log-line.ts'

/**
 * Writes lines. `text` is what stands after `ident[pid]: `, without the word for
 * the severity, which the logger adds (`warning: …`). `fields` go into the JSON form.
 * `fatal` and `panic` only log: the caller ends the process.
 */
export type Logger = {
  info(text: string, fields?: LogFields): void
  warning(text: string, fields?: LogFields): void
  error(text: string, fields?: LogFields): void
  fatal(text: string, fields?: LogFields): void
  panic(text: string, fields?: LogFields): void
  /** Only with `verbose`. */
  debug(text: string, fields?: LogFields): void
  /** Whether `debug()` writes anything: spares the caller to make the text. */
  readonly verbose: boolean
  /** The same log under the name of another program, for libraries that are programs in Postfix: `as('cleanup')`. */
  as(program: string): Logger
  /** Writes what waits, now. */
  flush(): void
}

/** What `openLog()` needs. */
export type LogOptions = {
  /** `postfix/smtpd` */
  readonly ident: string
  /** What `as()` puts before the program; default: `ident` without its last word. */
  readonly base?: string
  readonly destination: LogDestination | readonly LogDestination[]
  /** Whether characters beyond ASCII stay (smtputf8_enable). Default: yes. */
  readonly utf8?: boolean
  readonly verbose?: boolean
}

/** A logger that owns its destinations. */
export type OpenLog = Logger & {
  /** Opens renamed files anew (`postfix logrotate`). */
  reopen(): void
  /** Replaces the destinations; the old ones are closed. */
  redirect(destinations: readonly LogDestination[]): void
  close(): void
}

/** Lines that a failing destination may hold back; older ones are dropped. */
const WAITING_LINES_MAX = 10_000

const LEVELS = { debug: 20, info: 30, warning: 40, error: 50, fatal: 60, panic: 70 } as const satisfies Record<Severity, number>

/** Collects lines from pino and gives them to the sinks, once per turn. */
class Core {
  #pino: pino.Logger<Severity> | undefined
  readonly #verbose: boolean
  readonly #utf8: boolean
  #outlets: Outlet[]
  #waiting: LogLine[] = []
  #scheduled = false
  #ident = ''

  constructor(sinks: LogSink[], utf8: boolean, verbose: boolean) {
    this.#outlets = sinks.map(outlet)
    this.#utf8 = utf8
    this.#verbose = verbose
  }

  /** Made at the first line: most commands have none. */
  #logger(): pino.Logger<Severity> {
    const options = {
      base: null,
      timestamp: false,
      messageKey: 'message',
      customLevels: LEVELS,
      useOnlyCustomLevels: true,
      level: this.#verbose ? 'debug' : 'info',
      formatters: { level: (label: string) => ({ severity: label }) },
    } as const
    return pino<Severity, true>(options, this.#stream())
  }

  /** The stream that pino writes to. It tells the message apart, so that no JSON is parsed again. */
  #stream(): pino.DestinationStream {
    const take = (json: string, level: number, message: string): void => this.#take(json, level, message)
    const stream = {
      [Symbol.for('pino.metadata')]: true,
      lastLevel: 0,
      lastMsg: '',
      write(json: string): void {
        take(json, this.lastLevel, this.lastMsg)
      },
    }
    return stream
  }

  #take(json: string, level: number, text: string): void {
    const severity = severityOf(level)
    this.#waiting.push({ time: Date.now(), severity, ident: this.#ident, pid: process.pid, text, json: json.trimEnd() })
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  write(ident: string, severity: Severity, text: string, fields: LogFields | undefined): void {
    this.#ident = ident
    const safe = safeText(text, this.#utf8)
    const logger = (this.#pino ??= this.#logger())
    if (fields === undefined) logger[severity](safe)
    else logger[severity](fields, safe)
    if (severity === 'fatal' || severity === 'panic') this.flush()
  }

  flush(): void {
    if (this.#waiting.length === 0 && !this.#outlets.some(({ kept }) => kept.length > 0)) return
    const lines = this.#waiting
    this.#waiting = []
    for (const each of this.#outlets) writeTo(each, lines)
  }

  replace(sinks: LogSink[]): void {
    this.flush()
    for (const { sink } of this.#outlets) sink.close()
    this.#outlets = sinks.map(outlet)
  }

  reopen(): void {
    this.flush()
    for (const { sink } of this.#outlets) sink.reopen()
  }
}

/** A sink, and the lines that it could not take so far: another one is not kept waiting for them. */
type Outlet = { readonly sink: LogSink; kept: readonly LogLine[] }

function outlet(sink: LogSink): Outlet {
  return { sink, kept: [] }
}

function writeTo(to: Outlet, lines: readonly LogLine[]): void {
  const all = to.kept.length === 0 ? lines : [...to.kept, ...lines]
  try {
    to.sink.write(all)
    to.kept = []
  } catch {
    // The disk may have room again later. More than this is not kept: the log must not eat the memory of the mail.
    to.kept = all.slice(-WAITING_LINES_MAX)
  }
}

function severityOf(level: number): Severity {
  if (level >= LEVELS.panic) return 'panic'
  if (level >= LEVELS.fatal) return 'fatal'
  if (level >= LEVELS.error) return 'error'
  if (level >= LEVELS.warning) return 'warning'
  return level >= LEVELS.info ? 'info' : 'debug'
}

function loggerOn(core: Core, ident: string, base: string, verbose: boolean): Logger {
  const others = new Map<string, Logger>()
  return {
    info: (text, fields) => core.write(ident, 'info', text, fields),
    warning: (text, fields) => core.write(ident, 'warning', text, fields),
    error: (text, fields) => core.write(ident, 'error', text, fields),
    fatal: (text, fields) => core.write(ident, 'fatal', text, fields),
    panic: (text, fields) => core.write(ident, 'panic', text, fields),
    debug: (text, fields) => core.write(ident, 'debug', text, fields),
    verbose,
    as: (program) => {
      const name = `${base}/${program}`
      const known = others.get(name) ?? loggerOn(core, name, base, verbose)
      others.set(name, known)
      return known
    },
    flush: () => core.flush(),
  }
}

/**
 * Opens a log. Its lines are also written when the process exits.
 *
 * @throws {NodeJS.ErrnoException} When a log file cannot be opened.
 */
export function openLog({ ident, base, destination, utf8 = true, verbose = false }: LogOptions): OpenLog {
  const destinations = 'kind' in destination ? [destination] : destination
  const core = new Core(destinations.map(openSink), utf8, verbose)
  const flush = (): void => core.flush()
  process.on('exit', flush)
  const close = (): void => {
    process.off('exit', flush)
    core.replace([])
  }
  const logger = loggerOn(core, ident, base ?? ident.replace(/\/[^/]*$/, ''), verbose)
  return { ...logger, reopen: () => core.reopen(), redirect: (next) => core.replace(next.map(openSink)), close }
}

/** Before `setLog()`: lines go to standard error, so that none is lost without a trace. */
function earlyLog(): Logger {
  return openLog({ ident: 'postfix', destination: { kind: 'stderr', tag: 'postfix' } })
}

let current: Logger | undefined

function active(): Logger {
  current ??= earlyLog()
  return current
}

/** Makes `logger` the log of this process; returns the one before. */
export function setLog(logger: Logger): Logger | undefined {
  const before = current
  current = logger
  return before
}

/** Restores what `setLog()` returned. */
export function restoreLog(logger: Logger | undefined): void {
  current = logger
}

/** The log of this process: what `setLog()` got last. */
export const log: Logger = {
  info: (text, fields) => active().info(text, fields),
  warning: (text, fields) => active().warning(text, fields),
  error: (text, fields) => active().error(text, fields),
  fatal: (text, fields) => active().fatal(text, fields),
  panic: (text, fields) => active().panic(text, fields),
  debug: (text, fields) => active().debug(text, fields),
  get verbose() {
    return active().verbose
  },
  as: (program) => lazily(program),
  flush: () => active().flush(),
}

/** `log.as()` may be called once at import: the log of the process is looked up at each line. */
function lazily(program: string): Logger {
  const now = (): Logger => active().as(program)
  return {
    info: (text, fields) => now().info(text, fields),
    warning: (text, fields) => now().warning(text, fields),
    error: (text, fields) => now().error(text, fields),
    fatal: (text, fields) => now().fatal(text, fields),
    panic: (text, fields) => now().panic(text, fields),
    debug: (text, fields) => now().debug(text, fields),
    get verbose() {
      return active().verbose
    },
    as: lazily,
    flush: () => active().flush(),
  }
}
