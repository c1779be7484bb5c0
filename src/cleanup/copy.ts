/**
 * Copying body records into the queue file as they are, as many at a time as possible.
 *
 * Usual ones are only walked over: short, without a CR or LF that does not belong there. The others are looked at.
 *
 * @module
 */
import { readHead, RECORD, QueueFileError, type RecordHead } from '#queue/record.ts'
import { hasStrayLineEnd, StrayLineEnds, withoutStrayLineEnds } from './characters.ts'
import { rejectInput } from './envelope.ts'
import { outputRecords, outputText } from './output.ts'
import type { MessageState } from './state.ts'

const DASH = 0x2d
/** What one length byte can say, and the bytes of type and length then. */
const SHORT_BYTES_MAX = 0x7f
const SHORT_HEAD_BYTES = 2

/** Copies the body of one message. */
export class BodyCopier {
  /** Whether the last record ended its line. */
  complete = true
  readonly #state: MessageState
  readonly #shortBytesMax: number

  constructor(state: MessageState) {
    this.#state = state
    this.#shortBytesMax = Math.min(state.settings.lineBytesMax, SHORT_BYTES_MAX)
  }

  /**
   * Copies records from `start` on.
   *
   * @param boundaries A line that starts with `--` is not copied: it may be the boundary of a part.
   * @returns Where it stopped: at such a line, or at the end, or at damage, for which the message has failed.
   */
  copy(bytes: Uint8Array, start: number, boundaries: boolean): number {
    const { lineBytesMax, replaceStrayLineEnds } = this.#state.settings
    const strays = replaceStrayLineEnds ? new StrayLineEnds(bytes) : undefined
    let from = start
    let at = start
    for (;;) {
      at = this.#skipUsual(bytes, at, strays?.next(at) ?? bytes.length, boundaries)
      if (at >= bytes.length) break
      const head = headOf(this.#state, bytes, at)
      if (head === undefined) return at
      const end = head.start + head.length
      const payload = bytes.subarray(head.start, end)
      if (boundaries && this.complete && payload[0] === DASH && payload[1] === DASH) break
      this.complete = head.type === RECORD.text
      if (head.length > lineBytesMax || (replaceStrayLineEnds && hasStrayLineEnd(payload))) {
        outputRecords(this.#state, bytes.subarray(from, at))
        outputText(this.#state, replaceStrayLineEnds ? withoutStrayLineEnds(payload) : payload, this.complete)
        from = end
      }
      at = end
    }
    if (at > from) outputRecords(this.#state, bytes.subarray(from, at))
    return at
  }

  /** Where the first record is that is not usual, or reaches beyond `end`. */
  #skipUsual(bytes: Uint8Array, start: number, end: number, boundaries: boolean): number {
    const shortBytesMax = this.#shortBytesMax
    let { complete } = this
    let at = start
    while (at < end) {
      const type = bytes[at]
      const length = bytes[at + 1] ?? SHORT_BYTES_MAX + 1
      const next = at + SHORT_HEAD_BYTES + length
      if ((type !== RECORD.text && type !== RECORD.textPart) || length > shortBytesMax || next > end) break
      if (boundaries && complete && bytes[at + 2] === DASH && bytes[at + 3] === DASH) break
      complete = type === RECORD.text
      at = next
    }
    this.complete = complete
    return at
  }
}

/** The head of the record at `at`, checked; `undefined`: the message is refused. */
export function headOf(state: MessageState, bytes: Uint8Array, at: number): RecordHead | undefined {
  let head: RecordHead | undefined
  try {
    head = readHead(bytes, at)
  } catch (error) {
    if (!(error instanceof QueueFileError)) throw error
  }
  if (head === undefined || head.start + head.length > bytes.length) {
    rejectInput(state, 'malformed record in message content')
    return undefined
  }
  if (head.type !== RECORD.text && head.type !== RECORD.textPart) {
    rejectInput(state, `unexpected record type ${head.type} in message content`)
    return undefined
  }
  return head
}
