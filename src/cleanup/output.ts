/**
 * Writing the queue file: records, long lines, headers. An error of the file
 * system becomes a status bit, and nothing more is written then.
 *
 * @module
 */
import { errnoCode, errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { RECORD } from '#queue/record.ts'
import { isAscii } from '#util/ascii.ts'
import { encodeRaw } from '#util/raw-text.ts'
import type { MessageState } from './state.ts'
import { STATUS } from './status.ts'

const cleanupLog = log.as('cleanup')

/** A header is cut at a line end when that is beyond this share of header_size_limit. */
const CUT_SHARE = 0.9

/** Appends one record, unless the message failed already. Text of content goes through `outputText()`. */
export function outputRecord(state: MessageState, type: number, payload: Uint8Array | string): void {
  if (!state.ok) return
  attempt(state, () => state.file.record(type, payload))
}

/** Appends whole records as they are. */
export function outputRecords(state: MessageState, records: Uint8Array): void {
  if (!state.ok) return
  attempt(state, () => state.file.write(records))
}

/**
 * Appends a line of text, or with `complete` false a piece of one. What is longer
 * than line_length_limit becomes several records.
 */
export function outputText(state: MessageState, text: Uint8Array | string, complete = true): void {
  if (!state.ok) return
  const { lineBytesMax } = state.settings
  const last = complete ? RECORD.text : RECORD.textPart
  if (text.length <= lineBytesMax && (typeof text !== 'string' || isAscii(text))) {
    outputRecord(state, last, text)
    return
  }
  const bytes = typeof text === 'string' ? encodeRaw(text) : text
  let start = 0
  for (; bytes.length - start > lineBytesMax; start += lineBytesMax) {
    outputRecord(state, RECORD.textPart, bytes.subarray(start, start + lineBytesMax))
  }
  outputRecord(state, last, bytes.subarray(start))
}

/** Runs one write. RFC 5321 has no word for a full disk but 452; cleanup's clients say 451 or wait. */
function attempt(state: MessageState, write: () => void): void {
  try {
    write()
  } catch (error) {
    failWrite(state, error)
    return
  }
  if (state.settings.messageBytesMax > 0 && state.file.size > state.settings.messageBytesMax) {
    cleanupLog.warning(`${state.id}: queue file size limit exceeded`, { queue_id: state.id })
    state.fail(STATUS.size)
  }
}

/** Records that the queue file cannot be written. */
export function failWrite(state: MessageState, error: unknown): void {
  if (errnoCode(error) === 'EFBIG') {
    cleanupLog.warning(`${state.id}: queue file size limit exceeded`, { queue_id: state.id })
    state.fail(STATUS.size)
    return
  }
  cleanupLog.warning(`${state.id}: write queue file: ${errnoText(error)}`, { queue_id: state.id })
  state.fail(STATUS.write)
}

/**
 * Appends a header. `\n` stands between its lines; those after the first that do
 * not start with white space get a TAB. What exceeds header_size_limit is left
 * out, if possible from the start of a line.
 */
export function outputHeader(state: MessageState, header: string): void {
  noteUnicodeHeader(state, header)
  if (!header.includes('\n') && header.length <= state.settings.headerBytesMax) {
    outputText(state, header)
    return
  }
  for (const [i, line] of cutLines(header, state.settings.headerBytesMax).entries()) {
    outputText(state, i === 0 || line.startsWith(' ') || line.startsWith('\t') ? line : `\t${line}`)
  }
}

function cutLines(header: string, max: number): string[] {
  const lines: string[] = []
  let start = 0
  for (const line of header.split('\n')) {
    if (start + line.length <= max) lines.push(line)
    else {
      if (start <= CUT_SHARE * max) lines.push(line.slice(0, max - start))
      break
    }
    start += line.length + 1
  }
  return lines
}

/** RFC 6531 §3.2: a header with characters beyond ASCII asks for SMTPUTF8. */
function noteUnicodeHeader(state: MessageState, header: string): void {
  if (state.settings.smtputf8 && !isAscii(header)) state.noteUnicode('header')
}
