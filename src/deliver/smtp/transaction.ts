/**
 * One message over one session: MAIL, RCPT, DATA, the content, the verdicts.
 *
 * With PIPELINING commands go out together, up to as many bytes as Postfix would
 * send unasked; without it one at a time. Either way the replies decide in order.
 *
 * Source: RFC 5321 §3.3, §4.1.1; RFC 2920 (PIPELINING); RFC 2033 §4.2 (LMTP: one reply per recipient).
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  isIntermediate, isPositive, isProtocolError, refused, REPLY_TO, type Failure, type ServerReply,
} from './failure.ts'
import type { Command } from './engine.ts'
import { ConnectionBroken } from './engine.ts'
import type { Progress, Slot } from './progress.ts'
import type { Session } from './session.ts'
import { STAGE_TEXTS, type Stage } from './stage.ts'
import { log } from '#system/log.ts'

const EMPTY = new Uint8Array(0)
/** Bytes of commands that go out before their replies are waited for. RFC 2920 §3.1 asks for some limit. */
const PIPELINE_BYTES_MAX = 4096

/** The message as one transaction needs it. */
export type Outgoing = {
  /** Commands before MAIL. */
  readonly xforward: { readonly address?: string; readonly helo?: string }
  readonly mail: string
  rcpt(slot: Slot): string
  /**
   * The content as wire bytes, without the final dot. Ends early with a failure
   * when the content cannot be sent over this session.
   */
  content(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>
  /** What `content()` found wrong. */
  readonly contentFailure: () => Failure | undefined
}

/** How the session goes on after the message. */
export type TransactionOptions = {
  readonly lmtp: boolean
  /** An address probe ends after this command. */
  readonly probe: 'rcpt' | 'data' | undefined
  /** The connection will be kept: no QUIT. Asked once, when it matters. */
  keep(): boolean
  readonly skipQuitResponse: boolean
  readonly pauseSeconds: number
}

/**
 * Sends the message to all open recipients and records their ends.
 *
 * @returns Whether the session stands at the start of the next message. Otherwise it is over.
 * @throws {ConnectionBroken} The connection broke off, with recipients open that nothing is known of.
 */
export async function sendMessage(
  session: Session, progress: Progress, message: Outgoing, options: TransactionOptions,
): Promise<boolean> {
  return new Transaction(session, progress, message, options).run()
}

class Transaction {
  readonly #session: Session
  readonly #progress: Progress
  readonly #message: Outgoing
  readonly #options: TransactionOptions
  readonly #slots: readonly Slot[]
  readonly #accepted: Slot[] = []
  #mailRejected = false
  #stale = false
  #dataReply: ServerReply | undefined

  constructor(session: Session, progress: Progress, message: Outgoing, options: TransactionOptions) {
    this.#session = session
    this.#progress = progress
    this.#message = message
    this.#options = options
    this.#slots = progress.left
  }

  async run(): Promise<boolean> {
    await this.#xforward()
    this.#progress.setupDone = Date.now()
    try {
      await this.#envelope()
    } catch (error) {
      if (!this.#stale) throw error
    }
    if (this.#stale) {
      this.#session.engine.close()
      throw new ConnectionBroken('eof', 'mail')
    }
    const { probe } = this.#options
    if (this.#mailRejected || this.#accepted.length === 0 || probe === 'rcpt') return this.#abort()
    const data = this.#dataReply
    if (data === undefined || !isIntermediate(data)) {
      if (data !== undefined) this.#progress.fail(this.#refusal(data, 'data'), false)
      return this.#abort()
    }
    if (probe === 'data') return this.#endProbe(data)
    return this.#content()
  }

  async #xforward(): Promise<void> {
    const { address, helo } = this.#message.xforward
    await this.#sayXforward(address, 'xforwardAddress')
    await this.#sayXforward(helo, 'xforwardHelo')
  }

  async #sayXforward(line: string | undefined, stage: 'xforwardAddress' | 'xforwardHelo'): Promise<void> {
    if (line === undefined) return
    const { reply } = await this.#session.engine.command(line, stage)
    if (isPositive(reply)) return
    log.warning(`host ${this.#session.relay} said: ${reply.text} (in reply to ${REPLY_TO[stage]})`)
  }

  /** MAIL, every RCPT, DATA: in as few writes as the server and the limit allow. */
  async #envelope(): Promise<void> {
    const batch: { command: Command; take: (reply: ServerReply) => void }[] = []
    let bytes = 0
    const flush = async (): Promise<void> => {
      const sent = batch.splice(0)
      bytes = 0
      if (sent.length > 0) await this.#exchange(sent)
    }
    const limit = this.#session.capabilities.pipelining ? PIPELINE_BYTES_MAX : 0
    for (const each of this.#envelopeCommands()) {
      if (bytes + each.command.line.length + 2 > limit) await flush()
      // The replies so far may have decided that this command is not sent any more.
      if (this.#isPointless(each.command.stage)) return
      batch.push(each)
      bytes += each.command.line.length + 2
    }
    await flush()
  }

  *#envelopeCommands(): Generator<{ command: Command; take: (reply: ServerReply) => void }> {
    yield { command: { line: this.#message.mail, stage: 'mail' }, take: (reply) => this.#takeMail(reply) }
    for (const slot of this.#slots) {
      yield { command: { line: this.#message.rcpt(slot), stage: 'rcpt' }, take: (reply) => this.#takeRcpt(slot, reply) }
    }
    if (this.#options.probe === 'rcpt') return
    yield { command: { line: 'DATA', stage: 'data' }, take: (reply) => (this.#dataReply = reply) }
  }

  #isPointless(stage: Stage): boolean {
    if (this.#mailRejected) return true
    return stage === 'data' && this.#accepted.length === 0 && this.#slots.every(({ state }) => state !== 'open')
  }

  async #exchange(batch: readonly { command: Command; take: (reply: ServerReply) => void }[]): Promise<void> {
    const commands = batch.map(({ command }) => command)
    await this.#session.engine.exchange(commands, (reply, index) => batch[index]?.take(reply))
  }

  #takeMail(reply: ServerReply): void {
    if (isPositive(reply)) return
    this.#mailRejected = true
    // RFC 5321 §3.8: the server has ended the session while it waited. Nothing was said about this message.
    if (reply.code === 421 && this.#session.uses > 1) {
      this.#stale = true
      return
    }
    this.#progress.fail(this.#refusal(reply, 'mail'), false)
  }

  #takeRcpt(slot: Slot, reply: ServerReply): void {
    if (this.#mailRejected) return
    if (!isPositive(reply)) return this.#progress.failRecipient(slot, this.#refusal(reply, 'rcpt'))
    this.#accepted.push(slot)
    if (this.#options.probe === 'rcpt') this.#progress.succeed(slot, reply)
  }

  #refusal(reply: ServerReply, command: keyof typeof REPLY_TO): Failure {
    // RFC 5321 §4.2.4: a reply that says we broke the protocol makes the session suspect.
    if (isProtocolError(reply)) {
      this.#session.tainted = true
      this.#session.faulty = true
    }
    return refused(this.#session.host, this.#session.namaddr, reply, command)
  }

  async #content(): Promise<boolean> {
    const { engine } = this.#session
    const stages: Stage[] = this.#options.lmtp ? this.#accepted.map(() => 'dot') : ['dot']
    engine.expect(stages, (reply, index) => this.#takeVerdict(reply, index))
    engine.enter('body')
    const tail = new Tail(this.#options.keep(), this.#session.capabilities.pipelining)
    try {
      if (!await this.#stream(tail)) return false
      await engine.settled()
    } catch (error) {
      // A server may refuse the content before it has seen all of it, and close. Its reply counts.
      if (!(error instanceof ConnectionBroken) || this.#accepted.some(({ state }) => state === 'open')) throw error
      return false
    }
    this.#progress.completeSession = true
    if (tail.keeps) return true
    await this.#quit(tail.saysQuit)
    return false
  }

  /** Writes content and final dot. The last chunk carries the dot, so that a small message is one write. */
  async #stream(tail: Tail): Promise<boolean> {
    const { engine, delayDot } = this.#session
    let last: Uint8Array = EMPTY
    const put = (chunk: Uint8Array): Promise<void> | undefined => {
      if (engine.broken !== undefined) throw engine.broken
      // The memory of a chunk is used again for the next but one.
      const left = last.length > 0 ? engine.transfer(last) : undefined
      last = chunk
      return left
    }
    const content = this.#message.content()
    if (Symbol.asyncIterator in content) for await (const chunk of content) await put(chunk)
    else for (const chunk of content) await put(chunk)
    const failure = this.#message.contentFailure()
    if (failure !== undefined) {
      // RFC 5321 §4.1.1.4 has no way to take DATA back: only closing cancels the message.
      this.#progress.fail(failure, false)
      engine.close()
      return false
    }
    if (delayDot) {
      engine.write(last)
      last = EMPTY
      await delay(this.#options.pauseSeconds * 1000)
    }
    engine.write(Buffer.concat([last, Buffer.from(tail.text)]))
    engine.enter('dot')
    engine.transcript?.out('.')
    if (tail.saysQuit) engine.expectQuit(!this.#options.skipQuitResponse)
    return true
  }

  #takeVerdict(reply: ServerReply, index: number): void {
    this.#progress.done = Date.now()
    if (this.#options.lmtp) {
      const slot = this.#accepted[index]
      if (slot === undefined) return
      if (isPositive(reply)) this.#progress.succeed(slot, reply)
      else this.#progress.failRecipient(slot, this.#refusal(reply, 'dot'))
    } else if (isPositive(reply)) {
      for (const slot of this.#accepted) this.#progress.succeed(slot, reply)
    } else {
      this.#progress.fail(this.#refusal(reply, 'dot'), false)
    }
  }

  /** Nothing more to send: RSET, and QUIT unless the connection is kept. */
  async #abort(): Promise<boolean> {
    if (this.#dataReply !== undefined && isIntermediate(this.#dataReply)) return this.#endEmptyData()
    if (!this.#options.keep()) return this.#end('RSET', 'abort')
    await this.#session.engine.command('RSET', 'abort')
    this.#progress.completeSession = true
    return true
  }

  /** The server took DATA though it took no recipient: RFC 2920 §3.1, an empty message ends it. */
  #endEmptyData(): Promise<boolean> {
    return this.#end('.', 'dot')
  }

  /** RFC 2920 §3.1: where the server takes commands together, QUIT goes out with the last one. */
  async #end(line: string, stage: Stage): Promise<boolean> {
    const { engine, capabilities: { pipelining } } = this.#session
    if (pipelining) await engine.lastCommand(line, stage, !this.#options.skipQuitResponse)
    else await engine.command(line, stage)
    this.#progress.completeSession = true
    await this.#quit(pipelining)
    return false
  }

  #endProbe(data: ServerReply): boolean {
    for (const slot of this.#accepted) this.#progress.succeed(slot, data, '2.0.0')
    this.#progress.completeSession = true
    this.#session.engine.close()
    return false
  }

  async #quit(said: boolean): Promise<void> {
    const { engine } = this.#session
    const wait = !this.#options.skipQuitResponse
    if (!said) return engine.leave(wait)
    // Errors after the last verdict change nothing.
    if (wait) await engine.settled().catch(() => undefined)
    engine.close()
  }
}

/** What follows the content. */
class Tail {
  /** No QUIT: the connection is for another message. */
  readonly keeps: boolean
  /** QUIT goes out with the dot. RFC 2920 §3.1 allows it as the last command. */
  readonly saysQuit: boolean

  constructor(keeps: boolean, pipelining: boolean) {
    this.keeps = keeps
    this.saysQuit = !keeps && pipelining
  }

  get text(): string {
    return this.saysQuit ? '.\r\nQUIT\r\n' : '.\r\n'
  }
}

/** The failure of a broken connection. `namaddr` is `host[address]`. */
export function brokenFailure(broken: ConnectionBroken, namaddr: string): Failure {
  const text = STAGE_TEXTS[broken.stage]
  if (broken.kind === 'timeout') return { dsn: '4.4.2', reason: `conversation with ${namaddr} timed out while ${text}` }
  return { dsn: '4.4.2', reason: `lost connection with ${namaddr} while ${text}` }
}
