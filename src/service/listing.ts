/**
 * The listing of the queue on the wire, between the showq service and postqueue: attribute lists,
 * one for each message, an empty one at the end. Postfix 3.11's form, both ways.
 *
 * @module
 */
import { isAscii } from 'node:buffer'
import type { ListedMessage, ListedRecipient, LogClass } from '#queue/list.ts'

/** First list of the service: what it speaks. */
export const LISTING_PROTOCOL = 'mail_queue_list_protocol'

/** What the service sends before the first message. */
export function greetingText(): string {
  return `protocol\0${LISTING_PROTOCOL}\0\0`
}

/** The head of a message; its recipients follow, then `LIST_END`. No value holds a NUL: all were made printable. */
export function messageText({ queue, id, time, size, forcedExpire, sender }: ListedMessage): string {
  return `queue_name\0${queue}\0queue_id\0${id}\0time\0${time}\0size\0${size}\0`
    + `forced_expire\0${forcedExpire ? 1 : 0}\0sender\0${sender}\0`
}

export function recipientText({ original, address, logClass, reason }: ListedRecipient): string {
  return `original_recipient\0${original}\0recipient\0${address}\0log_class\0${logClass}\0reason\0${reason}\0`
}

/** Ends a message, or the listing. */
export const LIST_END = '\0'

/** A listing that is not what we understand: other program, other version, or cut off. */
export class ListingError extends Error {
  override readonly name = 'ListingError'
}

/** What is known of a message before its recipients. */
export type ListedHead = Omit<ListedMessage, 'queue' | 'id' | 'recipients'> & {
  readonly queue: string
  readonly id: string
}

/** Whoever takes a listing, message by message. */
export type ListingSink = {
  message(head: ListedHead): void
  recipient(recipient: ListedRecipient): void
  /** After the last recipient of a message. */
  end(): void
}

const GREETING_NAMES = ['protocol'] as const
const HEAD_NAMES = ['queue_name', 'queue_id', 'time', 'size', 'forced_expire', 'sender'] as const
const RECIPIENT_NAMES = ['original_recipient', 'recipient', 'log_class', 'reason'] as const
/** Longest name or value taken. */
const STRING_BYTES_MAX = 1_048_576
const NUL = 0

function toNumber(text: string | undefined): number {
  if (text === undefined || !/^\d{1,20}$/.test(text)) throw new ListingError('malformed listing: number expected')
  return Number(text)
}

/** Strings with their NULs. */
function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return buffer.toString(isAscii(bytes) ? 'latin1' : 'utf8')
}

function toLogClass(text: string): LogClass {
  return text === 'defer' || text === 'bounce' ? text : ''
}

/**
 * Reads a listing from the pieces of a stream, in whatever way it was cut, and hands it on at once:
 * neither a message nor a listing is held as a whole.
 */
export class ListingDecoder {
  readonly #sink: ListingSink
  #held: Buffer = Buffer.alloc(0)
  /** `greeted`: the list of the greeting is still open. */
  #part: 'greeting' | 'greeted' | 'start' | 'recipients' | 'done' = 'greeting'
  /** Values of the group at work; which of its names comes next; whether that was read and its value is to come. */
  #values: string[] = []
  #expected = 0
  #inValue = false

  constructor(sink: ListingSink) {
    this.#sink = sink
  }

  /** Whether the listing has come to its end. */
  get done(): boolean {
    return this.#part === 'done'
  }

  /** @throws {ListingError} */
  push(chunk: Uint8Array): void {
    const end = chunk.lastIndexOf(NUL) + 1
    if (end > 0) {
      const whole = this.#held.length === 0 ? chunk.subarray(0, end) : Buffer.concat([this.#held, chunk.subarray(0, end)])
      this.#take(textOf(whole))
      this.#held = Buffer.from(chunk.subarray(end))
    } else this.#held = Buffer.concat([this.#held, chunk])
    if (this.#held.length > STRING_BYTES_MAX) throw new ListingError('malformed listing: string too long')
  }

  /** Takes strings that all have their NUL. */
  #take(text: string): void {
    let start = 0
    for (let end = text.indexOf('\0'); end >= 0 && !this.done; end = text.indexOf('\0', start)) {
      this.#string(text.slice(start, end))
      start = end + 1
    }
  }

  /** Names and values of a group in turn. */
  #string(text: string): void {
    if (this.#expected === 0 && text === '' && !this.#inValue) return this.#endOfList()
    const names = this.#names()
    if (!this.#inValue) {
      if (text !== names[this.#expected]) throw new ListingError(`malformed listing: ${text} is not what comes next`)
      this.#inValue = true
      return
    }
    this.#inValue = false
    this.#values.push(text)
    if (++this.#expected < names.length) return
    const values = this.#values
    this.#values = []
    this.#expected = 0
    this.#group(values)
  }

  #names(): readonly string[] {
    if (this.#part === 'greeting') return GREETING_NAMES
    return this.#part === 'start' ? HEAD_NAMES : RECIPIENT_NAMES
  }

  #endOfList(): void {
    if (this.#part === 'greeted') this.#part = 'start'
    else if (this.#part === 'recipients') {
      this.#sink.end()
      this.#part = 'start'
    } else if (this.#part === 'start') this.#part = 'done'
    else throw new ListingError('malformed listing: no greeting')
  }

  #group(values: readonly string[]): void {
    if (this.#part === 'greeting') {
      if (values[0] !== LISTING_PROTOCOL) throw new ListingError(`malformed listing: protocol ${values[0]}`)
      this.#part = 'greeted'
    } else if (this.#part === 'start') {
      const [queue = '', id = '', time, size, forced, sender = ''] = values
      this.#part = 'recipients'
      this.#sink.message({
        queue, id, time: toNumber(time), size: toNumber(size), forcedExpire: toNumber(forced) !== 0, sender,
      })
    } else {
      const [original = '', address = '', logClass = '', reason = ''] = values
      this.#sink.recipient({ original, address, logClass: toLogClass(logClass), reason })
    }
  }
}
