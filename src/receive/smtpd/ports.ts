/**
 * What an SMTP session needs from the world around it. The session itself does
 * no input or output: it asks through these, and tests answer from tables.
 *
 * @module
 */
import type { AccessResult, AccessState, CertificateFacts, ContextResult, SessionFacts, Stage } from '#access/types.ts'
import type { CleanupFlags } from '#cleanup/cleanup.ts'
import type { NameStatus } from '#network/dns.ts'
import type { SaslServer } from '#network/sasl/server.ts'
import type { Logger } from '#system/log.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { ReceivedTls } from './received.ts'

/** The client as it connected, or as XCLIENT says. */
export type Client = {
  name: string
  reverseName: string
  nameStatus: NameStatus
  reverseNameStatus: NameStatus
  /** `192.0.2.1`, `2001:db8::1`, or `unknown`. */
  address: string
  /** RFC 5321 §4.1.3 form: `IPv6:2001:db8::1`. */
  rfcAddress: string
  port: string
  /** AF number of Linux: 2 IPv4, 10 IPv6, 0 none. */
  addressType: number
}

/** Where the client connected to. */
export type Endpoint = { address: string; port: string }

/** An encrypted session. */
export type TlsState = {
  readonly received: ReceivedTls
  readonly certificate: CertificateFacts | undefined
  /** The client came with a session of before: there was no full handshake. */
  readonly resumed: boolean
}

/** What is counted per client. `tls_so_far` asks for the count of `tls` without adding to it. */
export type RateEvent = 'message' | 'recipient' | 'auth' | 'tls' | 'tls_so_far'

/** Lists that name clients or commands. */
export type ClientList =
  | 'xclient' | 'xforward' | 'verp' | 'sasl_exceptions' | 'bare_newline_exclusions' | 'event_exceptions'
export type CommandList = 'noop' | 'forbidden'

/** The result of a message: that of cleanup, or of another place where messages go. */
export type MessageResult = { readonly status: number; readonly reason: string }

/** A message on its way into the queue. */
export type Message = {
  readonly id: string
  /** Whether more content has no effect. */
  readonly failed: boolean
  envelope(type: number, payload: string): void
  content(records: Uint8Array): void
  endContent(): void
  extracted(type: number, payload: string): void
  writable(): Promise<void> | undefined
  finish(): Promise<MessageResult>
  cancel(): void
}

/** The restrictions, as far as a session uses them. */
export type SessionAccess = {
  check(stage: Stage, facts: SessionFacts, state: AccessState): MaybePromise<AccessResult>
  rewriteContext(facts: SessionFacts): MaybePromise<ContextResult>
  isPossibleAddress(sender: string, address: string, smtputf8: boolean): MaybePromise<boolean>
}

/** What ETRN leads to. */
export type FlushResult = 'started' | 'denied' | 'failed' | 'malformed'

/** A session that postmaster is told of. */
export type SessionTrouble = {
  /** `name[address]` */
  readonly client: string
  /** What went wrong, a sum of FAULT. */
  readonly faults: number
  /** What was said, ready to be shown. */
  readonly lines: readonly string[]
  /** Why the session ended early. */
  readonly endReason: string | undefined
}

/** All that a session can ask for. No promise of these rejects, unless it says so. */
export type SessionPorts = {
  readonly log: Logger
  readonly access: SessionAccess
  /** `undefined`: logins are not enabled. */
  readonly sasl: SaslServer | undefined
  now(): Date
  /** Starts a message. @throws {NodeJS.ErrnoException} When the queue cannot take it; a promise may reject with it. */
  begin(flags: CleanupFlags): MaybePromise<Message>
  /** Space that is free for the queue, in bytes. @throws {NodeJS.ErrnoException} */
  freeBytes(): number
  /** The message is in the queue: its manager may be told. */
  accepted(id: string): void
  /** How often the client did this within anvil_rate_time_unit, this time included; 0: nobody counts. */
  rate(event: RateEvent, client: Client): MaybePromise<number>
  clientListed(list: ClientList, client: Client): MaybePromise<boolean>
  commandListed(list: CommandList, word: string): MaybePromise<boolean>
  /** smtpd_command_filter: the line to take instead; `undefined`: as it is. */
  filterCommand(line: string): MaybePromise<string | undefined>
  /** smtpd_discard_ehlo_keyword_address_maps: the words for this address. */
  discardedKeywords(address: string): MaybePromise<string | undefined>
  /** smtpd_reject_filter_maps and smtpd_reject_footer(_maps), applied to a 4xx or 5xx reply. */
  finishReject(reply: string, facts: SessionFacts): MaybePromise<string>
  flush(domain: string): MaybePromise<FlushResult>
  /** Whether a TLS handshake is possible: there is a certificate. */
  tlsReady(): boolean
  /** Tells postmaster of trouble; nothing waits for it. */
  notifyPostmaster(trouble: SessionTrouble): void
  /** Serial number of the next mail transaction of this process. */
  nextInstance(): number
}
