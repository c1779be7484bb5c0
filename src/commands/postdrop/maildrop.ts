/**
 * A message on its way into maildrop: what postdrop does with the input of its caller, and what sendmail does itself
 * where postdrop would have no right that sendmail has not. The log is postdrop's.
 *
 * @module
 */
import { STATUS } from '#cleanup/status.ts'
import { CommandExit } from '#commands/getopt.ts'
import type { Config } from '#config/config.ts'
import { RECORD } from '#queue/record.ts'
import { openSpool } from '#queue/spool.ts'
import { createQueueFile, type QueueFile } from '#queue/write.ts'
import { leaveTrigger } from '#service/trigger.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { files } from '#system/files.ts'
import { log } from '#system/log.ts'
import { getpwuid } from '#system/users.ts'
import { InputError, SubmissionInput } from './input.ts'
import { maySend } from './login-sender.ts'

/** What came of a submission: bits of cleanup's status, and a reason that may be empty. */
export type Outcome = { readonly status: number; readonly reason: string }

/** Logs and ends. @throws {CommandExit} */
function fail(text: string): never {
  log.fatal(text)
  log.flush()
  throw new CommandExit('', 1)
}

/** One submission. After an error of any call, and when it is called off, `remove()` it. */
export class MaildropFile {
  readonly #config: Config
  readonly #uid = process.getuid?.() ?? 0
  readonly #senders: string[] = []
  readonly #file: QueueFile
  readonly #writer: LimitedWriter
  readonly #input: SubmissionInput

  /** Makes the file; the working directory is the queue directory. @throws {CommandExit} */
  constructor(config: Config) {
    this.#config = config
    this.#file = this.#create()
    const writer = new LimitedWriter(this.#file, config.int('message_size_limit'))
    this.#writer = writer
    this.#input = new SubmissionInput({
      record: (type, payload) => writer.record(type, payload),
      warn: (text) => log.warning(`uid=${this.#uid}: ${text}`),
      warnInput: (text) => log.warning(text),
      sender: (address) => this.#senders.push(address),
    }, config.int('line_length_limit'))
    // The caller's idea of the time does not count.
    writer.record(RECORD.time, `${this.#file.seconds} ${this.#file.microseconds}`)
  }

  /** Its queue id. */
  get id(): string {
    return this.#file.id
  }

  /** Whether the end record has come. */
  get ended(): boolean {
    return this.#input.ended
  }

  /** Takes a piece of the input. @throws {CommandExit} It is refused as a whole. */
  push(bytes: Uint8Array): void {
    this.#checked(() => this.#input.push(bytes))
  }

  /**
   * Takes the end of the input, and makes the file durable and known to pickup.
   *
   * @returns What came of it: the file stays with status 0. `canceled`: the input ended without the end record.
   * @throws {CommandExit} The input is refused as a whole.
   */
  async finish(): Promise<Outcome | 'canceled'> {
    if (!this.#checked(() => this.#input.end())) return 'canceled'
    const outcome = this.#problem() ?? (await this.#refusedSender()) ?? (await this.#complete())
    if (outcome.status === 0) await this.#wakePickup()
    return outcome
  }

  /** Leaves nothing behind. */
  remove(): void {
    this.#file.remove()
  }

  #create(): QueueFile {
    try {
      return createQueueFile(openSpool(this.#config, '.'), 'maildrop')
    } catch (error) {
      return fail(`mail_queue_enter: create file maildrop: ${errnoText(error)}`)
    }
  }

  #checked<T>(action: () => T): T {
    try {
      return action()
    } catch (error) {
      if (error instanceof InputError) fail(`uid=${this.#uid}: ${error.message}`)
      throw error
    }
  }

  #problem(): Outcome | undefined {
    const { failure } = this.#writer
    if (failure !== undefined) {
      log.warning(`uid=${this.#uid}: ${errnoText(failure)}`)
      return { status: isErrno(failure, 'EFBIG') ? STATUS.size : STATUS.write, reason: '' }
    }
    return this.#input.senderSeen && this.#input.recipientSeen ? undefined : { status: STATUS.bad, reason: '' }
  }

  async #refusedSender(): Promise<Outcome | undefined> {
    const login = getpwuid(this.#uid)?.name ?? `uid:${this.#uid}`
    for (const sender of this.#senders) {
      const answer = await maySend(this.#config, login, sender)
      if (answer === 'yes') continue
      if (answer === 'no') return { status: STATUS.permission, reason: `not authorized to use sender='${sender}'` }
      const reason = `local_login_sender_maps table lookup error for '${login}'`
      log.warning(reason)
      return { status: STATUS.write, reason }
    }
    return undefined
  }

  /** The execute bit says that the file is whole. The directory cannot be synced: its group may not read it. */
  async #complete(): Promise<Outcome> {
    const file = this.#file
    try {
      file.flush()
      files.fchmod(file.fd, file.mode)
      await files.fsync(file.fd)
    } catch (error) {
      log.warning(`uid=${this.#uid}: ${errnoText(error)}`)
      return { status: STATUS.write, reason: '' }
    }
    file.close()
    return { status: 0, reason: '' }
  }

  /** Without pickup the mail waits in maildrop. */
  async #wakePickup(): Promise<void> {
    const path = `public/${this.#config.str('pickup_service_name')}`
    try {
      await leaveTrigger(path, 'W')
    } catch (error) {
      if (isErrno(error, 'ENOENT')) log.warning(`unable to look up ${path}: ${errnoText(error)}`)
    }
  }
}

/**
 * A user who ends the command leaves no file behind.
 *
 * @param end Ends the process.
 * @returns Takes it back.
 */
export function removeOnSignal(file: MaildropFile, end: (signal: NodeJS.Signals) => void): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    file.remove()
    forget()
    end(signal)
  }
  const names = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const
  const forget = (): void => {
    for (const name of names) process.off(name, onSignal)
  }
  for (const name of names) process.on(name, onSignal)
  return forget
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
