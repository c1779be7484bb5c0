/**
 * The way from sendmail to maildrop: postdrop as a child process, which alone has the
 * right to write there.
 *
 * @module
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { privilegedCommand } from '#commands/programs.ts'
import type { Config } from '#config/config.ts'
import { appendRecord } from '#queue/record.ts'
import { attribute, attributeNumber, AttributeDecoder } from '#service/attributes.ts'
import { errnoText } from '#system/errno.ts'
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

/** Records are handed on in pieces of about this size. */
const CHUNK_BYTES = 32_768

/** One submission. */
export class Drop {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #out = new ByteWriter(CHUNK_BYTES)
  readonly #lists: [string, string][][] = []
  readonly #closed = deferred<void>()
  #wake = deferred<void>()
  #failure: unknown

  /** Runs postdrop. */
  constructor(config: Config) {
    const [command, ...args] = privilegedCommand(config, 'postdrop')
    const env = { ...process.env, MAIL_CONFIG: config.directory }
    this.#child = spawn(command, [...args, '-r'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
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

  /** The queue id of the file. @throws {DropError} */
  async open(): Promise<string> {
    return attribute(await this.#list(), 'queue_id') ?? ''
  }

  /** Adds a record. */
  record(type: number, payload: Uint8Array | string): void {
    appendRecord(this.#out, type, payload)
  }

  /** Something to wait for before more is added; `undefined` when there is no need to. */
  ready(): Promise<void> | undefined {
    return this.#out.length < CHUNK_BYTES ? undefined : this.#flush()
  }

  /** Ends the input, after the end record. @throws {DropError} */
  async finish(): Promise<DropResult> {
    await this.#flush()
    this.#child.stdin.end()
    const list = await this.#list()
    await this.#closed.promise
    return { status: attributeNumber(attribute(list, 'status')) ?? 0, reason: attribute(list, 'reason') ?? '' }
  }

  /** Calls the submission off: without the end record postdrop removes the file. */
  async cancel(): Promise<void> {
    this.#child.stdin.end()
    await this.#closed.promise
  }

  #flush(): Promise<void> {
    const bytes = Buffer.from(this.#out.bytes())
    this.#out.clear()
    const { stdin } = this.#child
    if (!stdin.writable || stdin.write(bytes)) return Promise.resolve()
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
    throw new DropError('Application error', this.#child.exitCode ?? undefined)
  }
}
