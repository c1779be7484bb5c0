/**
 * Load for tests that count: sessions that send numbered messages one after another, and remember exactly which of
 * them were acknowledged. A number is used once: what got no answer is not sent again.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { SmtpClient } from './smtp-client.ts'

/** Sender and recipients of a numbered message. */
export type Envelope = { readonly from: string; readonly to: readonly string[] }

export type LoadOptions = {
  readonly port: number
  readonly sessions: number
  /** Who gets message N. */
  readonly envelope: (number: number) => Envelope
  /** Milliseconds between two messages of one session: the pace, not a wait for something. */
  readonly paceMs?: number
  /** Octets of text in each message. */
  readonly bodyBytes?: number
}

const MESSAGES_PER_CONNECTION = 5
/** Between two attempts to connect to a server that is not there. */
const RECONNECT_MS = 50

/** Sessions at work until `stop()`. */
export class Load {
  /** Recipients by number, of messages whose end of data was answered with 250. */
  readonly acknowledged = new Map<number, readonly string[]>()
  /** Queue ids by number, as the 250 told them. */
  readonly queueIds = new Map<number, string>()
  /** Messages whose content was sent, without an answer: they may arrive. */
  readonly unanswered = new Set<number>()
  /** Answers other than 250 to any step, with how often they came. */
  readonly refusals = new Map<string, number>()
  readonly #options: LoadOptions
  readonly #sessions: Promise<void>[] = []
  #next = 0
  #stopped = false

  constructor(options: LoadOptions) {
    this.#options = options
    for (let i = 0; i < options.sessions; i++) this.#sessions.push(this.#session())
  }

  /** Ends all sessions after the message they are at. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#sessions)
  }

  async #session(): Promise<void> {
    while (!this.#stopped) {
      using client = await SmtpClient.open(this.#options.port)
      const ready = client.greeting.startsWith('220') && (await client.command('EHLO load.example')).startsWith('250')
      if (!ready) {
        this.#refused(client.greeting)
        await pause(RECONNECT_MS)
        continue
      }
      for (let sent = 0; sent < MESSAGES_PER_CONNECTION && !this.#stopped; sent++) {
        if (!await this.#message(client)) break
        await pause(this.#options.paceMs ?? 0)
      }
      client.write('QUIT\r\n')
    }
  }

  /** @returns Whether the connection is of further use. */
  async #message(client: SmtpClient): Promise<boolean> {
    const number = this.#next++
    const { from, to } = this.#options.envelope(number)
    const body = 'x'.repeat(70).concat('\r\n').repeat(Math.ceil((this.#options.bodyBytes ?? 0) / 72))
    const steps = [`MAIL FROM:<${from}>`, ...to.map((recipient) => `RCPT TO:<${recipient}>`), 'DATA']
    for (const step of steps) {
      const reply = await client.command(step)
      if (!/^[23]/.test(reply)) return this.#refused(reply)
    }
    this.unanswered.add(number)
    const reply = await client.command(`Subject: number ${number}\r\n\r\n${body}\r\n.`)
    if (reply === '') return false
    this.unanswered.delete(number)
    if (!reply.startsWith('250')) return this.#refused(reply)
    this.acknowledged.set(number, to)
    this.queueIds.set(number, / as (\w+)$/.exec(reply)?.[1] ?? '')
    return true
  }

  #refused(reply: string): false {
    const text = reply === '' ? 'connection closed' : reply
    this.refusals.set(text, (this.refusals.get(text) ?? 0) + 1)
    return false
  }
}
