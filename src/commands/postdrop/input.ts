/**
 * What a user may submit: three segments of records, checked one by one.
 *
 * Pure but for its callbacks. Input comes in pieces of any size; what is let through
 * comes out as records. The caller of postdrop may be anyone with an account.
 *
 * @module
 */
import { attributeType, PAYLOAD_BYTES_MAX, QueueFileError, readHead, RECORD, splitAttribute } from '#queue/record.ts'
import { recordName } from '#queue/record-name.ts'
import { printable } from '#util/printable.ts'
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'

/** Input that is refused as a whole; the message is what postdrop says after `uid=N: `. */
export class InputError extends Error {
  override readonly name = 'InputError'
}

/** Where things go. */
export type InputOutput = {
  /** A record of the file. */
  record(type: number, payload: Uint8Array): void
  /** Something was left out; the text comes after `uid=N: `. */
  warn(text: string): void
  /** A line for the log that does not name the user. */
  warnInput(text: string): void
  /** An envelope sender, in internal form; may throw. */
  sender?(address: string): void
}

type Segment = { readonly allowed: ReadonlySet<number>; readonly end: number; readonly envelope: boolean }

const segment = (letters: string, envelope: boolean): Segment => {
  const types = Array.from(letters, (c) => c.charCodeAt(0))
  return { allowed: new Set(types), end: types[0] ?? 0, envelope }
}

/** In this order; the first type ends each. */
const SEGMENTS: readonly Segment[] = [segment('MCFSRVAin', true), segment('XLN', false), segment('EAR', true)]

/** Characters of a payload in an error. */
const SHOWN_LENGTH_MAX = 200
const NUL = 0
const LF = 10
const CR = 13

/** `sendmail -bv` and `-v`: reports that everyone may ask for. */
const TRACE_FLAGS: readonly string[] = ['512', '1024']

/** Reads the input of one submission. */
export class SubmissionInput {
  readonly #out: InputOutput
  readonly #payloadBytesMax: number
  #held: Uint8Array = new Uint8Array(0)
  #segment = 0
  /** Whether there was a sender, and a recipient. */
  senderSeen = false
  recipientSeen = false

  /** @param payloadBytesMax line_length_limit; 0 for no limit. */
  constructor(out: InputOutput, payloadBytesMax: number) {
    this.#out = out
    this.#payloadBytesMax = payloadBytesMax === 0 ? PAYLOAD_BYTES_MAX : payloadBytesMax
  }

  /** Whether the end record has come; what follows it is not looked at. */
  get ended(): boolean {
    return this.#segment === SEGMENTS.length
  }

  /** Takes a piece of input. @throws {InputError} */
  push(bytes: Uint8Array): void {
    const held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    let at = 0
    while (!this.ended) {
      const next = this.#take(held, at)
      if (next === undefined) break
      at = next
    }
    // The caller's memory is not kept.
    this.#held = Uint8Array.from(held.subarray(at))
  }

  /**
   * Takes the end of the input.
   *
   * @returns Whether it was complete; otherwise it was called off between two records.
   * @throws {InputError} It ended within a record.
   */
  end(): boolean {
    const type = this.#held[0]
    if (this.ended || type === undefined) return this.ended
    const head = readHead(this.#held, 0)
    const where = head === undefined ? 'reading length, record' : 'in data, record'
    const length = head === undefined ? '' : ` length ${head.length}`
    this.#out.warnInput(`stdin: unexpected EOF ${where} type ${type}${length}`)
    throw new InputError('malformed input')
  }

  /** Takes one record. @returns Where the next one starts; `undefined` when this one is not complete. */
  #take(bytes: Uint8Array, at: number): number | undefined {
    const head = this.#head(bytes, at)
    if (head === undefined) return undefined
    if (head.length > this.#payloadBytesMax) {
      this.#out.warnInput(`stdin: illegal length ${head.length}, record type ${head.type}`)
      throw new InputError('malformed input')
    }
    const end = head.start + head.length
    if (end > bytes.length) return undefined
    this.#record(head.type, bytes.subarray(head.start, end))
    return end
  }

  #head(bytes: Uint8Array, at: number): ReturnType<typeof readHead> {
    try {
      return readHead(bytes, at)
    } catch (error) {
      if (!(error instanceof QueueFileError)) throw error
      this.#out.warnInput(`stdin: ${error.message}`)
      throw new InputError('malformed input')
    }
  }

  #record(type: number, payload: Uint8Array): void {
    const current = SEGMENTS[this.#segment]
    if (current === undefined || !current.allowed.has(type)) throw new InputError(`unexpected record type: ${type}`)
    if (current.envelope && payload.some((byte) => byte === NUL || byte === CR || byte === LF)) {
      const shown = printable(decodeRaw(payload).replace(/\0[^]*$/, '')).slice(0, SHOWN_LENGTH_MAX)
      throw new InputError(`null or line break in '${recordName(type)}' record type: ${shown}`)
    }
    if (type === current.end) this.#segment++
    if (type === RECORD.sender && current.envelope) this.#sender(payload)
    if (type === RECORD.recipient) this.recipientSeen = true
    if (type === RECORD.attribute) this.#attribute(payload)
    else this.#out.record(type, payload)
  }

  #sender(payload: Uint8Array): void {
    this.senderSeen = true
    this.#out.sender?.(decodeRaw(payload))
  }

  /** Only what sendmail writes gets through: other attributes would claim things about the client. */
  #attribute(payload: Uint8Array): void {
    const text = decodeRaw(payload)
    const parts = splitAttribute(text)
    if (typeof parts === 'string') {
      this.#out.warn(`ignoring malformed record: ${parts}: ${text.slice(0, SHOWN_LENGTH_MAX)}`)
      return
    }
    const { name, value } = parts
    if (name === 'trace_flags' && !TRACE_FLAGS.includes(value)) {
      this.#out.warn(`ignoring unexpected trace flags: ${value.slice(0, SHOWN_LENGTH_MAX)}`)
    } else if (isAllowed(name, value)) {
      this.#out.record(RECORD.attribute, encodeRaw(`${name}=${value}`))
    } else {
      this.#out.warn(`ignoring attribute record: ${name.slice(0, SHOWN_LENGTH_MAX)}=${value.slice(0, SHOWN_LENGTH_MAX)}`)
    }
  }
}

function isAllowed(name: string, value: string): boolean {
  switch (name) {
    case 'encoding':
      return value === '7bit' || value === '8bit' || value === ''
    case 'rewrite_context':
      return value === 'local' || value === 'remote'
    case 'trace_flags':
      return true
    default:
      // Those that stand for a record type of their own: DSN parameters, creation time.
      return attributeType(name) !== undefined
  }
}
