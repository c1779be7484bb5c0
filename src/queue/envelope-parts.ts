/**
 * Parts of the envelope reader: recipient groups and the size record.
 *
 * @module
 */
import { log } from '#system/log.ts'
import { isDigits } from '#util/ascii.ts'
import type { Envelope, EnvelopeRecipient } from './envelope-types.ts'
import type { QueueId } from './id.ts'
import { QueueFileError, RECORD, sizeNumbers } from './record.ts'
import type { RecordReader } from './record-reader.ts'

const NOTIFY_NEVER = 1
const NOTIFY_MAX = 15
/** Flags that may be stored in the size record. */
const QMGR_FLAGS_MASK = 0x1f
/** Send options that may be stored; others come from newer versions and mean nothing here. */
const SEND_OPTIONS_MASK = 1 | 2 | 4 | 16 | 32

/** RFC 3461 §4.1: NEVER stands alone. */
function isNotify(flags: number): boolean {
  return flags === NOTIFY_NEVER || (flags > 0 && flags <= NOTIFY_MAX && (flags & NOTIFY_NEVER) === 0)
}

/**
 * Collects recipients with what was said about each before its record, in any order.
 * After the limit nothing is collected; the records are still recognized.
 */
export class RecipientCollector {
  readonly list: EnvelopeRecipient[] = []
  /** Recipients seen until the limit, also those that are done. */
  seen = 0
  readonly #id: QueueId
  readonly #limit: number
  #original: string | undefined
  #dsnOrcpt: string | undefined
  #notify = 0

  constructor(id: QueueId, limit: number) {
    this.#id = id
    this.#limit = limit
  }

  get full(): boolean {
    return this.list.length >= this.#limit
  }

  /** Takes a record about recipients. `false`: it is about something else. */
  take(type: number, reader: RecordReader): boolean {
    switch (type) {
      case RECORD.recipient:
        if (!this.full) this.#add(reader.offset, reader.text())
        return true
      case RECORD.done:
      case RECORD.canceled:
        if (!this.full) this.#end()
        return true
      case RECORD.originalRecipient:
      case RECORD.dsnRecipient:
      case RECORD.notify:
        return this.property(type, reader.text())
      default:
        return false
    }
  }

  /** Takes what is said about the next recipient. `false`: it is about something else. */
  property(type: number, value: string): boolean {
    if (type === RECORD.originalRecipient) this.#setOriginal(value)
    else if (type === RECORD.dsnRecipient) this.#setDsnOrcpt(value)
    else if (type === RECORD.notify) this.#setNotify(value)
    else return false
    return true
  }

  #add(offset: number, address: string): void {
    this.list.push({
      offset, address, original: this.#original ?? '', dsnOrcpt: this.#dsnOrcpt ?? '', notify: this.#notify,
    })
    this.#end()
  }

  #end(): void {
    this.seen++
    this.#original = undefined
    this.#dsnOrcpt = undefined
    this.#notify = 0
  }

  #setOriginal(value: string): void {
    if (this.full) return
    if (this.#original !== undefined) {
      this.#warn(`ignoring out-of-order original recipient <${this.#original.slice(0, 200)}>`)
    }
    this.#original = value
  }

  #setDsnOrcpt(value: string): void {
    if (this.full) return
    if (this.#dsnOrcpt !== undefined) {
      this.#warn(`ignoring out-of-order DSN original recipient address <${this.#dsnOrcpt.slice(0, 200)}>`)
    }
    this.#dsnOrcpt = value
  }

  #setNotify(value: string): void {
    if (this.full) return
    if (this.#notify !== 0) this.#warn(`ignoring out-of-order DSN notify flags <${this.#notify}>`)
    const flags = isDigits(value) ? Number(value) : 0
    this.#notify = isNotify(flags) ? flags : 0
    if (this.#notify === 0) this.#warn(`ignoring malformed DSN notify flags <${value.slice(0, 200)}>`)
  }

  #warn(text: string): void {
    log.warning(`${this.#id}: ${text}`, { queue_id: this.#id })
  }
}

/** The fields of the size record that the envelope takes over. */
type SizePart = Pick<
  Envelope, 'contentSize' | 'dataOffset' | 'recipientCount' | 'qmgrFlags' | 'contentLength' | 'sendOptions'
>

/** Reads the size record. @throws {QueueFileError} When qmgr cannot work with it. */
export function readSizeRecord(id: QueueId, text: string): SizePart {
  const numbers = sizeNumbers(text)
  const [contentSize = 0, dataOffset = 0, recipientCount = 0, qmgrFlags = 0, length = 0, sendOptions = 0] = numbers
  // One number alone is the form of 2000; files of that age are not read.
  if (numbers.length < 3) throw new QueueFileError(`${id}: message rejected: weird size record`)
  if (contentSize <= 0 || dataOffset <= 0 || length < 0) {
    throw new QueueFileError(`${id}: invalid size record: ${text.slice(0, 100)}`)
  }
  if ((qmgrFlags & ~QMGR_FLAGS_MASK) !== 0) {
    throw new QueueFileError(`${id}: invalid flags in size record: ${text.slice(0, 100)}`)
  }
  return {
    contentSize, dataOffset, recipientCount, qmgrFlags,
    contentLength: length || contentSize,
    sendOptions: sendOptions & SEND_OPTIONS_MASK,
  }
}
