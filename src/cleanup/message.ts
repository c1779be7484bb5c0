/**
 * One message on its way into the queue, as its receiver sees it.
 *
 * Input is what the queue file is made of, in its order: records of the envelope,
 * content, records of the extracted segment. Nothing here waits for the caller:
 * when a lookup has to wait, what comes meanwhile is kept, in order.
 *
 * @module
 */
import type { QueueId } from '#queue/spool.ts'
import { RECORD } from '#queue/record.ts'
import { isPromise } from '#util/maybe.ts'
import { ContentReader } from './content.ts'
import { envelopeRecord, extractedRecord, rejectInput } from './envelope.ts'
import { finishMessage, removeMessage, type CleanupResult } from './finish.ts'
import { applyMilters } from './milters.ts'
import { outputRecord } from './output.ts'
import { Sequence, type Step } from './sequence.ts'
import { SIZE_PLACEHOLDER } from './size.ts'
import type { MessageState } from './state.ts'

export type { CleanupResult } from './finish.ts'

/** Bytes of content that may wait for a lookup before the caller is asked to wait too. */
const WAITING_BYTES_MAX = 262_144

/** One message. After `finish()` or `cancel()` it takes nothing more. */
export class CleanupMessage {
  readonly #state: MessageState
  readonly #sequence = new Sequence()
  #content: ContentReader | undefined
  #waitingBytes = 0

  constructor(state: MessageState) {
    this.#state = state
    outputRecord(state, RECORD.size, SIZE_PLACEHOLDER)
    applyMilters(state)
  }

  /** Its queue id. */
  get id(): QueueId {
    return this.#state.id
  }

  /** Whether the message is refused or dropped already: more input has no effect on the result. */
  get failed(): boolean {
    return !this.#state.ok
  }

  /**
   * Takes a record of the envelope: T first, then L, A, F, V, >, S, and each recipient as
   * A (`notify_flags=`, `dsn_orig_rcpt=`), O, R. The payload is in internal form, without its type.
   */
  envelope(type: number, payload: string): void {
    this.#run(() => this.#state.segment === 'envelope'
      ? envelopeRecord(this.#state, type, payload)
      : rejectInput(this.#state, `unexpected record type ${type} in message content`))
  }

  /**
   * Takes whole N and L records as the queue file holds them: lines without line ends, of at
   * most line_length_limit bytes each. The memory may be used again when this returns.
   */
  content(records: Uint8Array): void {
    if (!this.#sequence.busy) {
      this.#run(() => this.#reader().records(records))
      return
    }
    const kept = Uint8Array.from(records)
    this.#waitingBytes += kept.length
    this.#run(() => {
      this.#waitingBytes -= kept.length
      return this.#reader().records(kept)
    })
  }

  /** Ends the content. */
  endContent(): void {
    this.#run(() => this.#reader().end())
  }

  /** Takes a record of the extracted segment: recipients that were found in headers, for example. */
  extracted(type: number, payload: string): void {
    this.#run(() => this.#state.segment === 'extracted'
      ? extractedRecord(this.#state, type, payload)
      : rejectInput(this.#state, `unexpected record type ${type} in message content`))
  }

  /** Something to wait for before more content is given; `undefined` when there is no need to. */
  writable(): Promise<void> | undefined {
    if (this.#waitingBytes < WAITING_BYTES_MAX) return undefined
    const idle = this.#sequence.idle()
    return isPromise(idle) ? idle : undefined
  }

  /**
   * Ends the message. When this resolves with status 0, the message is durable, or
   * was discarded, or was returned to its sender, as the flags and checks said.
   * With any other status nothing of it is left.
   */
  async finish(): Promise<CleanupResult> {
    try {
      await this.#sequence.idle()
    } catch (error) {
      removeMessage(this.#state, 'canceled')
      throw error
    }
    return finishMessage(this.#state)
  }

  /** Gives the message up: its receiver got no end of it. */
  cancel(): void {
    removeMessage(this.#state, 'canceled')
  }

  #reader(): ContentReader {
    this.#content ??= new ContentReader(this.#state)
    return this.#content
  }

  #run(step: Step): void {
    this.#sequence.run(() => (this.#state.ok ? step() : undefined))
  }
}
