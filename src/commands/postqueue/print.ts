/**
 * The two forms of the queue listing: the table of mailq, and one JSON object for each message.
 *
 * @module
 */
import { ctime } from '#mail/date.ts'
import type { ListedHead, ListingSink } from '#service/listing.ts'
import type { ListedRecipient } from '#queue/list.ts'

/** A printer takes a listing; `finish()` after the last message. */
export type ListingPrinter = ListingSink & { finish(): void }

type Write = (text: string) => void

/** Widths of the columns; they follow the length of the ids that are made now. */
type Layout = {
  readonly id: number
  readonly size: number
  readonly time: number
  readonly titles: readonly [string, string, string, string]
}

const SHORT_LAYOUT: Layout = {
  id: 11,
  size: 7,
  time: 20,
  titles: ['-Queue ID-', '--Size--', '----Arrival Time----', '-Sender/Recipient-------'],
}
const LONG_LAYOUT: Layout = {
  id: 17,
  size: 8,
  time: 19,
  titles: ['----Queue ID-----', '--Size--', '---Arrival Time----', '--Sender/Recipient------'],
}
/** Column in which a reason ends, without its parentheses. */
const REASON_END = 76
const BYTES_PER_KBYTE = 1024
const STATE_MARKS: ReadonlyMap<string, string> = new Map([['active', '*'], ['hold', '!']])

/** mailq's table. */
export class TablePrinter implements ListingPrinter {
  readonly #write: Write
  readonly #layout: Layout
  #messages = 0
  #bytes = 0
  /** Reason shown last: recipients with the same one share it. */
  #reason = ''
  #lastTime = Number.NaN
  #lastDate = ''

  constructor(write: Write, longIds: boolean) {
    this.#write = write
    this.#layout = longIds ? LONG_LAYOUT : SHORT_LAYOUT
  }

  message({ queue, id, time, size, forcedExpire, sender }: ListedHead): void {
    if (this.#messages === 0) this.#line(...this.#layout.titles)
    this.#messages++
    this.#bytes += size
    this.#reason = ''
    const mark = `${STATE_MARKS.get(queue) ?? ''}${forcedExpire ? '#' : ''}`
    const date = this.#date(time)
    this.#line(id + mark, String(size), date, sender)
  }

  recipient({ address, reason }: ListedRecipient): void {
    if (reason !== this.#reason) {
      const text = reason === '' ? 'reason unavailable' : reason
      this.#write(`${' '.repeat(Math.max(0, REASON_END - lengthOf(text)))}(${text})\n`)
    }
    this.#reason = reason
    this.#line('', '', '', address)
  }

  end(): void {
    this.#write('\n')
  }

  finish(): void {
    if (this.#messages === 0) {
      this.#write('Mail queue is empty\n')
      return
    }
    const plural = this.#messages === 1 ? '' : 's'
    this.#write(`-- ${Math.floor(this.#bytes / BYTES_PER_KBYTE)} Kbytes in ${this.#messages} Request${plural}.\n`)
  }

  /** As ctime(3) has it; messages that came at once stand together in a sorted queue. */
  #date(seconds: number): string {
    if (seconds !== this.#lastTime) {
      const date = new Date(seconds * 1000)
      const zone = { offsetMinutes: -date.getTimezoneOffset(), name: '' }
      this.#lastDate = ctime(date, zone).slice(0, this.#layout.time).padEnd(this.#layout.time)
      this.#lastTime = seconds
    }
    return this.#lastDate
  }

  #line(id: string, size: string, time: string, text: string): void {
    const layout = this.#layout
    this.#write(`${id.padEnd(layout.id)} ${size.padStart(layout.size)} ${time.padEnd(layout.time)} ${text}\n`)
  }
}

/** Columns are counted in bytes, as printf(3) does. */
function lengthOf(text: string): number {
  return Buffer.byteLength(text)
}

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\b', '\\b'], ['\f', '\\f'], ['\n', '\\n'], ['\r', '\\r'], ['\t', '\\t'], ['"', '\\"'], ['\\', '\\\\'],
])
// eslint-disable-next-line no-control-regex
const ESCAPED_REGEXP = /[\u0000-\u001f"\\]/g

function jsonString(text: string): string {
  const escaped = text.replaceAll(ESCAPED_REGEXP, (c) => {
    return SHORT_ESCAPES.get(c) ?? `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
  })
  return `"${escaped}"`
}

const REASON_KEYS = { defer: 'delay_reason', bounce: 'bounce_reason', '': 'other_reason' } as const

/** One JSON object a line; the keys and blanks are those that other people's scripts expect. */
export class JsonPrinter implements ListingPrinter {
  readonly #write: Write
  #recipients = 0

  constructor(write: Write) {
    this.#write = write
  }

  message({ queue, id, time, size, forcedExpire, sender }: ListedHead): void {
    this.#recipients = 0
    this.#write(
      `{"queue_name": ${jsonString(queue)}, "queue_id": ${jsonString(id)}, "arrival_time": ${time}, `
      + `"message_size": ${size}, "forced_expire": ${forcedExpire}, "sender": ${jsonString(sender)}, "recipients": [`,
    )
  }

  recipient({ original, address, logClass, reason }: ListedRecipient): void {
    const comma = this.#recipients++ > 0 ? ', ' : ''
    const why = reason === '' ? '' : `, "${REASON_KEYS[logClass]}": ${jsonString(reason)}`
    this.#write(`${comma}{"orig_address": ${jsonString(original)}, "address": ${jsonString(address)}${why}}`)
  }

  end(): void {
    this.#write(']}\n')
  }

  finish(): void { /* nothing but the messages */ }
}
