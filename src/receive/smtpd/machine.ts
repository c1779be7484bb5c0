/**
 * The SMTP session machine: command lines and events in, replies and what to
 * read next out. No sockets, no timers: `connection.ts` is its shell, and a
 * table of strings is enough to test it.
 *
 * Source: RFC 5321; Postfix smtpd(8).
 *
 * @module
 */
import { isHeaderLine } from '#mail/header.ts'
import { HIDDEN, withoutSecret } from '#mail/transcript.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { printable } from '#util/printable.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { saslResponse, saslTooLong } from './commands/auth.ts'
import { endOfChunk, endOfData } from './commands/content.ts'
import { afterHandshake } from './commands/starttls.ts'
import { findCommand, UNKNOWN_COUNTER, type Command } from './commands/table.ts'
import { applyResult, endsSession } from './decisions.ts'
import { bareNewlineReply } from './finish.ts'
import { milterEvent } from './milters.ts'
import { accept, refuse, refuseFor, type Next, type Outcome, type Session } from './session.ts'
import { prepareSession } from './start.ts'
import { escapeInput } from './text.ts'
import { commandTokens } from './tokens.ts'
import { run, wait, type Work } from './work.ts'

/** What the shell has to do: wait, send `reply` (whole lines, or empty), and go on with `next`. */
export type Directive = { readonly delaySeconds: number; readonly reply: string; readonly next: Next }

/** A line as the wire had it. */
export type InputLine = {
  /** Without its line end; cut at the limit. */
  readonly bytes: Uint8Array
  /** It ended with LF alone. */
  readonly bare: boolean
  /** It was longer than line_length_limit. */
  readonly tooLong: boolean
  /** What has already arrived after it. */
  readonly ahead: Uint8Array
}

/** Bytes of out-of-turn input that are logged. */
const LOGGED_AHEAD_BYTES_MAX = 100
/** Characters of a command that is no command which are logged. */
const LOGGED_COMMAND_CHARACTERS_MAX = 100
/** Characters of a line that is too long which are logged. */
const LOGGED_LONG_CHARACTERS_MAX = 30

/** Whether these commands succeed is known later: after content, a login or a handshake. */
const LATER_SUCCESS: ReadonlySet<Next | undefined> = new Set<Next | undefined>(['data', 'chunk', 'sasl', 'tls'])

/** Feeds a session. Each method is to be called only after the last one has given its directive. */
export class Machine {
  readonly session: Session

  constructor(session: Session) {
    this.session = session
  }

  /** The greeting. @param ahead What the client sent before it. */
  greet(ahead: Uint8Array): MaybePromise<Directive> {
    return run(this.#greeting(ahead))
  }

  /** A command line. */
  command(line: InputLine): MaybePromise<Directive> {
    return run(this.#command(line))
  }

  /** A line of a SASL dialogue. */
  response(line: InputLine): MaybePromise<Directive> {
    return run(this.#response(line))
  }

  /** The content of DATA is complete. */
  dataEnded(): MaybePromise<Directive> {
    return run(this.#counted(endOfData(this.session), 'data'))
  }

  /** A BDAT chunk is complete. */
  chunkEnded(): MaybePromise<Directive> {
    return run(this.#counted(endOfChunk(this.session), 'bdat'))
  }

  /** The TLS handshake is done; `session.tls` is set. */
  secured(): MaybePromise<Directive> {
    return run(this.#secured())
  }

  /** The client did not send in time. */
  timedOut(): string {
    const { session } = this
    session.endReason = 'timeout'
    return `421 4.4.2 ${session.settings.myhostname} Error: timeout exceeded\r\n`
  }

  *#greeting(ahead: Uint8Array): Work<Directive> {
    const { session } = this
    const { settings, ports } = session
    yield* prepareSession(session)
    if (ahead.length > 0 && !session.standAlone) {
      this.#noteImproper(ahead)
      if (settings.forbidUnauthorizedPipelining) {
        return yield* this.#directive(OUT_OF_TURN, 0)
      }
    }
    const filtered = this.#filteredGreeting()
    if (filtered !== undefined) return yield* this.#directive(filtered, 0)
    if (settings.delayReject || session.standAlone) return yield* this.#directive(accept(`220 ${settings.banner}`), 0)
    const result = yield* wait(ports.access.check('client', session.facts('CONNECT'), session.accessState))
    const refusal = applyResult(session, result)
    session.accessDenied = refusal?.reply
    if (refusal !== undefined) session.blame('policy')
    return yield* this.#directive(refusal ?? accept(`220 ${settings.banner}`), 0)
  }

  /** What mail filters say to the connection. */
  #filteredGreeting(): Outcome | undefined {
    const { session } = this
    const { myhostname } = session.settings
    const reply = milterEvent(session, 'CONNECT')
    if (reply?.startsWith('421') === true) {
      return { ...accept(`421 ${myhostname} Service unavailable - try again later`, 'close'), fault: 'policy' }
    }
    if (reply?.startsWith('5') !== true) return undefined
    return { ...accept(`554 ${myhostname} ESMTP not accepting connections`), fault: 'policy' }
  }

  *#command(line: InputLine): Work<Directive> {
    const delay = this.#delay()
    const text = decodeRaw(line.bytes)
    const { parting, transcript } = this.session
    transcript?.in(withoutSecret(text))
    if (parting !== undefined) return yield* this.#directive(parting, delay)
    const outcome = this.#unusable(line, text) ?? (yield* this.#dispatch(text, line.ahead))
    return yield* this.#directive(outcome, delay)
  }

  /** Lines that are not looked at any further. */
  #unusable({ bare, tooLong }: InputLine, text: string): Outcome | undefined {
    const { session } = this
    const { settings, transaction } = session
    if (bare && !session.bareNewlinesExcluded) {
      if (settings.bareNewline.note) session.bareNewlineNoted = true
      if (settings.bareNewline.action === 'reject') {
        const recipient = transaction.recipientCount === 1 ? transaction.firstRecipient : undefined
        session.logAction('reject', session.where, 'bare <LF> received', { recipient })
        return refuse(bareNewlineReply(session), 'close')
      }
    }
    if (tooLong) this.#noteLong(text, settings.lineBytesMax)
    if (!settings.smtputf8 || text.isWellFormed()) return undefined
    session.counters.started(UNKNOWN_COUNTER)
    return refuse('500 5.5.2 Error: bad UTF-8 syntax')
  }

  #noteLong(text: string, limit: number): void {
    const start = printable(text).slice(0, LOGGED_LONG_CHARACTERS_MAX)
    this.session.ports.log.warning(`${this.session.clientLabel}: request longer than ${limit}: ${start}...`)
  }

  *#dispatch(line: string, ahead: Uint8Array): Work<Outcome> {
    const { session } = this
    const { settings, ports, counters } = session
    const filtered = yield* wait(ports.filterCommand(line))
    if (filtered !== undefined) {
      const [before, after] = [line, filtered].map((words) => printable(words).slice(0, LOGGED_COMMAND_CHARACTERS_MAX))
      ports.log.info(`${session.clientLabel}: replacing command "${before}" with "${after}"`)
    }
    const text = filtered ?? line
    const words = commandTokens(text)
    const [verb] = words
    if (verb === undefined) {
      counters.started(UNKNOWN_COUNTER)
      return refuse('500 5.5.2 Error: bad syntax')
    }
    if (yield* wait(ports.commandListed('noop', verb.text))) return this.#junk(accept('250 2.0.0 Ok'))
    const command = findCommand(verb.text)
    counters.started(command?.counter ?? UNKNOWN_COUNTER)
    if (command === undefined) {
      session.where = 'UNKNOWN'
      if (isHeaderLine(verb.text) || (yield* wait(ports.commandListed('forbidden', verb.text)))) {
        return this.#noCommand(text)
      }
    }
    if (session.accessDenied !== undefined && command?.name !== 'QUIT') return this.#denied(session.accessDenied)
    if (command === undefined) return this.#unknown()
    if (settings.tlsLevel === 'encrypt' && session.tls === undefined && !command.beforeTls && !session.standAlone) {
      return refuseFor(undefined, '530 5.7.0 Must issue a STARTTLS command first')
    }
    session.where = command.name
    if (!this.#inTurn(command, ahead)) return OUT_OF_TURN
    const work = command.handler(session, words, text)
    const outcome = 'reply' in work ? work : yield* work
    if (outcome.ok && !LATER_SUCCESS.has(outcome.next)) counters.succeeded(command.counter)
    return command.junk ? this.#junk(outcome) : outcome
  }

  #unknown(): Outcome {
    const reply = milterEvent(this.session, 'UNKNOWN')
    return refuse(reply?.startsWith('4') === true ? reply : '500 5.5.2 Error: command not recognized')
  }

  #noCommand(text: string): Outcome {
    const shown = escapeInput(Buffer.from(text).subarray(0, LOGGED_COMMAND_CHARACTERS_MAX))
    this.session.ports.log.warning(`non-SMTP command from ${this.session.clientLabel}: ${shown}`)
    return refuseFor(undefined, '221 2.7.0 Error: I can break rules, too. Goodbye.', 'close')
  }

  #denied(reply: string): Outcome {
    if (endsSession(reply)) return refuseFor(undefined, reply, 'close')
    return refuseFor(undefined, `503 5.7.0 Error: access denied for ${this.session.clientLabel}`)
  }

  /** RFC 2920 §3.1: pipelining is for ESMTP, and some commands wait for their reply. `false`: the session ends. */
  #inTurn(command: Command, ahead: Uint8Array): boolean {
    const { session } = this
    if (ahead.length === 0 || session.standAlone || session.illegalPipelining) return true
    if (!command.last && session.protocol === 'ESMTP') return true
    this.#noteImproper(ahead)
    return !session.settings.forbidUnauthorizedPipelining
  }

  #noteImproper(ahead: Uint8Array): void {
    const { session } = this
    session.illegalPipelining = true
    const shown = escapeInput(ahead.subarray(0, LOGGED_AHEAD_BYTES_MAX))
    session.ports.log.info(`improper command pipelining after ${session.where} from ${session.clientLabel}: ${shown}`)
  }

  /** Commands that only keep the session alive are errors when there are too many. */
  #junk(outcome: Outcome): Outcome {
    const { session } = this
    if (session.junkCommands++ > session.settings.junkCommands) session.errorCount++
    return outcome
  }

  *#response(line: InputLine): Work<Directive> {
    const { session } = this
    const delay = this.#delay()
    const text = decodeRaw(line.bytes)
    session.transcript?.in(HIDDEN)
    if (line.tooLong) this.#noteLong(text, session.settings.saslResponseMax)
    const work = line.tooLong ? saslTooLong(session) : saslResponse(session, text)
    const outcome = 'reply' in work ? work : yield* work
    if (outcome.ok && outcome.next !== 'sasl') this.#succeeded('AUTH')
    return yield* this.#directive(outcome, delay)
  }

  /** The end of content: its command is counted now. */
  *#counted(work: Work<Outcome> | Outcome, command: 'data' | 'bdat'): Work<Directive> {
    const delay = this.#delay()
    const outcome = 'reply' in work ? work : yield* work
    if (outcome.ok) this.#succeeded(command.toUpperCase())
    return yield* this.#directive(outcome, delay)
  }

  #succeeded(name: string): void {
    const command = findCommand(name)
    if (command !== undefined) this.session.counters.succeeded(command.counter)
  }

  *#secured(): Work<Directive> {
    const { session } = this
    if (session.where === 'STARTTLS') this.#succeeded('STARTTLS')
    const refusal = yield* afterHandshake(session)
    if (refusal === undefined) yield* prepareSession(session)
    return yield* this.#directive(refusal ?? accept(''), 0)
  }

  /** Clients that make errors wait for each reply. */
  #delay(): number {
    const { errorCount, settings, standAlone } = this.session
    return errorCount >= settings.softErrors && !standAlone ? settings.errorSleepSeconds : 0
  }

  *#directive(outcome: Outcome, delaySeconds: number): Work<Directive> {
    const { session } = this
    const { settings, transcript } = session
    if (outcome.fault !== undefined) session.blame(outcome.fault)
    if (!outcome.ok && outcome.next !== 'restart') session.errorCount++
    if (outcome.next === 'restart') return yield* this.#greeting(NOTHING)
    const reply = outcome.reply === '' ? '' : yield* session.finishReply(outcome.reply)
    let next = outcome.next ?? 'command'
    if (endsSession(reply)) next = 'close'
    let text = reply === '' ? '' : `${reply}\r\n`
    if (reply !== '') transcript?.out(reply)
    if (next === 'command') session.endTranscript(settings.historyLines)
    if (next === 'command' && session.errorCount >= settings.hardErrors) {
      session.endReason = 'too many errors'
      session.blame('protocol')
      const last = `421 4.7.0 ${settings.myhostname} Error: too many errors`
      transcript?.out(last)
      text += `${last}\r\n`
      next = 'close'
    }
    return { delaySeconds, reply: text, next }
  }
}

const NOTHING = new Uint8Array(0)
/** RFC 2920 §3.1; many clients do this, and none of them is a problem of postmaster's. */
const OUT_OF_TURN = refuseFor(undefined, '554 5.5.0 Error: SMTP protocol synchronization', 'close')
