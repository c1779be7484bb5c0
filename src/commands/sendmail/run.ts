/**
 * What sendmail does: it submits mail itself, and runs other commands for the rest.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { processConsole, standardInput } from '#commands/console.ts'
import { CommandExit, warn } from '#commands/getopt.ts'
import { programCommand, setGidCommand } from '#commands/programs.ts'
import { enterQueue } from '#commands/queue-owner.ts'
import { postqueue } from '#commands/postqueue/run.ts'
import { loadTrustedConfig } from '#commands/setgid.ts'
import { rebuildAliases } from '#commands/newaliases/rebuild.ts'
import type { Config } from '#config/config.ts'
import { openProgramLog } from '#service/logging.ts'
import { log, setLog } from '#system/log.ts'
import { readOptions, SENDMAIL_FAILED, type Complaints, type SendmailOptions } from './options.ts'
import { refuseUnlisted, submit } from './submit.ts'

/** Complaints before the log is open, and all to standard error. */
function complaintsOf(name: string): Complaints {
  return {
    warn: (text) => warn(name, text),
    fatal: (text) => {
      log.fatal(text)
      log.flush()
      throw new CommandExit('', SENDMAIL_FAILED)
    },
  }
}

/** Runs sendmail under a name with these arguments; the exit status. @throws {CommandExit} */
export async function sendmail(name: string, argv: readonly string[]): Promise<number> {
  const complaints = complaintsOf(name)
  // The configuration first: it says where complaints about the rest go.
  const config = loadTrustedConfig(name, directoryOption(argv), SENDMAIL_FAILED)
  setLog(openProgramLog(config, { program: 'sendmail', stderr: name }))
  const options = readOptions(name, argv, complaints)
  enterQueue(config, complaints.fatal)
  try {
    return await perform(options, { config, complaints })
  } finally {
    log.flush()
  }
}

/** `-C`, wherever it stands; everything else is read later. */
function directoryOption(argv: readonly string[]): string | undefined {
  const at = argv.findIndex((word) => word.startsWith('-C'))
  const word = argv[at]
  if (word === undefined) return undefined
  const value = word === '-C' ? (argv[at + 1] ?? '') : word.slice(2)
  return value.replace(/(?:^|\/)main\.cf$/, '') || '.'
}

type Surroundings = { readonly config: Config; readonly complaints: Complaints }

async function perform(options: SendmailOptions, surroundings: Surroundings): Promise<number> {
  const { config, complaints } = surroundings
  const alone = (what: string): void => {
    if (options.recipients.length > 0) complaints.fatal(`${what} requires no recipient`)
  }
  switch (options.mode) {
    case 'submit':
      return submitOrFlush(options, surroundings, alone)
    case 'list':
      alone('display queue mode')
      return runPostqueue(['-p'], config)
    case 'flush':
      alone('flush queue mode')
      return runPostqueue(['-f'], config)
    case 'daemon':
      alone('daemon mode')
      return runSibling('commands/postfix', ['start'], config)
    case 'aliases':
      alone('alias initialization mode')
      setLog(openProgramLog(config, { program: 'postalias', stderr: 'postalias' }))
      return rebuildAliases(config, options.aliasDatabase === undefined ? undefined : [options.aliasDatabase])
    case 'dialog':
      alone('stand-alone mode')
      await refuseUnlisted(surroundings)
      return runSibling('receive/smtpd', ['-S'], config)
    case 'nothing':
      return 0
    default:
      return options.mode satisfies never
  }
}

async function submitOrFlush(
  options: SendmailOptions,
  { config, complaints }: Surroundings,
  alone: (what: string) => void,
): Promise<number> {
  if (options.site !== undefined) {
    alone('flush site')
    return runPostqueue(['-s', options.site], config)
  }
  if (options.queueId !== undefined) {
    alone('flush queue_id')
    return runPostqueue(['-i', options.queueId], config)
  }
  const verp = options.verp === undefined ? undefined : verpDelimiters(options.verp, config, complaints)
  await submit({ ...options, verp }, {
    config, complaints, input: standardInput(), print: processConsole.out,
  })
  return 0
}

/** `-XV` alone means the default ones. */
function verpDelimiters(given: string, config: Config, complaints: Complaints): string {
  if (given === '') return config.str('default_verp_delimiters')
  const allowed = config.str('verp_delimiter_filter')
  if (given.length === 2 && Array.from(given).every((c) => allowed.includes(c))) return given
  return complaints.fatal(`-V requires two characters from ${allowed}`)
}

/** postqueue: the set-gid one for those who need it, otherwise in this process. @throws {CommandExit} */
function runPostqueue(args: readonly string[], config: Config): Promise<number> {
  const installed = setGidCommand(config, 'postqueue')
  return installed === undefined ? postqueue(['-c', config.directory, ...args]) : runInOurPlace(installed, args, config)
}

/** Runs another program of this installation in our place: same input, same output, its exit status. */
function runSibling(program: string, args: readonly string[], config: Config): Promise<number> {
  const [command, ...before] = programCommand(program)
  return runInOurPlace(command, [...before, ...args], config)
}

function runInOurPlace(command: string, args: readonly string[], config: Config): Promise<number> {
  const env = { ...process.env, MAIL_CONFIG: config.directory }
  const child = spawn(command, args, { env, stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
}
