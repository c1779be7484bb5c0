/**
 * What is known of one message while it goes into the queue.
 *
 * @module
 */
import type { QueueId } from '#queue/spool.ts'
import type { QueueFile } from '#queue/write.ts'
import { DuplicateFilter } from './duplicates.ts'
import type { CleanupFlags } from './flags.ts'
import type { Settings } from './settings.ts'
import type { CleanupTools } from './tools.ts'
import { ANY_ERROR, INCOMPLETE } from './status.ts'

/** Send options of the size record. */
export const SEND_OPTION = {
  smtputf8Requested: 1,
  smtputf8Header: 2,
  smtputf8Sender: 4,
  requireTlsHeader: 16,
  requireTlsEsmtp: 32,
} as const

/** Bits of trace_flags that cleanup looks at. */
export const TRACE_FLAG = { verifyProbe: 256 } as const

/** Queue manager flags of the size record. */
export const QMGR_FLAG = { mixedRecipients: 1 } as const

/** Where the input is. */
export type Segment = 'envelope' | 'content' | 'extracted' | 'ended'

/** Mutable facts of one message; functions of this folder read and change them. */
export class MessageState {
  readonly settings: Settings
  readonly tools: CleanupTools
  readonly file: QueueFile
  readonly id: QueueId
  segment: Segment = 'envelope'

  // What the client asked for; checks may change it.
  readonly bounce: boolean
  readonly bcc: boolean
  readonly map: boolean
  readonly autoutf8: boolean
  /** Whether mail filters look at it that are ours to ask: smtpd asks its own. */
  readonly milter: boolean
  filter: boolean
  hold: boolean
  discard: boolean

  /** Status bits so far; the reason of the last refusal. */
  errors = 0
  reason: string | undefined
  readonly #errorMask: number

  // Envelope.
  sender: string | undefined
  fullName: string | undefined
  arrival: { readonly seconds: number; readonly microseconds: number } | undefined
  /** Last recipient as rewritten, for log lines. */
  recipient: string | undefined
  originalRecipient: string | undefined
  dsnRecipient: string | undefined
  notify = 0
  /** Recipients have started in this segment. */
  inRecipients = false
  warnTimeSeen = false
  verp: string | undefined
  envelopeId: string | undefined
  returnFlags = 0
  traceFlags = 0
  sendOptions = 0
  readonly attributes = new Map<string, string>([['log_message_origin', 'local']])
  /** Which rules apply to headers; `undefined`: they stay as they are. */
  context: 'local' | 'remote' | undefined = 'local'
  recipientCount = 0
  qmgrFlags = 0
  readonly duplicates: DuplicateFilter
  /** A trace log was written for this message. */
  traced = false

  // Content.
  dataOffset = 0
  contentSize = 0
  messageId: string | undefined
  readonly headersSeen = new Set<string>()
  resent = false
  hops = 0
  contentFilter: string | undefined
  redirect: string | undefined
  readonly headerBcc: string[] = []


  constructor(settings: Settings, file: QueueFile, flags: CleanupFlags, tools: CleanupTools) {
    this.tools = tools
    this.settings = settings
    this.file = file
    this.id = file.id
    this.bounce = flags.bounce === true
    this.bcc = flags.bcc === true
    this.map = flags.map === true
    this.autoutf8 = flags.autoutf8 === true
    this.milter = flags.milter === true && flags.smtpReply !== true
    this.filter = flags.filter === true
    this.hold = flags.hold === true
    this.discard = flags.discard === true
    if (flags.smtputf8 === true) this.sendOptions |= SEND_OPTION.smtputf8Requested
    if (flags.requireTls === true) this.sendOptions |= SEND_OPTION.requireTlsEsmtp
    // Who asks for bounces gets them for all recipients: the input is read to its end although it is refused.
    this.#errorMask = this.bounce ? INCOMPLETE : ANY_ERROR
    this.duplicates = new DuplicateFilter(settings.duplicatesMax)
  }

  /** Whether the message still goes into the queue file. */
  get ok(): boolean {
    return (this.errors & this.#errorMask) === 0 && !this.discard
  }

  /** The time now, in milliseconds. */
  now(): number {
    return this.tools.clock.now()
  }

  /** Adds a status bit. */
  fail(bit: number, reason?: string): void {
    this.errors |= bit
    if (reason !== undefined) this.reason = reason
  }

  /** Notes that the sender or a header has characters beyond ASCII. */
  noteUnicode(where: 'sender' | 'header' | 'recipient'): void {
    if (where === 'header') this.sendOptions |= SEND_OPTION.smtputf8Header
    if (where === 'sender') this.sendOptions |= SEND_OPTION.smtputf8Sender
    if (this.autoutf8) this.sendOptions |= SEND_OPTION.smtputf8Requested
  }
}
