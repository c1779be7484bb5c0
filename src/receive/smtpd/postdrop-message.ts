/**
 * A message that goes to maildrop through postdrop, which may write there when
 * its caller may not.
 *
 * Source: postdrop(1): records in; queue id, then status and reason out.
 *
 * @module
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { statSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Config } from '#config/config.ts'
import { appendRecord, RECORD } from '#queue/record.ts'
import { attribute, attributeNumber, firstList } from '#service/attributes.ts'
import { getpwnam } from '#system/users.ts'
import { ByteWriter } from '#util/byte-writer.ts'
import type { Message, MessageResult } from './ports.ts'

/** The file of our own postdrop, beside this program, as source or as bundle. */
const OWN_POSTDROP = join(import.meta.dirname, '../../commands/postdrop', `main${extname(import.meta.filename)}`)
const SET_GID = 0o2000

/** The command line of postdrop: the installed set-gid one for who needs its rights, else the one of this tree. */
export function postdropCommand(config: Config): readonly string[] {
  const installed = join(config.str('command_directory'), 'postdrop')
  const uid = process.geteuid?.()
  const entitled = uid === 0 || uid === getpwnam(config.str('mail_owner'))?.uid
  const mode = statSync(installed, { throwIfNoEntry: false })?.mode ?? 0
  return !entitled && (mode & SET_GID) !== 0 ? [installed] : [process.execPath, OWN_POSTDROP]
}

type AttributeList = readonly (readonly [string, string])[]

/** postdrop with what it says. */
class Postdrop {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lists: AsyncGenerator<AttributeList, void>
  #failed = false

  constructor([path = '', ...args]: readonly string[], configDirectory: string) {
    const env = { ...process.env, MAIL_CONFIG: configDirectory }
    this.#child = spawn(path, [...args, '-r'], { stdio: ['pipe', 'pipe', 'inherit'], env })
    this.#child.on('error', () => (this.#failed = true))
    this.#child.stdin.on('error', () => (this.#failed = true))
    this.#lists = readLists(this.#child.stdout)
  }

  /** What it says next; empty when it has ended. */
  async next(): Promise<AttributeList> {
    const { value, done } = await this.#lists.next()
    return done === true ? [] : value
  }

  write(bytes: Uint8Array): boolean {
    return this.#failed || this.#child.stdin.write(bytes)
  }

  drained(): Promise<void> {
    const { stdin } = this.#child
    return new Promise((resolve) => {
      stdin.once('drain', () => resolve())
      stdin.once('close', () => resolve())
    })
  }

  end(): void {
    this.#child.stdin.end()
  }
}

async function* readLists(stream: Readable): AsyncGenerator<AttributeList, void> {
  let held: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) continue
    held = Buffer.concat([held, chunk])
    for (let next = firstList(held); next !== undefined; next = firstList(held)) {
      held = held.subarray(next.length)
      yield next.list
    }
  }
}

/** Starts postdrop; the queue id is known when this resolves. @throws {Error} When postdrop does not work. */
export async function openPostdropMessage(command: readonly string[], configDirectory: string): Promise<Message> {
  const postdrop = new Postdrop(command, configDirectory)
  const id = attribute(await postdrop.next(), 'queue_id')
  if (id === undefined) throw new Error(`Cannot submit mail as ${command.join(' ')} -r gives no queue id`)
  return new PostdropMessage(postdrop, id)
}

class PostdropMessage implements Message {
  readonly id: string
  readonly failed = false
  readonly #postdrop: Postdrop
  #inContent = false
  #full = false

  constructor(postdrop: Postdrop, id: string) {
    this.#postdrop = postdrop
    this.id = id
  }

  envelope(type: number, payload: string): void {
    this.#record(type, payload)
  }

  content(records: Uint8Array): void {
    if (!this.#inContent) this.#record(RECORD.message, '')
    this.#inContent = true
    this.#full = !this.#postdrop.write(Uint8Array.from(records))
  }

  endContent(): void {
    this.#record(RECORD.extracted, '')
  }

  extracted(type: number, payload: string): void {
    this.#record(type, payload)
  }

  writable(): Promise<void> | undefined {
    if (!this.#full) return undefined
    this.#full = false
    return this.#postdrop.drained()
  }

  async finish(): Promise<MessageResult> {
    this.#record(RECORD.end, '')
    const answer = await this.#postdrop.next()
    this.#postdrop.end()
    const status = attributeNumber(attribute(answer, 'status'))
    if (status === undefined) throw new Error('postdrop ended without a status')
    return { status, reason: attribute(answer, 'reason') ?? '' }
  }

  /** Without an end record postdrop forgets the message. */
  cancel(): void {
    this.#postdrop.end()
  }

  #record(type: number, payload: string): void {
    const out = new ByteWriter()
    appendRecord(out, type, payload)
    this.#postdrop.write(out.bytes())
  }
}
