/**
 * The state of one SMTP session, and what every command needs of it.
 *
 * The session is a machine: `machine.ts` feeds it command lines, the files in
 * `commands/` say what each command does. No sockets here: replies are returned,
 * and the world is asked through `ports.ts`.
 *
 * @module
 */
import type { AccessState, SessionFacts, TlsFacts, Where } from '#access/types.ts'
import { externalAddress } from '#mail/address.ts'
import { softenReply } from '#mail/reply.ts'
import { Transcript } from '#mail/transcript.ts'
import type { SaslExchange } from '#network/sasl/server.ts'
import { FAULT, type Fault } from '#service/error-notice.ts'
import type { CommandToken } from './tokens.ts'
import { CommandCounters } from './counters.ts'
import type { DataDecoder } from './data.ts'
import type { KeywordMask } from './keywords.ts'
import type { Client, Endpoint, Message, SessionPorts, TlsState } from './ports.ts'
import type { Settings } from './settings.ts'
import { Transaction } from './transaction.ts'
import { wait, type Work } from './work.ts'

/** What the shell reads next: commands, message content, a BDAT chunk, a SASL response, a TLS handshake; or nothing. */
export type Next = 'command' | 'data' | 'chunk' | 'sasl' | 'tls' | 'restart' | 'close'

/**
 * What came of a command. `ok` decides on its counter and on the error count. `reply` is without its last
 * line end; empty for none. `fault` is what postmaster may be told of.
 */
export type Outcome = {
  readonly ok: boolean
  readonly reply: string
  readonly next?: Next
  readonly fault?: Fault | undefined
}

/** Carries a command out. */
export type Handler = (session: Session, words: readonly CommandToken[], line: string) => Work<Outcome> | Outcome

/**
 * What the upstream said of the client before it (XFORWARD); undefined: not said; `unknown` or empty: it does not
 * know.
 */
export type Forwarded = {
  name?: string
  address?: string
  rfcAddress?: string
  port?: string
  protocol?: string
  helo?: string
  ident?: string
  domain?: 'local' | 'remote'
}

/**
 * Where a session is, in log lines: `CONNECT` before the first command, then the name of a command, `UNKNOWN`, or
 * `END-OF-MESSAGE`.
 */
export type Place = string

/** What the command at hand says, which the transaction does not know yet. */
type FactsOfCommand = Partial<
  Pick<SessionFacts, 'helo' | 'sender' | 'recipient' | 'etrnDomain' | 'declaredSizeBytes' | 'smtputf8'>
>

/** Whom a log line is about, when it is not the sender of the transaction. */
type About = { readonly sender?: string | undefined; readonly recipient?: string | undefined }

/** One client's session. Fields are changed by the commands. */
export class Session {
  readonly settings: Settings
  readonly ports: SessionPorts
  /** The client as it connected: it is counted under this address. */
  readonly origin: Readonly<Client>
  readonly counters = new CommandCounters()
  readonly accessState: AccessState
  client: Client
  server: Endpoint
  /** sendmail -bs: input of a local user, on standard input. */
  readonly standAlone: boolean

  protocol: 'SMTP' | 'ESMTP' = 'SMTP'
  heloName: string | undefined
  where: Place = 'CONNECT'
  /** The reply of a client restriction that refused the whole session. */
  accessDenied: string | undefined
  /** The reply to whatever the client says next: the session is over, but it is the client's turn. */
  parting: Outcome | undefined
  errorCount = 0
  junkCommands = 0
  illegalPipelining = false
  bareNewlineNoted = false
  /** Why the session ended early: `lost connection`, `timeout`, `too many errors`. */
  endReason: string | undefined
  /** What was said since the last notice, or since postmaster was no longer interested; undefined: nobody wants to know. */
  readonly transcript: Transcript | undefined
  /** What went wrong meanwhile, a sum of FAULT. */
  faults = 0

  xclientAllowed = false
  xforwardAllowed = false
  verpAllowed = false
  bareNewlinesExcluded = false
  /** The client is not limited: its events are not counted. */
  unlimited = false
  discarded: KeywordMask

  tls: TlsState | undefined
  saslMechanisms: readonly string[] = []
  saslActive = false
  saslMethod: string | undefined
  saslUsername: string | undefined
  saslExchange: SaslExchange | undefined
  /** The mechanism of a dialogue at work. */
  saslDialogue: string | undefined

  forwarded: Forwarded | undefined
  transaction: Transaction
  message: Message | undefined
  decoder: DataDecoder | undefined
  /** Bytes of a BDAT chunk that are still to come, and whether it is the last. */
  chunkBytes = 0
  chunkSize = 0
  chunkLast = false
  /** The chunk is thrown away; this is the reply to it. */
  chunkRefusal: Outcome | undefined

  constructor(settings: Settings, ports: SessionPorts, facts: {
    readonly client: Client
    readonly server: Endpoint
    readonly accessState: AccessState
    readonly standAlone?: boolean
  }) {
    this.settings = settings
    this.ports = ports
    this.client = facts.client
    this.origin = { ...facts.client }
    this.server = facts.server
    this.accessState = facts.accessState
    this.standAlone = facts.standAlone ?? false
    this.discarded = settings.discardKeywords
    this.transaction = new Transaction()
    this.transcript = settings.reportedFaults === 0 || this.standAlone ? undefined : new Transcript()
  }

  /** Takes note of something that postmaster may be told of. */
  blame(fault: Fault): void {
    this.faults |= FAULT[fault]
  }

  /**
   * Ends a part of the transcript: postmaster is told of it, or it is forgotten.
   *
   * @param lines Not if it has no more lines than this. The session goes on, and trouble is better seen in context.
   */
  endTranscript(lines: number): void {
    const { transcript, settings } = this
    if (transcript === undefined || transcript.lines <= lines) return
    if ((this.faults & settings.reportedFaults) !== 0) {
      this.ports.notifyPostmaster({
        client: this.clientLabel, faults: this.faults, lines: transcript.show(settings.smtputf8),
        endReason: this.endReason,
      })
    }
    this.faults = 0
    transcript.clear()
  }

  /** `name[address]`, with the port where that is asked for. */
  get clientLabel(): string {
    return labelOf(this.client, this.settings.clientPortLogging)
  }

  get originLabel(): string {
    return labelOf(this.origin, this.settings.clientPortLogging)
  }

  get queueId(): string | undefined {
    return this.message?.id
  }

  get inTransaction(): boolean {
    return this.transaction.sender !== undefined
  }

  get inChunks(): boolean {
    return this.transaction.bdat !== 'none'
  }

  /** Ends the mail transaction; a message that is not complete is given up. */
  resetTransaction(): void {
    this.message?.cancel()
    this.message = undefined
    this.decoder = undefined
    this.forwarded = undefined
    this.transaction = new Transaction()
    this.accessState.reset()
  }

  /** Forgets HELO and the mail transaction. */
  resetHelo(): void {
    this.heloName = undefined
    this.resetTransaction()
  }

  resetSasl(): void {
    this.saslExchange?.cancel()
    this.saslExchange = undefined
    this.saslMethod = undefined
    this.saslUsername = undefined
  }

  /** The session as restrictions see it. */
  facts(where: Where, now: FactsOfCommand = {}): SessionFacts {
    const { client, transaction, tls } = this
    const { recipientCount } = transaction
    return {
      where,
      client: {
        name: client.name, address: client.address, port: client.port, nameAndAddress: this.clientLabel,
        reverseName: client.reverseName, nameStatus: client.nameStatus, reverseNameStatus: client.reverseNameStatus,
      },
      server: this.server,
      protocol: this.protocol,
      helo: now.helo ?? this.heloName,
      sender: now.sender ?? transaction.sender,
      recipient: now.recipient ?? (recipientCount === 1 ? transaction.firstRecipient ?? '' : undefined),
      recipientCount,
      etrnDomain: now.etrnDomain,
      declaredSizeBytes: now.declaredSizeBytes ?? transaction.declaredSize,
      actualSizeBytes: this.decoder?.sizeBytes ?? 0,
      queueId: this.queueId,
      instance: transaction.instance,
      smtputf8: now.smtputf8 ?? transaction.smtputf8,
      sasl: { method: this.saslMethod, username: this.saslUsername, sender: transaction.authSender },
      tls: tls === undefined ? undefined : tlsFacts(tls),
      illegalPipelining: this.illegalPipelining,
      proxyFilter: this.settings.proxyFilter !== '',
    }
  }

  /** A log line about what was refused or done: `QID: action: where from client: text; from=<…> …`. */
  logAction(action: string, where: string, text: string, about: About = {}): void {
    const sender = about.sender ?? this.transaction.sender
    const words: string[] = []
    if (sender !== undefined) words.push(`from=<${this.#logAddress(sender)}>`)
    if (about.recipient !== undefined) words.push(`to=<${this.#logAddress(about.recipient)}>`)
    words.push(`proto=${this.protocol}`)
    if (this.heloName !== undefined) words.push(`helo=<${this.heloName}>`)
    if (this.saslMethod !== undefined) words.push(`sasl_method=${this.saslMethod}`)
    if (this.saslUsername !== undefined) words.push(`sasl_username=${this.saslUsername}`)
    if (this.transaction.authSender !== undefined) words.push(`sasl_sender=${this.transaction.authSender}`)
    this.ports.log.info(
      `${this.queueId ?? 'NOQUEUE'}: ${action}: ${where} from ${this.clientLabel}: ${text}; ${words.join(' ')}`,
    )
  }

  #logAddress(address: string): string {
    return this.settings.internalAddresses ? address : externalAddress(address)
  }

  /** What goes out for `reply`: softened where asked for, rejects with what the configuration puts to them. */
  *finishReply(reply: string): Work<string> {
    const soft = this.settings.softBounce ? softenReply(reply) : reply
    if (!soft.startsWith('4') && !soft.startsWith('5')) return soft
    const { firstRecipient } = this.transaction
    const facts = this.facts('CONNECT', firstRecipient === undefined ? {} : { recipient: firstRecipient })
    return yield* wait(this.ports.finishReject(soft, facts))
  }
}

/** `name[address]` or `name[address]:port`. */
export function labelOf(client: Readonly<Client>, withPort: boolean): string {
  return `${client.name}[${client.address}]${withPort ? `:${client.port}` : ''}`
}

function tlsFacts({ received, certificate }: TlsState): TlsFacts {
  const { protocol, cipher, usedBits } = received
  return { protocol, cipher, keySizeBits: usedBits, certificate }
}

/** An outcome that counts as an error, of the client: it breaks the protocol. */
export function refuse(reply: string, next?: Next): Outcome {
  return refuseFor('protocol', reply, next)
}

/** An outcome that counts as an error. @param fault Whose; undefined: nothing that postmaster would want to know. */
export function refuseFor(fault: Fault | undefined, reply: string, next?: Next): Outcome {
  return next === undefined ? { ok: false, reply, fault } : { ok: false, reply, next, fault }
}

/** An outcome that counts as success. */
export function accept(reply: string, next?: Next): Outcome {
  return next === undefined ? { ok: true, reply } : { ok: true, reply, next }
}
