/**
 * Plain lines, of which most content is made, from the wire into records many at a time.
 *
 * As a record a line of less than 128 bytes gains two bytes, type and length, and loses two, CR and LF. Plain lines in
 * a row are therefore moved as a whole, by two bytes, and each head is written to where the line end before it was.
 *
 * @module
 */
import { RECORD } from '#queue/record.ts'
import type { ByteWriter } from '#util/byte-writer.ts'

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e
/** What one length byte can say. */
const LENGTH_MAX = 0x7f
/** Type and length; CR and LF. */
const HEAD_BYTES = 2
/** Lines taken at once. */
const LINES_MAX = 8192

/** Lengths of the lines that are at work; no line outlives the call. */
const lengths = new Uint8Array(LINES_MAX)

/** What plain lines are, in one message. */
export type PlainRules = {
  /** Fewer bytes than this, without CR LF. */
  readonly lineBytesMax: number
  /** Not with a dot at the start. */
  readonly dots: boolean
  /** Not with a CR before CR LF. */
  readonly crs: boolean
}

/** Takes plain lines of one message. */
export class PlainLines {
  readonly #lineBytesMax: number
  readonly #rules: PlainRules

  constructor(rules: PlainRules) {
    this.#rules = rules
    this.#lineBytesMax = Math.min(rules.lineBytesMax - 1, LENGTH_MAX)
  }

  /**
   * Takes whole plain lines from `start` on, and appends their records to `out`, if there is one.
   *
   * @returns Where the first line starts that is not plain, or not whole before `end`.
   */
  take(out: ByteWriter | undefined, bytes: Uint8Array, start: number, end: number): number {
    const { dots, crs } = this.#rules
    const lineBytesMax = this.#lineBytesMax
    let count = 0
    let at = start
    while (count < LINES_MAX && at < end) {
      if (dots && bytes[at] === DOT) break
      const lf = bytes.indexOf(LF, at)
      const length = lf - at - 1
      if (lf < 0 || lf >= end || length < 0 || length > lineBytesMax || bytes[lf - 1] !== CR) break
      if (crs && length > 0 && bytes[lf - 2] === CR) break
      lengths[count++] = length
      at = lf + 1
    }
    if (out !== undefined && count > 0) appendRecords(out, bytes.subarray(start, at - HEAD_BYTES), count)
    return at
  }
}

/** @param lines `count` lines with CR LF between them. */
function appendRecords(out: ByteWriter, lines: Uint8Array, count: number): void {
  out.reserve(lines.length + HEAD_BYTES)
  const { buffer } = out
  let head = out.length
  buffer.set(lines, head + HEAD_BYTES)
  for (let i = 0; i < count; i++) {
    const length = lengths[i] ?? 0
    buffer[head] = RECORD.text
    buffer[head + 1] = length
    head += HEAD_BYTES + length
  }
  out.length = head
}
