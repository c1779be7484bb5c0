/**
 * What postdrop does.
 *
 * @module
 */
import type { Readable, Writable } from 'node:stream'
import { CommandExit, parseOrUsage } from '#commands/getopt.ts'
import { enterQueue } from '#commands/queue-owner.ts'
import { cleanEnvironment, loadTrustedConfig } from '#commands/setgid.ts'
import { STATUS } from '#cleanup/status.ts'
import type { Config } from '#config/config.ts'
import { RECORD } from '#queue/record.ts'
import { openSpool } from '#queue/spool.ts'
import { createQueueFile, type QueueFile } from '#queue/write.ts'
import { encodeAttributes, type Attribute } from '#service/attributes.ts'
import { openProgramLog } from '#service/logging.ts'
import { sendTrigger } from '#service/trigger.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { files } from '#system/files.ts'
import { log, setLog } from '#system/log.ts'
import { getpwuid } from '#system/users.ts'
import { openMatchList } from '#tables/match-list.ts'
import { InputError, SubmissionInput } from './input.ts'
import { maySend } from './login-sender.ts'

const PROGRAM = 'postdrop'
const USAGE = 'usage: postdrop [-c config_dir] [-v]'
/** How long to wait for pickup to take the trigger. */
const TRIGGER_TIMEOUT_MS = 1000

/** Standard input and output. */
export type PostdropStreams = { readonly input: Readable; readonly output: Writable }

/** What came of a submission. `canceled`: the caller called it off. */
type Outcome = { readonly status: number; readonly reason: string } | 'canceled'

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
  const file = createFile(config)
  const forget = forgetOnSignal(file)
  try {
    reply(output, [['protocol', 'postdrop_protocol'], ['queue_id', file.id]])
    const outcome = await receive(config, file, input)
    if (outcome === 'canceled' || outcome.status !== 0) file.remove()
    if (outcome === 'canceled') return 0
    if (outcome.status === 0) await wakePickup(config)
    reply(output, [['status', outcome.status], ['reason', outcome.reason]])
    return outcome.status & 0xff
  } catch (error) {
    file.remove()
    if (error instanceof InputError) fail(`uid=${process.getuid?.() ?? 0}: ${error.message}`)
    throw error
  } finally {
    forget()
  }
}

function createFile(config: Config): QueueFile {
  try {
    return createQueueFile(openSpool(config, '.'), 'maildrop')
  } catch (error) {
    return fail(`mail_queue_enter: create file maildrop: ${errnoText(error)}`)
  }
}

/** A user who ends the command leaves no file behind. */
function forgetOnSignal(file: QueueFile): () => void {
  const onSignal = (): void => {
    file.remove()
    process.exit(1)
  }
  const names = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const
  for (const name of names) process.on(name, onSignal)
  return () => {
    for (const name of names) process.off(name, onSignal)
  }
}

function reply(output: Writable, list: readonly Attribute[]): void {
  output.write(encodeAttributes(list))
}

/** Copies the input to the file and makes it durable. @throws {InputError} */
async function receive(config: Config, file: QueueFile, stream: Readable): Promise<Outcome> {
  const uid = process.getuid?.() ?? 0
  const senders: string[] = []
  const writer = new LimitedWriter(file, config.int('message_size_limit'))
  const input = new SubmissionInput({
    record: (type, payload) => writer.record(type, payload),
    warn: (text) => log.warning(`uid=${uid}: ${text}`),
    warnInput: (text) => log.warning(text),
    sender: (address) => senders.push(address),
  }, config.int('line_length_limit'))
  // The caller's idea of the time does not count.
  writer.record(RECORD.time, `${file.seconds} ${file.microseconds}`)
  for await (const chunk of stream) {
    if (Buffer.isBuffer(chunk) && !input.ended) input.push(chunk)
    if (input.ended) break
  }
  if (!input.end()) return 'canceled'
  if (writer.failure !== undefined) {
    log.warning(`uid=${uid}: ${errnoText(writer.failure)}`)
    return { status: isErrno(writer.failure, 'EFBIG') ? STATUS.size : STATUS.write, reason: '' }
  }
  if (!input.senderSeen || !input.recipientSeen) return { status: STATUS.bad, reason: '' }
  return (await refusedSender(config, uid, senders)) ?? (await finish(file, uid))
}

/** Writes until the first error; the rest of the input is read all the same, so that the caller gets to hear of it. */
class LimitedWriter {
  readonly #file: QueueFile
  readonly #bytesMax: number
  failure: unknown

  constructor(file: QueueFile, bytesMax: number) {
    this.#file = file
    this.#bytesMax = bytesMax
  }

  record(type: number, payload: Uint8Array | string): void {
    if (this.failure !== undefined) return
    try {
      this.#file.record(type, payload)
    } catch (error) {
      this.failure = error
      return
    }
    if (this.#bytesMax > 0 && this.#file.size > this.#bytesMax) {
      this.failure = Object.assign(new Error('EFBIG: file too large'), { code: 'EFBIG', errno: -27 })
    }
  }
}

async function refusedSender(config: Config, uid: number, senders: readonly string[]): Promise<Outcome | undefined> {
  const login = getpwuid(uid)?.name ?? `uid:${uid}`
  for (const sender of senders) {
    const answer = await maySend(config, login, sender)
    if (answer === 'yes') continue
    if (answer === 'error') {
      log.warning(`local_login_sender_maps table lookup error for '${login}'`)
      return { status: STATUS.write, reason: `local_login_sender_maps table lookup error for '${login}'` }
    }
    return { status: STATUS.permission, reason: `not authorized to use sender='${sender}'` }
  }
  return undefined
}

/** The execute bit says that the file is whole. The directory cannot be synced: its group may not read it. */
async function finish(file: QueueFile, uid: number): Promise<Outcome> {
  try {
    file.flush()
    files.fchmod(file.fd, file.mode)
    await files.fsync(file.fd)
  } catch (error) {
    log.warning(`uid=${uid}: ${errnoText(error)}`)
    return { status: STATUS.write, reason: '' }
  }
  file.close()
  return { status: 0, reason: '' }
}

/** Without pickup the mail waits in maildrop. */
async function wakePickup(config: Config): Promise<void> {
  const path = `public/${config.str('pickup_service_name')}`
  try {
    await sendTrigger(path, 'W', TRIGGER_TIMEOUT_MS)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) log.warning(`unable to look up ${path}: ${errnoText(error)}`)
  }
}
