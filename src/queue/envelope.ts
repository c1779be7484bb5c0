/**
 * The envelope of a queue file, as the queue manager needs it: everything but the content.
 *
 * A message can have any number of recipients; at most `recipientLimit` of them are
 * held at a time, and `more` says where to go on. What comes after the content (filter, redirect,
 * recipients found in headers) is read in the same pass, and the content itself is skipped.
 *
 * @module
 */
import { log } from '#system/log.ts'
import { readSizeRecord, RecipientCollector } from './envelope-parts.ts'
import type { Envelope, EnvelopeRecipient } from './envelope-types.ts'
import type { QueueId } from './id.ts'
import { attributeType, QueueFileError, RECORD, splitAttribute } from './record.ts'
import { RecordReader, type RecordSource } from './record-reader.ts'

export type { Envelope, EnvelopeRecipient } from './envelope-types.ts'

export type EnvelopeOptions = {
  /** For warnings. */
  readonly id: QueueId
  /** Recipients read in one pass; qmgr_message_recipient_limit. Default: all of them. */
  readonly recipientLimit?: number
}

/** Only these bits of a stored delivery request have a meaning: verify (MTA), verify (user), record, delay sent. */
const TRACE_FLAGS_MASK = 256 | 512 | 1024 | 8192
/** `sendmail -v`: report once, then go on as usual. Only this request is struck out after its report. */
const TRACE_RECORD_ONCE = 1024
const RETURN_FULL = 1
const RETURN_HEADERS = 2
const FLAG_MIXED = 1
/** Bytes of the first read: an envelope of usual size. The content is not read. */
const READ_BYTES = 4096

/** Attributes of which the first one counts. */
const FIRST_COUNTS: ReadonlySet<string> = new Set(['sasl_method', 'sasl_username', 'sasl_sender', 'log_ident'])

/** Names under which very old files keep what is now called `log_…`: Postfix before 2.3. */
const LEGACY_LOG_NAMES = ['client_name', 'client_address', 'client_port', 'protocol_name', 'helo_name'] as const

const ENVELOPE_TYPES: ReadonlySet<number> = new Set(
  'MCTcFILSDRO/WVA>K<ionpwXEPre'.split('').map((c) => c.charCodeAt(0)),
)

type Draft = { -readonly [K in keyof Envelope]: Envelope[K] } & { attributes: Map<string, string> }

function emptyDraft(): Draft {
  return {
    contentSize: 0, dataOffset: 0, contentLength: 0, recipientCount: 0, qmgrFlags: 0, sendOptions: 0,
    arrival: { seconds: 0, microseconds: 0 }, createTime: 0, sender: '', warnTime: undefined, warnOffset: undefined,
    encoding: '', rewriteContext: 'local', envelopeId: '', retFlags: 0, contentFilter: undefined, redirect: undefined,
    inspector: undefined, verp: undefined, traceFlags: 0, traceOffset: undefined, attributes: new Map(),
    recipients: [], unread: 0, more: undefined,
  }
}

/** Reads one file; `run()` once. */
class EnvelopeReader {
  readonly #reader: RecordReader
  readonly #id: QueueId
  readonly #recipients: RecipientCollector
  readonly #draft = emptyDraft()
  #senderSeen = false

  constructor(reader: RecordReader, { id, recipientLimit }: EnvelopeOptions) {
    this.#reader = reader
    this.#id = id
    this.#recipients = new RecipientCollector(id, recipientLimit ?? Infinity)
  }

  run(): Envelope {
    while (this.#record()) { /* one record after another */ }
    return this.#finish()
  }

  /** Takes one record. `false`: nothing more has to be read. */
  #record(): boolean {
    const type = readEnvelopeRecord(this.#reader, this.#draft, this.#id)
    if (type === RECORD.end) return false
    if (type === RECORD.attribute) this.#attribute()
    else if (this.#recipients.take(type, this.#reader)) return !this.#recipients.full || this.#afterLimit()
    else this.#other(type, this.#reader.text())
    return true
  }

  /** The limit was reached just now or before. `false`: all that is no recipient was seen. */
  #afterLimit(): boolean {
    const draft = this.#draft
    if (draft.more !== undefined) return true
    draft.more = this.#reader.next
    if ((draft.qmgrFlags & FLAG_MIXED) !== 0) return true
    if (this.#reader.offset > draft.dataOffset) return false
    // Recipients stand together here: what else there is to know comes after the content.
    this.#reader.seek(draft.dataOffset)
    return true
  }

  #attribute(): void {
    const text = this.#reader.text()
    const parts = splitAttribute(text)
    if (typeof parts === 'string') {
      throw new QueueFileError(`${this.#id}: bad attribute record: ${parts}: ${text.slice(0, 200)}`)
    }
    const type = attributeType(parts.name)
    if (type === undefined) this.#named(parts.name, parts.value)
    else if (!this.#recipients.property(type, parts.value)) this.#other(type, parts.value)
  }

  #named(name: string, value: string): void {
    const draft = this.#draft
    if (FIRST_COUNTS.has(name) && draft.attributes.has(name)) {
      log.warning(`${this.#id}: ignoring multiple ${name} attribute: ${value}`, { queue_id: this.#id })
      return
    }
    if (name === 'encoding') draft.encoding = value
    else if (name === 'rewrite_context') draft.rewriteContext = value
    else if (name === 'trace_flags') {
      draft.traceFlags = Number.parseInt(value, 10) & TRACE_FLAGS_MASK
      draft.traceOffset = draft.traceFlags === TRACE_RECORD_ONCE ? this.#reader.offset : undefined
    }
    draft.attributes.set(name, value)
  }

  /** Records that are neither recipients nor plain attributes. Of two that are alike, a comment says which counts. */
  #other(type: number, text: string): void {
    const draft = this.#draft
    switch (type) {
      case RECORD.size: if (draft.dataOffset === 0) Object.assign(draft, readSizeRecord(this.#id, text)); break
      case RECORD.time: if (draft.arrival.seconds === 0) draft.arrival = parseTime(text); break // the first
      case RECORD.createTime: draft.createTime ||= Number.parseInt(text, 10) || 0; break // the first
      case RECORD.filter: draft.contentFilter = text; break // the last
      case RECORD.inspector: draft.inspector = text; break
      case RECORD.redirect: draft.redirect = text; break // the last
      case RECORD.sender: this.#sender(text); break
      case RECORD.envelopeId: draft.envelopeId = text; break // the last: a milter may change it
      case RECORD.returnFlags: this.#returnFlags(text); break
      case RECORD.warnTime: this.#warnTime(text); break
      case RECORD.verp: this.#verp(text); break
      default: break // full name, padding, killed and obsolete records
    }
  }

  #sender(text: string): void {
    if (this.#senderSeen) return
    this.#senderSeen = true
    this.#draft.sender = text
  }

  #returnFlags(text: string): void {
    const flags = Number(text)
    if (flags === RETURN_FULL || flags === RETURN_HEADERS) this.#draft.retFlags = flags
    else this.#warn(`ignoring malformed DSN RET flags in queue file record:${text.slice(0, 100)}`)
  }

  #warnTime(text: string): void {
    if (this.#draft.warnOffset !== undefined) return
    this.#draft.warnOffset = this.#reader.offset
    this.#draft.warnTime = Number.parseInt(text, 10) || 0
  }

  #verp(text: string): void {
    if (this.#draft.verp !== undefined) return
    if (this.#draft.sender === '') this.#warn('ignoring VERP request for null sender')
    else if (text.length !== 2) this.#warn(`ignoring bad VERP request: "${text.slice(0, 100)}"`)
    else this.#draft.verp = text
  }

  #finish(): Envelope {
    const draft = this.#draft
    if (draft.arrival.seconds <= 0) throw this.#rejected('missing arrival time record')
    if (!this.#senderSeen) throw this.#rejected('missing sender record')
    if (draft.dataOffset === 0) throw this.#rejected('missing size record')
    draft.createTime ||= draft.arrival.seconds
    addLegacyNames(draft.attributes)
    draft.recipients = this.#recipients.list
    draft.unread = draft.recipientCount - this.#recipients.seen
    if (draft.unread < 0 || (draft.more === undefined && draft.unread !== 0)) {
      this.#warn(`rcpt count mismatch (${draft.unread})`)
      draft.unread = 0
    }
    return draft
  }

  #rejected(reason: string): QueueFileError {
    return new QueueFileError(`${this.#id}: message rejected: ${reason}`)
  }

  #warn(text: string): void {
    log.warning(`${this.#id}: ${text}`, { queue_id: this.#id })
  }
}

function parseTime(text: string): Envelope['arrival'] {
  const [seconds = '', microseconds = ''] = text.trim().split(/\s+/)
  return { seconds: Number.parseInt(seconds, 10) || 0, microseconds: Number.parseInt(microseconds, 10) || 0 }
}

/** Logs show the client by its `log_…` attributes; a file that has none of them is from before they existed. */
function addLegacyNames(attributes: Map<string, string>): void {
  if (LEGACY_LOG_NAMES.some((name) => attributes.has(`log_${name}`))) return
  for (const name of LEGACY_LOG_NAMES) {
    const value = attributes.get(name)
    if (value !== undefined) attributes.set(`log_${name}`, value)
  }
}

/** Where the content is, for the step over it. */
type ContentPlace = Pick<Envelope, 'dataOffset' | 'contentSize'>

/** The next record outside the content. Follows pointers. */
function readEnvelopeRecord(reader: RecordReader, place: ContentPlace, id: QueueId): number {
  for (;;) {
    const skipped = place.dataOffset > 0 && reader.next === place.dataOffset
    if (skipped) reader.seek(place.dataOffset + place.contentSize)
    const type = readOrReject(reader, id)
    const allowed = skipped ? type === RECORD.extracted : ENVELOPE_TYPES.has(type)
    if (!allowed) {
      throw new QueueFileError(
        `${id}: Unexpected record type '${String.fromCharCode(type)}' at offset ${reader.offset}`,
      )
    }
    if (type !== RECORD.pointer) return type
    reader.jump()
  }
}

function readOrReject(reader: RecordReader, id: QueueId): number {
  const type = reader.readRaw()
  if (type === 0) throw new QueueFileError(`${id}: message rejected: missing end record`)
  return type
}

/** Opens a reader for one run over an envelope. */
function envelopeReader(source: RecordSource, start: number): RecordReader {
  return new RecordReader(source, start, { readBytes: READ_BYTES })
}

/**
 * Reads the envelope of a queue file.
 *
 * @param source A descriptor open for reading, whose position is neither used nor changed; or the bytes of a file.
 * @throws {QueueFileError} When the file is damaged: it belongs into the queue `corrupt` then.
 * @throws {NodeJS.ErrnoException} When it cannot be read.
 */
export function readEnvelope(source: RecordSource, options: EnvelopeOptions): Envelope {
  using reader = envelopeReader(source, 0)
  return new EnvelopeReader(reader, options).run()
}

/** Recipients of a later pass; `more`: where the next one starts, if any is left. */
export type RecipientPass = {
  readonly recipients: EnvelopeRecipient[]
  /** Recipients seen in this pass, also those that are done. */
  readonly seen: number
  readonly more: number | undefined
}

/**
 * Reads further recipients.
 *
 * @param envelope What `readEnvelope()` said about this file.
 * @param offset `more` of the pass before.
 * @throws {QueueFileError} When the file is damaged.
 */
export function readRecipients(
  source: RecordSource, envelope: ContentPlace, offset: number, options: EnvelopeOptions,
): RecipientPass {
  using reader = envelopeReader(source, offset)
  const collector = new RecipientCollector(options.id, options.recipientLimit ?? Infinity)
  while (!collector.full) {
    const type = readEnvelopeRecord(reader, envelope, options.id)
    if (type === RECORD.end) return { recipients: collector.list, seen: collector.seen, more: undefined }
    if (type !== RECORD.attribute) {
      collector.take(type, reader)
      continue
    }
    const parts = splitAttribute(reader.text())
    if (typeof parts !== 'string') collector.property(attributeType(parts.name) ?? 0, parts.value)
  }
  return { recipients: collector.list, seen: collector.seen, more: reader.next }
}
