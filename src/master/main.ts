/**
 * master: starts and watches the programs of the mail system.
 *
 *     master [-Dditvw] [-c config_dir] [-e exit_time]
 *
 * -d stays in the foreground; -s the same, with standard output kept for the log; -i the same, as process 1 of a
 * container; -t only tells whether a master runs (exit 0: no, 1: yes); -w waits until it works; -e ends after so many
 * seconds; -D runs no debugger here and is ignored. SIGHUP reloads, SIGTERM stops.
 *
 * Talks to:      its workers, by the IPC channel (service/control); services with a wakeup time, by triggers.
 * Reads, writes: main.cf, master.cf; pid/master.pid and data_directory/master.lock; the sockets in public/ and private/.
 * Privileges:    root, to bind ports and start workers that need it; reads nothing from the network. An ordinary user
 *                who is the mail_owner runs the same program with high ports.
 * Diagnostics:   fatal before anything is started; afterwards warnings about workers, and errors of a reload.
 * Standards:     master(5), master(8) of Postfix.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { chdir } from 'node:process'
import { ConfigError } from '#config/error.ts'
import { checkBasics } from '#config/basics.ts'
import type { Config } from '#config/config.ts'
import { configDirectory, loadConfig } from '#config/load.ts'
import { prepareJournal, recoverJournal } from '#queue/journal/recover.ts'
import { deleteSpares, prepareSpares } from '#queue/spare.ts'
import { openSpool } from '#queue/spool.ts'
import { errnoText } from '#system/errno.ts'
import { log, setLog, type OpenLog } from '#system/log.ts'
import { getpwnam, isRoot, type User } from '#system/users.ts'
import { runningMaster } from '#service/instance.ts'
import { openProgramLog } from '#service/logging.ts'
import { collectOrphans } from './init.ts'
import { lockInstance } from './lock.ts'
import { Master, readServices } from './master.ts'

const USAGE = 'usage: master [-c config_dir] [-D (debug)] [-d (don\'t detach from terminal)] [-e exit_time] [-t (test)] [-v] '
  + '[-w (wait for initialization)]'

/** Set for the process that does the work after it left its terminal. */
const DETACHED_VARIABLE = 'POSTHORN_MASTER_DETACHED'
/** What that process tells the one that waits for it. */
const INITIALIZED = 'initialized'
const WAIT_MS = 100_000

type Options = {
  directory: string | undefined
  foreground: boolean
  init: boolean
  test: boolean
  wait: boolean
  verbose: boolean
  exitSeconds: number | undefined
}

function parseOptions(args: readonly string[]): Options | undefined {
  const options: Options = {
    directory: undefined, foreground: false, init: false, test: false, wait: false, verbose: false, exitSeconds: undefined,
  }
  const words = [...args]
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (!/^-[cDdeistvw]/.test(word)) return undefined
    const letter = word.charAt(1)
    const rest = word.slice(2)
    if (letter === 'c' || letter === 'e') {
      const value = rest === '' ? words.shift() : rest
      if (value === undefined) return undefined
      if (letter === 'c') options.directory = value
      else options.exitSeconds = Number(value)
      continue
    }
    if (rest !== '') words.unshift(`-${rest}`)
    if (letter === 'd' || letter === 's' || letter === 'i') options.foreground = true
    if (letter === 'i') options.init = true
    if (letter === 't') options.test = true
    if (letter === 'w') options.wait = true
    if (letter === 'v') options.verbose = true
  }
  const { exitSeconds } = options
  return exitSeconds !== undefined && !(exitSeconds > 0) ? undefined : options
}

function fatal(text: string): never {
  log.fatal(text)
  process.exit(1)
}

function mailOwner(config: Config): User {
  const name = config.str('mail_owner')
  const owner = getpwnam(name)
  if (owner === undefined) fatal(`file ${config.directory}/main.cf: parameter mail_owner: unknown user name value: ${name}`)
  if (!isRoot() && owner.uid !== process.geteuid?.()) fatal('the master command is reserved for the superuser')
  return owner
}

/** Starts the process that does the work, out of reach of this terminal, and waits for it if asked to. */
function detach(options: Options): void {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1), '-d'], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, [DETACHED_VARIABLE]: 'yes' },
  })
  if (!options.wait) {
    child.on('spawn', () => process.exit(0))
    child.on('error', (error) => fatal(`cannot start master: ${error.message}`))
    return
  }
  const timer = setTimeout(() => fatal('master initialization failed: timeout'), WAIT_MS)
  child.on('message', (message) => process.exit(message === INITIALIZED ? 0 : 1))
  child.on('error', (error) => fatal(`cannot start master: ${error.message}`))
  child.on('exit', (status) => {
    clearTimeout(timer)
    process.exit(status === null || status === 0 ? 1 : status)
  })
}

/** Tells the waiting process, and lets go of its terminal. */
function finishDetaching(): void {
  if (process.env[DETACHED_VARIABLE] === undefined || process.send === undefined) return
  process.send(INITIALIZED, () => process.disconnect?.())
  // Errors so far were shown on the terminal; a terminal that is closed must not end the mail system.
  closeSync(2)
  openSync('/dev/null', 'r+')
}

/** The log of master, which follows the configuration. */
function openMasterLog(config: Config, options: Options): OpenLog {
  const showErrors = !options.foreground || process.env[DETACHED_VARIABLE] !== undefined || process.stderr.isTTY
  const shown = showErrors && config.str('maillog_file') !== '/dev/stdout'
  const copies = shown ? { stderr: `${config.str('syslog_name')}/master`, problemsOnly: true } : {}
  const opened = openProgramLog(config, { program: 'master', verbose: options.verbose, ...copies })
  setLog(opened)
  return opened
}

function announce(word: string, config: Config): void {
  log.info(`${word} -- version ${config.str('mail_version')}, configuration ${config.directory}`)
}

/** Reads both files anew. What is wrong with them is logged, and the mail system goes on as it was. */
async function reload(master: Master, options: Options, oldLog: OpenLog): Promise<OpenLog> {
  try {
    const config = loadConfig(options.directory, (text) => log.warning(text))
    checkBasics(config)
    const specs = await readServices(config)
    const newLog = openProgramLog(config, { program: 'master', verbose: options.verbose })
    setLog(newLog)
    oldLog.close()
    announce('reload', config)
    await master.reload(config, specs)
    return newLog
  } catch (error) {
    log.error(`reload failed, the mail system goes on unchanged: ${errnoText(error)}`)
    return oldLog
  }
}

/** Signals, one after the other: a second SIGHUP waits for the first. */
function obeySignals(master: Master, options: Options, firstLog: OpenLog, settle: () => Promise<unknown>): void {
  let work: Promise<OpenLog> = Promise.resolve(firstLog)
  process.on('SIGHUP', () => (work = work.then((current) => reload(master, options, current))))
  const stop = (reason: string): void => {
    log.info(reason)
    void master.stop().then(settle).catch((error: unknown) => log.error(errnoText(error))).finally(() => {
      log.flush()
      process.exit(0)
    })
  }
  process.on('SIGTERM', () => stop('terminating on signal 15'))
  process.on('SIGINT', () => stop('terminating on signal 2'))
  process.on('SIGPIPE', () => undefined)
  if (options.exitSeconds !== undefined) {
    setTimeout(() => stop('master exit time has arrived'), options.exitSeconds * 1000)
  }
}

/** Neither signals nor listeners of others keep a process of Node.js alive; this does, and wakes up every 24 days. */
const STAY_MS = 2_147_483_647

async function run(options: Options): Promise<void> {
  setInterval(() => undefined, STAY_MS)
  process.umask(0o077)
  const warnings: string[] = []
  const config = loadConfig(options.directory, (text) => warnings.push(text))
  process.env['MAIL_CONFIG'] = config.directory
  const masterLog = openMasterLog(config, options)
  for (const text of warnings) log.warning(text)
  checkBasics(config)
  const owner = mailOwner(config)
  chdir(config.str('queue_directory'))
  lockInstance(config, owner)
  const spool = openSpool(config, '.')
  prepareJournal(spool, owner)
  prepareSpares(spool, owner)
  const settle = async (): Promise<void> => {
    await recoverJournal(spool, owner)
    deleteSpares(spool, owner)
  }
  await settle()
  const master = new Master(config, owner)
  const specs = await readServices(config)
  // After a stop the journal is empty: another mail system, or Postfix, can take the queue over.
  obeySignals(master, options, masterLog, settle)
  if (options.init || process.pid === 1) collectOrphans((pid) => master.pids.has(pid))
  await master.start(specs)
  announce('daemon started', config)
  log.flush()
  finishDetaching()
}

/** Exit status 0: no master runs on this queue. */
function test(options: Options): never {
  const config = loadConfig(options.directory)
  const running = runningMaster(config.str('queue_directory'))
  process.exit(running === undefined ? 0 : 1)
}

/** A broken assumption: workers notice that master is gone, and finish their clients. */
function dieOfBug(error: unknown): never {
  log.panic(error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exit(1)
}

process.on('uncaughtException', dieOfBug)
process.on('unhandledRejection', dieOfBug)
const options = parseOptions(process.argv.slice(2))
try {
  if (options === undefined) fatal(USAGE)
  process.title = 'master'
  process.env['MAIL_CONFIG'] = configDirectory(options.directory)
  if (options.test) test(options)
  else if (options.foreground) await run(options)
  else detach(options)
} catch (error) {
  if (error instanceof ConfigError) for (const text of error.warnings) log.warning(text)
  fatal(errnoText(error))
}
