/**
 * Mail that the mail system makes itself: notices, forwarded mail, probes. It goes through cleanup like any other.
 *
 * @module
 */
import type { Cleanup, CleanupFlags, CleanupMessage, CleanupResult } from '#cleanup/cleanup.ts'
import { rfc5322Date } from '#mail/date.ts'
import type { ContentPiece } from '#queue/content.ts'
import { appendRecord, RECORD } from '#queue/record.ts'
import type { QueueId } from '#queue/spool.ts'
import { ByteWriter } from '#util/byte-writer.ts'
import { notifyQueueManager } from './intake.ts'

/** A record of the envelope: its type and payload. */
export type EnvelopeRecord = readonly [type: number, payload: string]

/** What stands around the content. Addresses are in internal form. */
export type MailStart = {
  /** Records between the arrival time and the recipients: S, and attributes. */
  readonly records: readonly EnvelopeRecord[]
  readonly recipients: readonly string[]
  readonly flags: CleanupFlags
}

/** Who writes the mail: what its Received: header says. */
export type MailOrigin = { readonly myhostname: string; readonly mailName: string; readonly queueService: string }

/** Content is handed on in pieces of about this size. */
const CHUNK_BYTES = 32_768

/** A mail being made; end it with `finish()` or `cancel()`. */
export class MailDraft {
  readonly #message: CleanupMessage
  readonly #queueService: string
  readonly #out = new ByteWriter(CHUNK_BYTES)

  /** @throws {NodeJS.ErrnoException} When the queue file can't be made. */
  constructor(cleanup: Cleanup, origin: MailOrigin, { records, recipients, flags }: MailStart, now = Date.now()) {
    this.#message = cleanup.begin(flags)
    this.#queueService = origin.queueService
    const seconds = Math.trunc(now / 1000)
    this.#message.envelope(RECORD.time, `${seconds} ${(now % 1000) * 1000}`)
    for (const [type, payload] of records) this.#message.envelope(type, payload)
    for (const recipient of recipients) this.#message.envelope(RECORD.recipient, recipient)
    // RFC 5321 §4.4: a trace line, also where there was no SMTP.
    this.line(`Received: by ${origin.myhostname} (${origin.mailName})`)
    this.line(`\tid ${this.id}; ${rfc5322Date(new Date(seconds * 1000))}`)
  }

  get id(): QueueId {
    return this.#message.id
  }

  /** One line, without its end. */
  line(text: string): void {
    appendRecord(this.#out, RECORD.text, text)
    if (this.#out.length >= CHUNK_BYTES) this.#flush()
  }

  /** A piece of another message's content. */
  piece({ type, data }: ContentPiece): void {
    appendRecord(this.#out, type === 'N' ? RECORD.text : RECORD.textPart, data)
    if (this.#out.length >= CHUNK_BYTES) this.#flush()
  }

  /** Something to wait for before more is written. */
  writable(): Promise<void> | undefined {
    return this.#message.writable()
  }

  /** Queues the mail and tells qmgr; durable when this resolves with status 0. */
  async finish(): Promise<CleanupResult> {
    this.#flush()
    this.#message.endContent()
    const result = await this.#message.finish()
    if (result.queued) notifyQueueManager([this.id], `public/${this.#queueService}`)
    return result
  }

  cancel(): void {
    this.#message.cancel()
  }

  #flush(): void {
    if (this.#out.length > 0) this.#message.content(this.#out.bytes())
    this.#out.clear()
  }
}

/** The records of an internally generated mail, from `sender`. */
export function internalMail(sender: string): EnvelopeRecord[] {
  return [
    [RECORD.attribute, 'log_message_origin=local'],
    [RECORD.attribute, 'trace_flags=0'],
    [RECORD.sender, sender],
  ]
}
