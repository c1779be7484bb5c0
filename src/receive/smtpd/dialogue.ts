/**
 * The loop between bytes and the session machine: cuts input into lines and
 * content, gives them to the machine, and sends replies together.
 *
 * Replies wait until the input at hand is used up, so that a group of pipelined
 * commands is answered with one write. RFC 2920 §3.2.
 *
 * @module
 */
import type { MaybePromise } from '#util/maybe.ts'
import { InputLines } from './input-lines.ts'
import type { Directive, Machine } from './machine.ts'
import type { Next } from './session.ts'
import { run, wait, type Work } from './work.ts'

/** Where a dialogue sends to. */
export type DialogueOutput = {
  /** Sends text; a promise when the peer should read first. */
  send(text: string): Promise<void> | undefined
  /** Nothing more is read or sent. */
  close(): void
  /** The reply to STARTTLS is sent: the handshake may begin. */
  startTls(): void
  sleep(seconds: number): Promise<void>
}

/** What the machine says, now or later; or a wait for nothing but room; or undefined: more input is needed. */
type Step = MaybePromise<Directive | undefined> | undefined

/** One client's dialogue. */
export class Dialogue {
  readonly machine: Machine
  readonly #output: DialogueOutput
  readonly #lines: InputLines
  #next: Next = 'restart'
  #text = ''
  #busy = false
  #settling: PromiseWithResolvers<void> | undefined
  #greeted: PromiseWithResolvers<void> | undefined = Promise.withResolvers()

  constructor(machine: Machine, output: DialogueOutput) {
    this.machine = machine
    this.#output = output
    const { lineBytesMax, saslResponseMax } = machine.session.settings
    this.#lines = new InputLines(lineBytesMax, saslResponseMax)
  }

  /** Whether the client is to send something. */
  get waiting(): boolean {
    return !this.#busy && this.#next !== 'close' && this.#next !== 'tls' && this.#next !== 'restart'
  }

  /** Nothing more is taken from the client. */
  get closed(): boolean {
    return this.#next === 'close'
  }

  /** Bytes of message content so far, those not yet looked at included; undefined outside content. */
  get contentBytes(): number | undefined {
    if (this.#next !== 'data' && this.#next !== 'chunk') return undefined
    return (this.machine.session.decoder?.receivedBytes ?? 0) + this.#lines.length
  }

  /** Sends the greeting; only then input is looked at. */
  greet(): MaybePromise<void> {
    return run(this.#greet())
  }

  /** Goes on after a TLS handshake. What was read before it is gone. */
  secured(): MaybePromise<void> {
    this.#lines.clear()
    return run(this.#secured())
  }

  /** Takes input; done when all of it is used, and replies are sent. */
  push(chunk: Uint8Array): MaybePromise<void> {
    this.#lines.add(chunk)
    if (this.#greeted !== undefined) return this.#greeted.promise
    return run(this.#drive())
  }

  /** Settles when nothing is at work; undefined when nothing is. */
  settled(): Promise<void> | undefined {
    if (!this.#busy) return undefined
    this.#settling ??= Promise.withResolvers()
    return this.#settling.promise
  }

  /** Ends the dialogue with a last reply. */
  end(reply = ''): void {
    if (reply !== '') this.machine.session.transcript?.out(reply.trimEnd())
    this.#text += reply
    this.#close()
  }

  /** Ends the dialogue without sending anything. */
  abandon(): void {
    this.#text = ''
    this.#next = 'close'
    this.#lines.clear()
  }

  *#greet(): Work<void> {
    yield* this.#work(this.machine.greet(this.#lines.peek()))
    const greeted = this.#greeted
    this.#greeted = undefined
    yield* this.#drive()
    greeted?.resolve()
  }

  *#secured(): Work<void> {
    yield* this.#work(this.machine.secured())
    // What the client has sent meanwhile waits.
    yield* this.#drive()
  }

  *#drive(): Work<void> {
    for (;;) {
      const step = this.#step()
      if (step === undefined) break
      yield* this.#work(step)
    }
    this.#lines.compact()
    const drained = this.#flush()
    if (drained !== undefined) yield drained
  }

  /** Waits for the machine and does what it says. */
  *#work(step: Step): Work<void> {
    this.#busy = true
    try {
      yield* this.#follow(yield* wait(step))
    } finally {
      this.#busy = false
      this.#settling?.resolve()
    }
  }

  /** Gives the machine what it waits for; undefined when that has not arrived. */
  #step(): Step {
    switch (this.#next) {
      case 'command': {
        const line = this.#lines.line()
        if (line?.endless === true) this.#disable()
        return line && this.machine.command(line)
      }
      case 'sasl': {
        const line = this.#lines.response()
        return line && this.machine.response(line)
      }
      case 'data':
        return this.#content()
      case 'chunk':
        return this.#chunk()
      default:
        return undefined
    }
  }

  /** A line without end: the client sends something else than commands. Its start is answered, the rest is not read. */
  #disable(): void {
    const { session } = this.machine
    session.ports.log.warning(`disabling input from ${session.clientLabel}`)
    session.endReason = 'lost connection'
    this.#next = 'close'
  }

  #content(): Step {
    const { decoder, message } = this.machine.session
    if (decoder === undefined || this.#lines.length === 0) return undefined
    this.#lines.take((bytes, start) => decoder.push(bytes, start))
    if (decoder.done) return this.machine.dataEnded()
    return message?.writable()?.then(() => undefined)
  }

  #chunk(): Step {
    const { session } = this.machine
    const { decoder, message } = session
    if (session.chunkBytes > 0) {
      if (this.#lines.length === 0) return undefined
      this.#lines.take((bytes, start) => {
        const end = Math.min(bytes.length, start + session.chunkBytes)
        session.chunkBytes -= end - start
        if (session.chunkRefusal === undefined) decoder?.push(bytes, start, end)
        return end
      })
    }
    if (session.chunkBytes === 0) return this.machine.chunkEnded()
    return message?.writable()?.then(() => undefined)
  }

  /** Does what the machine says. */
  *#follow(directive: Directive | undefined): Work<void> {
    if (directive === undefined) return
    const { delaySeconds, reply, next } = directive
    if (delaySeconds > 0 && reply !== '') {
      yield this.#output.sleep(delaySeconds)
      this.#text += reply
      void this.#flush()
    } else {
      this.#text += reply
    }
    if (this.#next !== 'close') this.#next = next
    if (this.#next === 'close') this.#close()
    else if (next === 'tls') this.#startTls()
  }

  /** RFC 3207 §4.2 and CVE-2011-0411: what came in the clear after STARTTLS is not looked at. */
  #startTls(): void {
    this.#lines.clear()
    void this.#flush()
    this.#output.startTls()
  }

  #close(): void {
    this.#next = 'close'
    this.#lines.clear()
    void this.#flush()
    this.#output.close()
  }

  #flush(): Promise<void> | undefined {
    if (this.#text === '') return undefined
    const text = this.#text
    this.#text = ''
    return this.#output.send(text)
  }
}
