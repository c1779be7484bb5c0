/**
 * What postqueue does, for the commands that share it: postqueue, mailq, sendmail -bp and -q.
 *
 * @module
 */
import { CommandExit, fatal, parseOrUsage, type CommandLine } from '#commands/getopt.ts'
import { processConsole, type Console } from '#commands/console.ts'
import { enterQueue } from '#commands/queue-owner.ts'
import { cleanEnvironment, loadTrustedConfig } from '#commands/setgid.ts'
import type { Config } from '#config/config.ts'
import { isQueueId } from '#queue/spool.ts'
import { FLUSH_STATUS, FlushClient, type FlushStatus } from '#service/flush-client.ts'
import { openProgramLog } from '#service/logging.ts'
import { sendTrigger } from '#service/trigger.ts'
import { errnoCode, errnoText } from '#system/errno.ts'
import { log, setLog } from '#system/log.ts'
import { getpwnam, getpwuid } from '#system/users.ts'
import { openMatchList } from '#tables/match-list.ts'
import { isMailHost } from './mail-host.ts'
import { listDirectly, listFromService } from './listing.ts'
import { JsonPrinter, TablePrinter, type ListingPrinter } from './print.ts'

const PROGRAM = 'postqueue'
const USAGE = 'usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site'
/** EX_UNAVAILABLE: what all of its failures end with. */
export const POSTQUEUE_FAILED = 69

/** Bytes a flush of the whole queue sends to qmgr: forget dead destinations, ignore time stamps, scan both queues. */
const FLUSH_REQUEST = 'FADI'
const WAKEUP_REQUEST = 'W'
/** Longest name shown in an error. */
const SHOWN_LENGTH_MAX = 100
/** Output collected before it is written. */
const OUTPUT_LENGTH = 65_536

type Mode = { readonly letter: 'f' | 'i' | 'j' | 'p' | 's'; readonly value: string }

function isMode(letter: string): letter is Mode['letter'] {
  return 'fijps'.includes(letter)
}

/** Logs and ends. */
function fail(text: string): never {
  log.fatal(text)
  throw new CommandExit('', POSTQUEUE_FAILED)
}

/** Undefined: none is given, which is wrong too, but only where there is a configuration. */
function modeOf({ options, operands }: CommandLine): Mode | undefined {
  const modes = options.flatMap(([letter, value]) => (isMode(letter) ? [{ letter, value: value ?? '' }] : []))
  if (modes.length > 1 || operands.length > 0) fatal(PROGRAM, USAGE, POSTQUEUE_FAILED)
  return modes[0]
}

type UserList = 'authorized_mailq_users' | 'authorized_flush_users'

/** Whether the user of this process is on the list. root and the owner of the queue always are. */
async function refuseUnlisted(config: Config, parameter: UserList, action: string): Promise<void> {
  const uid = process.getuid?.() ?? 0
  if (uid === 0 || uid === getpwnam(config.str('mail_owner'))?.uid) return
  const name = getpwuid(uid)?.name ?? 'unknown'
  const list = openMatchList(parameter, config.str(parameter), 'string', { config })
  if ((await list.match(name)) === true) return
  fail(`User ${name}(${uid}) is not allowed to ${action}`)
}

/** Output in pieces of some size. */
function collected(console: Console): { write: (text: string) => void; flush: () => void } {
  let waiting = ''
  const flush = (): void => {
    if (waiting !== '') console.out(waiting)
    waiting = ''
  }
  return {
    write: (text) => {
      waiting += text
      if (waiting.length >= OUTPUT_LENGTH) flush()
    },
    flush,
  }
}

/** `-p` and `-j`. */
async function showQueue(config: Config, json: boolean, console: Console): Promise<void> {
  await refuseUnlisted(config, 'authorized_mailq_users', 'view the mail queue')
  const output = collected(console)
  const longIds = config.bool('enable_long_queue_ids')
  const printer = json ? new JsonPrinter(output.write) : new TablePrinter(output.write, longIds)
  try {
    await fillListing(config, printer)
    printer.finish()
  } finally {
    output.flush()
  }
}

async function fillListing(config: Config, printer: ListingPrinter): Promise<void> {
  const service = config.str('showq_service_name')
  const result = await listFromService(`public/${service}`, printer)
  if (result.kind === 'ok') return
  if (result.kind === 'malformed') fail('malformed showq server response')
  const problem = `Connect to the ${config.str('mail_name')} ${service} service: ${result.reason}`
  // Without the right to use the socket there is no telling whether the mail system is down.
  if (result.forbidden) fail(problem)
  if (process.getuid?.() === 0) log.warning(`Mail system is down -- accessing queue directly (${problem})`)
  log.flush()
  if (!readDirectly(config, printer)) fail(`Queue report unavailable - mail system is down (${problem})`)
}

function readDirectly(config: Config, printer: ListingPrinter): boolean {
  try {
    return listDirectly(config, printer)
  } catch (error) {
    if (errnoCode(error) === undefined) throw error
    return fail('malformed showq server response')
  }
}

/** `-f` */
async function flushQueue(config: Config): Promise<void> {
  await refuseUnlisted(config, 'authorized_flush_users', 'flush the mail queue')
  await trigger(`public/${config.str('queue_service_name')}`, FLUSH_REQUEST)
  await trigger(`public/${config.str('pickup_service_name')}`, WAKEUP_REQUEST)
}

async function trigger(path: string, request: string): Promise<void> {
  try {
    await sendTrigger(path, request)
  } catch (error) {
    log.warning(`unable to look up ${path}: ${errnoText(error)}`)
    fail('Cannot flush mail queue - mail system is down')
  }
}

/** `-s` */
async function flushSite(config: Config, site: string): Promise<void> {
  await refuseUnlisted(config, 'authorized_flush_users', 'flush the mail queue')
  if (!isMailHost(site)) fail(`Cannot flush mail queue - invalid destination: "${shortened(site)}"`)
  finish(await new FlushClient(config, '.').sendSite(site), site)
}

/** `-i` */
async function flushMessage(config: Config, id: string): Promise<void> {
  await refuseUnlisted(config, 'authorized_flush_users', 'flush the mail queue')
  if (!isQueueId(id)) fail(`Cannot flush queue ID - invalid name: "${shortened(id)}"`)
  finish(await new FlushClient(config, '.').sendFile(id), id)
}

function shortened(text: string): string {
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}...` : text
}

function finish(status: FlushStatus, what: string): void {
  switch (status) {
    case FLUSH_STATUS.ok: return
    case FLUSH_STATUS.bad: return fail(`Invalid request: "${what}"`)
    case FLUSH_STATUS.deny: return fail(`Flush service is not configured for destination "${what}"`)
    case FLUSH_STATUS.fail: return fail('Cannot flush mail queue - mail system is down')
    default: status satisfies never
  }
}

async function perform({ letter, value }: Mode, config: Config, console: Console): Promise<void> {
  switch (letter) {
    case 'p': return showQueue(config, false, console)
    case 'j': return showQueue(config, true, console)
    case 'f': return flushQueue(config)
    case 's': return flushSite(config, value)
    case 'i': return flushMessage(config, value)
    default: letter satisfies never
  }
}

/** Runs postqueue with these arguments. @throws {CommandExit} */
export async function postqueue(argv: readonly string[], console: Console = processConsole): Promise<number> {
  const line = parseOrUsage(PROGRAM, 'c:fi:jps:v', argv, { usage: USAGE, exitCode: POSTQUEUE_FAILED })
  const given = modeOf(line)
  const directory = line.options.findLast(([letter]) => letter === 'c')?.[1]
  const config = loadTrustedConfig(PROGRAM, directory, POSTQUEUE_FAILED)
  const mode = given ?? fatal(PROGRAM, USAGE, POSTQUEUE_FAILED)
  cleanEnvironment(config)
  const verbose = line.options.some(([letter]) => letter === 'v')
  setLog(openProgramLog(config, { program: PROGRAM, verbose, stderr: PROGRAM }))
  enterQueue(config, fail)
  try {
    await perform(mode, config, console)
  } finally {
    log.flush()
  }
  return 0
}
