/**
 * The verbs of `postfix`: what each does, and what it says in the log.
 *
 * Every verb returns the exit status.
 *
 * @module
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { processConsole } from '#commands/console.ts'
import type { Config } from '#config/config.ts'
import { runningMaster } from '#service/instance.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { fatalProblem, warnAboutFiles } from './check.ts'
import { setPermissions } from './directories.ts'
import { programArguments, runProgram, startProgram } from './programs.ts'
import { rotateLog, RotateError } from './rotate.ts'

/** What a verb works on. */
export type Instance = {
  readonly config: Config
  /** The words after the verb. */
  readonly args: readonly string[]
  /** `-v` and `-D`, for master. */
  readonly flags: readonly string[]
}

type Verb = (instance: Instance) => number | Promise<number>

/** How often, and how long each time, `stop` waits until it uses force. */
const STOP_ATTEMPTS = 5
const STOP_WAIT_MS = 1000
/** A file of this name in the queue directory lets the next start skip its checks. */
const QUICK_START = 'quick-start'

function fatal(text: string): number {
  log.fatal(text)
  return 1
}

function queueOf({ config }: Instance): string {
  return config.str('queue_directory')
}

function masterOf(instance: Instance): number | undefined {
  return runningMaster(queueOf(instance))
}

/** Runs `work` with the process id of the master that runs, or says that none does. */
async function withMaster(instance: Instance, work: (pid: number) => number | Promise<number>): Promise<number> {
  const pid = masterOf(instance)
  return pid === undefined ? fatal('the Postfix mail system is not running') : work(pid)
}

async function checkFatal({ config }: Instance): Promise<number> {
  const problem = fatalProblem(config)
  if (problem !== undefined) return fatal(problem)
  return runProgram('postsuper', [])
}

function checkWarn({ config }: Instance): number {
  warnAboutFiles(config)
  return 0
}

async function check(instance: Instance): Promise<number> {
  if ((await checkFatal(instance)) !== 0) return 1
  return checkWarn(instance)
}

function takeQuickStart(instance: Instance): boolean {
  try {
    rmSync(join(queueOf(instance), QUICK_START))
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

/** The checks before a start. */
async function prepare(instance: Instance): Promise<boolean> {
  if (masterOf(instance) !== undefined) {
    fatal('the Postfix mail system is already running')
    return false
  }
  if (!takeQuickStart(instance)) {
    if ((await checkFatal(instance)) !== 0) {
      fatal('Postfix integrity check failed!')
      return false
    }
    checkWarn(instance)
  }
  log.info('starting the Postfix mail system')
  log.flush()
  return true
}

async function start(instance: Instance): Promise<number> {
  if (!(await prepare(instance))) return 1
  const started = await runProgram('master', ['-w', ...instance.flags])
  return started === 0 ? 0 : fatal('mail system startup failed')
}

/** The mail system as a child of this process, or as this process itself when it is the first of a container. */
async function startForeground(instance: Instance): Promise<number> {
  if (instance.config.list('multi_instance_directories').length > 0) {
    return fatal('start-fg does not support multi_instance_directories')
  }
  if (!(await prepare(instance))) return 1
  if (process.pid === 1) {
    process.execve?.(process.execPath, [process.execPath, ...programArguments('master', ['-i', ...instance.flags])], process.env)
    return fatal('cannot start-fg the master daemon')
  }
  // A session of its own: `postfix stop` may kill the whole group.
  const child = startProgram('master', ['-s', ...instance.flags], true)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)))
}

/** Ends what is left of a mail system that does not end by itself. */
function killGroup(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL')
      return
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error
    }
  }
}

function stop(instance: Instance): Promise<number> {
  return withMaster(instance, async (pid) => {
    log.info('stopping the Postfix mail system')
    process.kill(pid, 'SIGTERM')
    for (let i = 0; i < STOP_ATTEMPTS; i++) {
      if (masterOf(instance) === undefined) return 0
      log.info('waiting for the Postfix mail system to terminate')
      await delay(STOP_WAIT_MS)
    }
    if (masterOf(instance) === undefined) return 0
    log.warning('stopping the Postfix mail system with force')
    killGroup(pid)
    return 0
  })
}

async function quickStop(instance: Instance): Promise<number> {
  await stop(instance)
  writeFileSync(join(queueOf(instance), QUICK_START), '')
  return 0
}

/** Master ends at once; its workers notice, take no new clients, and finish the ones they have. */
function drain(instance: Instance): Promise<number> {
  return withMaster(instance, (pid) => {
    log.info('stopping the Postfix mail system')
    process.kill(pid, 'SIGKILL')
    return 0
  })
}

function abort(instance: Instance): Promise<number> {
  return withMaster(instance, (pid) => {
    log.info('aborting the Postfix mail system')
    process.kill(pid, 'SIGTERM')
    return 0
  })
}

function reload(instance: Instance): Promise<number> {
  return withMaster(instance, async (pid) => {
    log.info('refreshing the Postfix mail system')
    log.flush()
    if ((await runProgram('postsuper', ['active'])) !== 0) return 1
    process.kill(pid, 'SIGHUP')
    startProgram('postsuper', [], true, 'ignore').unref()
    return 0
  })
}

function status(instance: Instance): number {
  const pid = masterOf(instance)
  log.info(pid === undefined ? 'the Postfix mail system is not running' : `the Postfix mail system is running: PID: ${pid}`)
  return pid === undefined ? 1 : 0
}

async function logrotate({ config, args }: Instance): Promise<number> {
  if (args.length > 0) return fatal('usage postfix logrotate (no arguments)')
  try {
    await rotateLog(config)
    return 0
  } catch (error) {
    if (!(error instanceof RotateError)) throw error
    return fatal(error.message)
  }
}

function permissions({ config }: Instance): number {
  try {
    setPermissions(config)
    return 0
  } catch (error) {
    return fatal(errnoText(error))
  }
}

/** Adds what this version needs and an older master.cf lacks. */
function upgradeConfiguration(instance: Instance): number {
  if (permissions(instance) !== 0) return 1
  const file = join(instance.config.directory, 'master.cf')
  const text = readFileSync(file, 'utf8')
  if (/^postlog\s+unix-dgram\s/m.test(text)) return 0
  log.info(`editing ${file}, adding missing entry for postlog unix-dgram service`)
  const end = text === '' || text.endsWith('\n') ? '' : '\n'
  writeFileSync(file, `${text}${end}postlog   unix-dgram n  -       n       -       1       postlogd\n`)
  return 0
}

/** Verbs of Postfix that stand for shell scripts of Postfix's packages. */
function refused(name: string): Verb {
  return () => fatal(`the command '${name}' is not part of Posthorn`)
}

function message(text: string): Verb {
  return () => {
    processConsole.out(`${text}\n`)
    return 0
  }
}

/** All verbs. */
export const VERBS: Readonly<Record<string, Verb>> = {
  start,
  'start-fg': startForeground,
  stop,
  'quick-stop': quickStop,
  drain,
  abort,
  reload,
  flush: () => runProgram('postqueue', ['-f']),
  check,
  'check-fatal': checkFatal,
  'check-warn': checkWarn,
  status,
  logrotate,
  'set-permissions': permissions,
  'upgrade-configuration': upgradeConfiguration,
  start_msg: message('Start postfix'),
  stop_msg: message('Stop postfix'),
  'post-install': refused('post-install'),
  tls: refused('tls'),
  'non-bdb': refused('non-bdb'),
}

/** What the log says about a verb that is none. */
export function unknownVerb(name: string): string {
  return `unknown command: '${name}'. Usage: postfix start (or stop, reload, abort, flush, check, status, set-permissions, `
    + 'upgrade-configuration, logrotate, tls, non-bdb)'
}
