/**
 * What postdrop does.
 *
 * @module
 */
import { CommandExit, parseOrUsage } from '#commands/getopt.ts'
import { enterQueue } from '#commands/queue-owner.ts'
import { cleanEnvironment, loadTrustedConfig } from '#commands/setgid.ts'
import type { Config } from '#config/config.ts'
import { encodeAttributes } from '#service/attributes.ts'
import { openProgramLog } from '#service/logging.ts'
import { log, setLog } from '#system/log.ts'
import { getpwuid } from '#system/users.ts'
import { openMatchList } from '#tables/match-list.ts'
import { MaildropFile, removeOnSignal, type Outcome } from './maildrop.ts'

const PROGRAM = 'postdrop'
const USAGE = 'usage: postdrop [-c config_dir] [-v]'

/** Standard input and output. */
export type PostdropStreams = { readonly input: AsyncIterable<Uint8Array>; readonly output: (bytes: Uint8Array) => void }

function fail(text: string): never {
  log.fatal(text)
  log.flush()
  throw new CommandExit('', 1)
}

/** Runs postdrop with these arguments; the exit status. @throws {CommandExit} */
export async function postdrop(argv: readonly string[], streams: PostdropStreams): Promise<number> {
  const line = parseOrUsage(PROGRAM, 'c:rv', argv, { usage: USAGE, exitCode: 1 })
  const config = loadTrustedConfig(PROGRAM, line.options.findLast(([letter]) => letter === 'c')?.[1])
  setLog(openProgramLog(config, { program: PROGRAM, stderr: PROGRAM }))
  await refuseUnlisted(config)
  cleanEnvironment(config)
  enterQueue(config, fail)
  try {
    return await drop(config, streams)
  } finally {
    log.flush()
  }
}

async function refuseUnlisted(config: Config): Promise<void> {
  const uid = process.getuid?.() ?? 0
  const name = getpwuid(uid)?.name ?? 'unknown'
  const list = openMatchList('authorized_submit_users', config.str('authorized_submit_users'), 'string', { config })
  if ((await list.match(name)) !== true) fail(`User ${name}(${uid}) is not allowed to submit mail`)
}

async function drop(config: Config, { input, output }: PostdropStreams): Promise<number> {
  const file = new MaildropFile(config)
  const forget = removeOnSignal(file, () => process.exit(1))
  try {
    output(encodeAttributes([['protocol', 'postdrop_protocol'], ['queue_id', file.id]]))
    const outcome = await receive(file, input)
    if (outcome === 'canceled' || outcome.status !== 0) file.remove()
    if (outcome === 'canceled') return 0
    output(encodeAttributes([['status', outcome.status], ['reason', outcome.reason]]))
    return outcome.status & 0xff
  } catch (error) {
    file.remove()
    throw error
  } finally {
    forget()
  }
}

async function receive(file: MaildropFile, input: AsyncIterable<Uint8Array>): Promise<Outcome | 'canceled'> {
  for await (const chunk of input) {
    file.push(chunk)
    if (file.ended) break
  }
  return file.finish()
}
