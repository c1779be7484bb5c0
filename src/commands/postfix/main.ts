/**
 * postfix: starts, stops and watches over the mail system.
 *
 *     postfix [-c config_dir] [-Dv] command
 *
 * Commands: start, start-fg, stop, abort, drain, quick-stop, reload, flush, check, status, logrotate, set-permissions,
 * upgrade-configuration.
 *
 * Talks to:      master, by signals and its lock; postsuper, postqueue.
 * Reads, writes: main.cf, master.cf; missing directories of the queue.
 * Privileges:    root, or the mail_owner of an instance that runs without root.
 * Diagnostics:   in the log as `postfix/postfix-script`, and on a terminal; exit status 1 for every failure.
 *
 * @module
 */
import { isTerminal, processConsole } from '#commands/console.ts'
import { fatal, parseOrUsage, runCommand } from '#commands/getopt.ts'
import { mayControl } from '#commands/queue-owner.ts'
import { loadTrustedConfig } from '#commands/setgid.ts'
import type { Config } from '#config/config.ts'
import { openProgramLog } from '#service/logging.ts'
import { filterEnvironment } from '#system/environment.ts'
import { errnoText } from '#system/errno.ts'
import { log, setLog } from '#system/log.ts'
import { unknownVerb, VERBS } from './control.ts'

const PROGRAM = 'postfix'
const SCRIPT = 'postfix-script'
const USAGE = 'usage: postfix [-c config_dir] [-Dv] command'
/** Where commands are looked for: nothing of the caller's. */
const SAFE_PATH = '/bin:/usr/bin:/sbin:/usr/sbin'
/** The level from which on no default is an older version's. */
const CURRENT_LEVEL = [3, 11] as const

/** The environment for everything that is started: what the configuration lets in. */
function cleanEnvironment(config: Config, verbose: boolean): void {
  const clean = filterEnvironment(config.str('import_environment'), process.env)
  for (const name of Object.keys(process.env)) Reflect.deleteProperty(process.env, name)
  Object.assign(process.env, clean, { PATH: SAFE_PATH, MAIL_CONFIG: config.directory }, verbose ? { MAIL_VERBOSE: '1' } : {})
}

function isOlderLevel(level: string): boolean {
  const [major = 0, minor = 0] = level.split('.').map(Number)
  return major < CURRENT_LEVEL[0] || (major === CURRENT_LEVEL[0] && minor < CURRENT_LEVEL[1])
}

function openScriptLog(config: Config): void {
  const tag = `${config.str('syslog_name')}/${SCRIPT}`
  setLog(openProgramLog(config, { program: SCRIPT, stderr: isTerminal('stderr') ? tag : `${config.str('syslog_name')}/postlog` }))
  if (!isOlderLevel(config.str('compatibility_level'))) return
  log.info('Postfix is using backwards-compatible default settings')
  log.info('See https://www.postfix.org/COMPATIBILITY_README.html for details')
  log.info(`To disable backwards compatibility use "postconf compatibility_level=${CURRENT_LEVEL.join('.')}" and "postfix reload"`)
}

/** Goes to the queue directory. @throws {CommandExit} It says which directory is missing. */
function enter(config: Config): void {
  for (const path of [config.directory, config.str('queue_directory')]) {
    try {
      process.chdir(path)
    } catch (error) {
      fatal(PROGRAM, `chdir(${path}): ${errnoText(error)}`)
    }
  }
}

/** Runs the command. @throws {CommandExit} */
export async function main(argv: readonly string[]): Promise<number> {
  const { options, operands } = parseOrUsage(PROGRAM, 'c:Dv', argv, { usage: USAGE, exitCode: 1 })
  const directory = options.findLast(([letter]) => letter === 'c')?.[1]
  if (directory !== undefined && !directory.startsWith('/')) fatal(PROGRAM, '-c requires absolute pathname')
  if (!mayControl(directory)) {
    processConsole.err(`${PROGRAM}: error: to submit mail, use the Postfix sendmail command`)
    fatal(PROGRAM, 'the postfix command is reserved for the superuser')
  }
  const config = loadTrustedConfig(PROGRAM, directory)
  const verbose = options.some(([letter]) => letter === 'v')
  cleanEnvironment(config, verbose)
  openScriptLog(config)
  const [name = '', ...args] = operands
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
  if (verb === undefined) {
    log.fatal(unknownVerb(name))
    return 1
  }
  if (name !== 'start_msg' && name !== 'stop_msg') enter(config)
  try {
    const flags = options.filter(([letter]) => letter !== 'c').map(([letter]) => `-${letter}`)
    return await verb({ config, args, flags })
  } catch (error) {
    log.fatal(errnoText(error))
    return 1
  } finally {
    log.flush()
  }
}

if (import.meta.main) runCommand(main)
