/**
 * The content segment: headers and body lines on their way into the queue file.
 *
 * Headers go through checks and rewriting, body lines through checks. As soon as
 * nothing can look at the rest of the message any more, its records are copied as
 * they are.
 *
 * @module
 */
import { MimeParser, mimeErrorText, type MimeError, type MimeOptions, type MimeOutput } from '#mail/mime.ts'
import { RECORD } from '#queue/record.ts'
import { log } from '#system/log.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { bodyLine } from './body.ts'
import { containsAny, withoutBytes, withoutStrayLineEnds } from './characters.ts'
import { contentAction } from './checks.ts'
import { BodyCopier, headOf } from './copy.ts'
import { endEnvelope } from './envelope.ts'
import { headersEnd, messageHeader } from './header.ts'
import { originOf, shownAddress } from './origin.ts'
import { outputRecord } from './output.ts'
import { Sequence } from './sequence.ts'
import type { MessageState } from './state.ts'
import { STATUS } from './status.ts'

const cleanupLog = log.as('cleanup')

/** Characters of the offending text in a log line. */
const SHOWN_LENGTH_MAX = 100
const MIME_STATUS = '5.6.0'
const NOTHING = new Uint8Array(0)

/** Reads the content of one message. */
export class ContentReader {
  readonly #state: MessageState
  readonly #parser: MimeParser
  /** Steps of the current records, when one of them waits for a lookup. */
  readonly #steps = new Sequence()
  /** Whether each byte has to be looked at all the way: characters to refuse or remove, body checks. */
  readonly #inspects: boolean
  /** Takes what the parser need not see. */
  readonly #copier: BodyCopier

  /** Starts the segment in the queue file. */
  constructor(state: MessageState) {
    this.#state = state
    this.#copier = new BodyCopier(state)
    const { rejectBytes, stripBytes, bodyChecks } = state.settings
    this.#inspects = rejectBytes !== undefined || stripBytes !== undefined || (state.filter && !bodyChecks.empty)
    this.#parser = new MimeParser(this.#output(), mimeOptions(state))
    endEnvelope(state)
    outputRecord(state, RECORD.message, NOTHING)
    state.dataOffset = state.file.size
    state.segment = 'content'
  }

  /** Takes whole N and L records. The memory is used until the result is there. */
  records(bytes: Uint8Array): MaybePromise<void> {
    for (let at: number | undefined = 0; at !== undefined && at < bytes.length && this.#state.ok;) {
      if (this.#copies) at = this.#copier.copy(bytes, at, this.#parser.hasBoundaries)
      if (at < bytes.length && this.#state.ok) at = this.#record(bytes, at)
    }
    return this.#steps.idle()
  }

  /** Whether lines go to the queue file as they are, up to a boundary. */
  get #copies(): boolean {
    return !this.#inspects && this.#parser.onlyBody && !this.#steps.busy
  }

  /** Ends the content: what the parser holds comes out, and what it found wrong counts. */
  end(): MaybePromise<void> {
    if (this.#state.ok) {
      // The last line gets an end, whoever saw it last.
      if (!this.#copier.complete) this.#parser.line(NOTHING, true)
      this.#parser.end()
    }
    this.#steps.run(() => this.#finish())
    return this.#steps.idle()
  }

  #finish(): void {
    const state = this.#state
    const text = mimeErrorText(this.#parser.errors)
    if (text !== undefined && state.reason === undefined) state.fail(STATUS.content, `${MIME_STATUS} ${text}`)
    state.contentSize = state.file.size - state.dataOffset
    outputRecord(state, RECORD.extracted, NOTHING)
    state.segment = 'extracted'
    state.inRecipients = false
  }

  /** Gives one record to the parser. @returns Where the next one starts; `undefined` after an error. */
  #record(bytes: Uint8Array, at: number): number | undefined {
    const head = headOf(this.#state, bytes, at)
    if (head === undefined) return undefined
    const end = head.start + head.length
    this.#line(bytes.subarray(head.start, end), head.type === RECORD.text)
    return end
  }

  #line(bytes: Uint8Array, complete: boolean): void {
    const { rejectBytes, stripBytes, replaceStrayLineEnds } = this.#state.settings
    if (this.#state.filter && rejectBytes !== undefined && containsAny(bytes, rejectBytes)) {
      const text = decodeRaw(bytes)
      this.#steps.run(() => {
        contentAction(this.#state, { part: 'content', text, map: 'character reject' }, 'REJECT disallowed character')
      })
      return
    }
    let line = stripBytes === undefined || !this.#state.filter ? bytes : withoutBytes(bytes, stripBytes)
    if (replaceStrayLineEnds) line = withoutStrayLineEnds(line)
    this.#parser.line(line, complete)
  }

  #output(): MimeOutput {
    const state = this.#state
    return {
      header: (region, info, header) => this.#steps.run(() => messageHeader(state, region, info, header)),
      headerEnd: () => this.#steps.run(() => headersEnd(state, this.#parser.errors)),
      body: (line, complete, offset) => {
        // The line is a view of the caller's memory, which does not wait with us.
        const kept = this.#steps.busy ? Uint8Array.from(line) : line
        this.#steps.run(() => bodyLine(state, kept, complete, offset))
      },
      error: (error, text) => this.#steps.run(() => logMimeError(state, error, text)),
    }
  }
}

/** Mail that this system made itself is not judged. */
function mimeOptions(state: MessageState): MimeOptions {
  const { mime, headerBytesMax } = state.settings
  return {
    disableMime: mime.disabled,
    report: state.filter && !mime.disabled ? reported(state) : new Set(),
    headerBytesMax,
    nestingMax: mime.nestingMax,
    boundaryBytesMax: mime.boundaryBytesMax,
  }
}

function reported(state: MessageState): Set<MimeError> {
  const { mime, headerChecks, mimeHeaderChecks, nestedHeaderChecks, endOfHeader } = state.settings
  const errors = new Set<MimeError>()
  if (mime.strict8bit || mime.strict7bitHeaders) errors.add('8bitInHeader')
  if (mime.strict8bit || mime.strict8bitBody) errors.add('8bitIn7bitBody')
  if (mime.strictEncoding) errors.add('encodingDomain')
  const checked = ![headerChecks, mimeHeaderChecks, nestedHeaderChecks].every((maps) => maps.empty)
  if (errors.size > 0 || checked) errors.add('nesting')
  if (endOfHeader === 'reject') errors.add('nonEmptyEndOfHeader')
  return errors
}

function logMimeError(state: MessageState, error: MimeError, text: string): void {
  const what = mimeErrorText(new Set([error])) ?? error
  const shown = text.slice(0, SHOWN_LENGTH_MAX)
  const from = shownAddress(state.sender ?? '')
  const to = shownAddress(state.recipient ?? 'unknown')
  const line = `${state.id}: reject: mime-error ${what}: ${shown} from ${originOf(state)}; from=<${from}> to=<${to}>`
  cleanupLog.info(line, { queue_id: state.id })
}

