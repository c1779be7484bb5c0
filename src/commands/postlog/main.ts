/**
 * postlog: writes text to the mail log, as the programs of the mail system do.
 *
 *     postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text…]
 *
 * Without text every line of standard input is one line of the log. The text also goes to standard error,
 * with the tag where that is a terminal. `-i` is accepted: the process id always shows.
 *
 * Talks to:      postlogd, where the caller may not write the log itself.
 * Reads, writes: main.cf; the mail log.
 * Privileges:    set-gid where the log service has to be reached by everyone; else those of the caller.
 * Diagnostics:   exit status 0; 1 for a wrong command line, or a configuration that the caller may not choose.
 *
 * @module
 */
import { closeSync, existsSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { isTerminal, processConsole } from '#commands/console.ts'
import { fatal, GetoptError, parseCommandLine, runCommand, type CommandLine } from '#commands/getopt.ts'
import { cleanEnvironment, loadTrustedConfig } from '#commands/setgid.ts'
import type { Config } from '#config/config.ts'
import { logDestination, openProgramLog, postlogDestination } from '#service/logging.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import type { OpenLog } from '#system/log.ts'
import type { Severity } from '#system/log-line.ts'
import { connectDatagram } from '#system/sockets.ts'

const PROGRAM = 'postlog'
const USAGE = 'usage: postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text]'
/** As a program rests that logs a fatal error of its own. */
const FATAL_PAUSE_MS = 1000
/** How long the log service may take to say that it is there. */
const SERVICE_TIMEOUT_MS = 1000

const SEVERITIES: Readonly<Record<string, Exclude<Severity, 'debug'>>> = {
  info: 'info', warn: 'warning', warning: 'warning', error: 'error', err: 'error', fatal: 'fatal', crit: 'fatal', panic: 'panic',
}

function openLogFor(line: CommandLine | undefined): OpenLog {
  const value = (letter: string): string | undefined => line?.options.findLast(([each]) => each === letter)?.[1]
  const config = loadTrustedConfig(`postfix/${PROGRAM}`, value('c'))
  cleanEnvironment(config)
  const tag = `${config.str('syslog_name')}/${PROGRAM}`
  refuseLost(config, tag)
  const ident = value('t')
  const shown = { stderr: isTerminal('stderr') ? (ident ?? tag) : tag }
  return openProgramLog(config, { program: PROGRAM, ...(ident === undefined ? {} : { ident }), ...shown })
}

/** Ends the command where its text would go nowhere: a file that it may not open, and no log service. */
function refuseLost(config: Config, tag: string): void {
  const destination = logDestination(config)
  if (destination.kind !== 'file') return
  const { path, mode } = destination
  try {
    closeSync(openSync(path, 'a', mode))
  } catch (error) {
    if ((isErrno(error, 'EACCES') || isErrno(error, 'EPERM')) && hasLogService(config)) return
    const action = existsSync(path) ? 'cannot open file' : 'cannot create file exclusively'
    fatal(tag, `open logfile '${path}': ${action}: ${errnoText(error)}`)
  }
}

function hasLogService(config: Config): boolean {
  const service = postlogDestination(config)
  if (service.kind !== 'postlog') return false
  try {
    closeSync(connectDatagram(service.path, SERVICE_TIMEOUT_MS))
    return true
  } catch {
    return false
  }
}

/** Says what is wrong in the log, as everything this command says. */
function refuse(log: OpenLog, text: string): number {
  log.fatal(text)
  return 1
}

async function* textOf(operands: readonly string[]): AsyncGenerator<string> {
  if (operands.length > 0) yield operands.join(' ')
  else yield* createInterface({ input: process.stdin })
}

/** Runs the command. */
export async function main(argv: readonly string[]): Promise<number> {
  let line: CommandLine
  try {
    line = parseCommandLine(PROGRAM, 'c:ip:t:v', argv)
  } catch (error) {
    if (!(error instanceof GetoptError)) throw error
    processConsole.err(error.message)
    return refuse(openLogFor(undefined), USAGE)
  }
  const log = openLogFor(line)
  const priority = line.options.findLast(([letter]) => letter === 'p')?.[1] ?? 'info'
  const severity = Object.hasOwn(SEVERITIES, priority) ? SEVERITIES[priority] : undefined
  if (severity === undefined) return refuse(log, `bad severity: "${priority}"`)
  for await (const text of textOf(line.operands)) log[severity](text)
  log.flush()
  if (severity === 'fatal' || severity === 'panic') await delay(FATAL_PAUSE_MS)
  return 0
}

if (import.meta.main) runCommand(main)
