/**
 * The listing of the queue on the wire, between the showq service and postqueue: attribute lists,
 * one for each message, an empty one at the end. Postfix 3.11's form, both ways.
 *
 * @module
 */
import type { ListedMessage, ListedRecipient, LogClass } from '#queue/list.ts'
import { encodeAttributes } from './attributes.ts'

/** First list of the service: what it speaks. */
export const LISTING_PROTOCOL = 'mail_queue_list_protocol'

/** What the service sends before the first message. */
export function encodeGreeting(): Buffer {
  return encodeAttributes([['protocol', LISTING_PROTOCOL]])
}

/** The head of a message; its recipients follow, then `encodeEnd()`. */
export function encodeMessage(message: ListedMessage): Buffer {
  return encodeAttributes([
    ['queue_name', message.queue],
    ['queue_id', message.id],
    ['time', message.time],
    ['size', message.size],
    ['forced_expire', message.forcedExpire ? 1 : 0],
    ['sender', message.sender],
  ], true)
}

export function encodeRecipient(recipient: ListedRecipient): Buffer {
  return encodeAttributes([
    ['original_recipient', recipient.original],
    ['recipient', recipient.address],
    ['log_class', recipient.logClass],
    ['reason', recipient.reason],
  ], true)
}

/** Ends a message, or the listing. */
export function encodeEnd(): Buffer {
  return encodeAttributes([])
}

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
  /** Names and values of the group at work. */
  #strings: string[] = []

  constructor(sink: ListingSink) {
    this.#sink = sink
  }

  /** Whether the listing has come to its end. */
  get done(): boolean {
    return this.#part === 'done'
  }

  /** @throws {ListingError} */
  push(chunk: Uint8Array): void {
    this.#held = this.#held.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk])
    let start = 0
    for (let end = this.#held.indexOf(NUL); end >= 0 && !this.done; end = this.#held.indexOf(NUL, start)) {
      this.#string(this.#held.toString('utf8', start, end))
      start = end + 1
    }
    this.#held = this.#held.subarray(start)
    if (this.#held.length > STRING_BYTES_MAX) throw new ListingError('malformed listing: string too long')
  }

  #string(text: string): void {
    if (text === '' && this.#strings.length === 0) return this.#endOfList()
    this.#strings.push(text)
    const names = this.#names()
    const count = this.#strings.length
    if (count % 2 === 1 && text !== names[(count - 1) / 2]) {
      throw new ListingError(`malformed listing: ${text} is not what comes next`)
    }
    if (count < names.length * 2) return
    this.#group(this.#strings.filter((_, i) => i % 2 === 1))
    this.#strings = []
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
