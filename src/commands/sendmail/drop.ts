/**
 * The ways from sendmail to maildrop.
 *
 * A user without rights there needs postdrop, which is set-gid, as a child process. For root, for the owner of the
 * queue, and where nothing is installed set-gid, postdrop would be a process with exactly the rights of this one: then
 * what it does is done here. That gives nothing away: it is the same code, which checks the same records, and whoever
 * may run it so can write maildrop without it. A start of Node.js is most of the time of a submission.
 *
 * @module
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { CommandExit, warn } from '#commands/getopt.ts'
import { MaildropFile, removeOnSignal } from '#commands/postdrop/maildrop.ts'
import { setGidCommand } from '#commands/programs.ts'
import type { Config } from '#config/config.ts'
import { loadConfig } from '#config/load.ts'
import { appendRecord } from '#queue/record.ts'
import { attribute, attributeNumber, AttributeDecoder } from '#service/attributes.ts'
import { openProgramLog } from '#service/logging.ts'
import { errnoText } from '#system/errno.ts'
import { restoreLog, setLog, type Logger } from '#system/log.ts'
import { ByteWriter } from '#util/byte-writer.ts'
import { deferred } from '#util/deferred.ts'

/** How it went: bits of cleanup's status, and a reason that may be empty. */
export type DropResult = { readonly status: number; readonly reason: string }

/** postdrop ended without an answer, or could not be run. `status` is what it ended with. */
export class DropError extends Error {
  override readonly name = 'DropError'
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.status = status
  }
}

/** Where the bytes of records go. */
type Way = {
  /** Begins. @throws {DropError} */
  open(): Promise<void>
  /** Takes some; a promise when the next ones should wait. @throws {DropError} */
  write(bytes: Uint8Array): Promise<void> | undefined
  /** Ends, after the end record. @throws {DropError} */
  finish(): Promise<DropResult>
  /** Calls the submission off. */
  cancel(): Promise<void>
}

/** Records are handed on in pieces of about this size. */
const CHUNK_BYTES = 32_768
/** What a process that ended with a message says to the one that ran it. */
const ENDED = 'Application error'

/** One submission. */
export class Drop {
  readonly #way: Way
  readonly #out = new ByteWriter(CHUNK_BYTES)

  constructor(config: Config) {
    const installed = setGidCommand(config, 'postdrop')
    this.#way = installed === undefined ? new OwnWay(config) : new ChildWay(installed, config)
  }

  /** Begins. @throws {DropError} */
  open(): Promise<void> {
    return this.#way.open()
  }

  /** Adds a record. */
  record(type: number, payload: Uint8Array | string): void {
    appendRecord(this.#out, type, payload)
  }

  /** Something to wait for before more is added; `undefined` when there is no need to. @throws {DropError} */
  ready(): Promise<void> | undefined {
    return this.#out.length < CHUNK_BYTES ? undefined : this.#flush()
  }

  /** Ends the input, after the end record. @throws {DropError} */
  async finish(): Promise<DropResult> {
    await this.#flush()
    return this.#way.finish()
  }

  /** Calls the submission off: nothing is left behind. */
  cancel(): Promise<void> {
    return this.#way.cancel()
  }

  #flush(): Promise<void> | undefined {
    const bytes = Buffer.from(this.#out.bytes())
    this.#out.clear()
    return this.#way.write(bytes)
  }
}

/** postdrop's work in this process. What it logs and says goes under its name, as if it were one of its own. */
class OwnWay implements Way {
  readonly #config: Config
  readonly #log: Logger
  #file: MaildropFile | undefined
  #forget = (): void => undefined

  constructor(config: Config) {
    this.#config = config
    this.#log = openProgramLog(config, { program: 'postdrop', stderr: 'postdrop' })
  }

  open(): Promise<void> {
    // postdrop would read main.cf too, and say what is strange about it.
    loadConfig(this.#config.directory, (text) => warn('postdrop', text))
    return this.#asPostdrop(() => {
      const file = new MaildropFile(this.#config)
      this.#file = file
      this.#forget = removeOnSignal(file, (signal) => void process.kill(process.pid, signal))
    })
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#asPostdrop(() => this.#file?.push(bytes))
  }

  finish(): Promise<DropResult> {
    return this.#asPostdrop(async () => {
      const outcome = await this.#file?.finish()
      if (outcome === undefined || outcome === 'canceled') throw new DropError(ENDED)
      if (outcome.status !== 0) this.#file?.remove()
      this.#forget()
      return outcome
    })
  }

  cancel(): Promise<void> {
    this.#file?.remove()
    this.#file = undefined
    this.#forget()
    return Promise.resolve()
  }

  /** What would end postdrop becomes what its caller would hear of. */
  async #asPostdrop<T>(action: () => T | Promise<T>): Promise<T> {
    const ours = setLog(this.#log)
    try {
      return await action()
    } catch (error) {
      await this.cancel()
      throw error instanceof CommandExit ? new DropError(ENDED, error.exitCode) : error
    } finally {
      this.#log.flush()
      restoreLog(ours)
    }
  }
}

/** postdrop as a child process. */
class ChildWay implements Way {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lists: [string, string][][] = []
  readonly #closed = deferred<void>()
  #wake = deferred<void>()
  #failure: unknown

  /** Runs postdrop. */
  constructor(command: string, config: Config) {
    const env = { ...process.env, MAIL_CONFIG: config.directory }
    this.#child = spawn(command, ['-r'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    const decoder = new AttributeDecoder()
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#lists.push(...decoder.push(chunk))
      this.#wake.resolve()
    })
    // It may end before it has read everything: its answer says why.
    this.#child.stdin.on('error', () => undefined)
    this.#child.on('error', (error) => {
      this.#failure = error
    })
    this.#child.on('close', () => this.#closed.resolve())
  }

  /** The first answer has the queue id of the file. */
  async open(): Promise<void> {
    await this.#list()
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    const { stdin } = this.#child
    if (!stdin.writable || stdin.write(bytes)) return undefined
    return new Promise((resolve) => {
      const done = (): void => {
        stdin.off('drain', done)
        stdin.off('close', done)
        resolve()
      }
      stdin.on('drain', done)
      stdin.on('close', done)
    })
  }

  async finish(): Promise<DropResult> {
    this.#child.stdin.end()
    const list = await this.#list()
    await this.#closed.promise
    return { status: attributeNumber(attribute(list, 'status')) ?? 0, reason: attribute(list, 'reason') ?? '' }
  }

  /** Without the end record postdrop removes the file. */
  async cancel(): Promise<void> {
    this.#child.stdin.end()
    await this.#closed.promise
  }

  async #list(): Promise<[string, string][]> {
    while (this.#lists.length === 0) {
      await Promise.race([this.#wake.promise, this.#closed.promise.then(() => this.#ended())])
      this.#wake = deferred<void>()
    }
    return this.#lists.shift() ?? []
  }

  #ended(): void {
    if (this.#lists.length > 0) return
    if (this.#failure !== undefined) throw new DropError(errnoText(this.#failure))
    throw new DropError(ENDED, this.#child.exitCode ?? undefined)
  }
}
