/**
 * The envelope segment: sender, time, attributes, recipients.
 *
 * Records come in the order of the queue file; what does not belong here makes
 * the message fail. DSN attributes of a recipient come before it.
 *
 * Source: Postfix queue file format, envelope segment; RFC 3461 §4 (DSN parameters).
 *
 * @module
 */
import { isNotify, RET } from '#mail/dsn-parameters.ts'
import { attributeType, paddedNumber, RECORD, splitAttribute } from '#queue/record.ts'
import { isDigits } from '#util/ascii.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { warn } from './addresses.ts'
import { addRecipient } from './recipient.ts'
import { addSender } from './sender.ts'
import { startRecipients as startExtractedRecipients } from './extracted.ts'
import { LATE_BITS, flagsFromBits } from './flags.ts'
import { outputRecord } from './output.ts'
import { QMGR_FLAG, SEND_OPTION, type MessageState } from './state.ts'
import { STATUS } from './status.ts'

/** Types that the envelope may hold, besides flags that are never stored. */
const ENVELOPE_TYPES = new Set<number>(Array.from('MCTcFILSDRO/WVA>K<ion', (c) => c.charCodeAt(0)))
/** Types that begin the recipients; the end of the segment counts as one. */
const RECIPIENT_TYPES = new Set<number>(Array.from('MDRO/Kon', (c) => c.charCodeAt(0)))
/** Types that the extracted segment may hold. */
const EXTRACTED_TYPES = new Set<number>(Array.from('EDRO/PreAFIL>Kon', (c) => c.charCodeAt(0)))
/** VERP has one delimiter before the recipient and one inside it. */
const VERP_LENGTH = 2
const QMGR_NOTIFY_SHIFT = 1

/** Gives up on the message because of its input. */
export function rejectInput(state: MessageState, text: string): void {
  warn(state, `message rejected: ${text}`)
  state.fail(STATUS.bad)
}

/** What a record means: attributes of DSN stand for record types of their own. */
type Meaning = { readonly type: number; readonly name: string; readonly value: string }

function meaningOf(state: MessageState, type: number, payload: string): Meaning | undefined {
  if (type !== RECORD.attribute) return { type, name: '', value: payload }
  const parts = splitAttribute(payload)
  if (typeof parts === 'string') {
    rejectInput(state, `malformed attribute: ${parts}: ${payload.slice(0, 100)}`)
    return undefined
  }
  if (parts.value === '') {
    warn(state, `spurious null attribute value for "${parts.name}" -- ignored`)
    return undefined
  }
  return { type: attributeType(parts.name) ?? type, ...parts }
}

/** Takes a record of the envelope segment. */
export function envelopeRecord(state: MessageState, type: number, payload: string): MaybePromise<void> {
  if (type === RECORD.flags) return lateFlags(state, payload)
  if (!ENVELOPE_TYPES.has(type)) return rejectInput(state, `unexpected record type ${type} in envelope`)
  const meaning = meaningOf(state, type, payload)
  if (meaning === undefined) return undefined
  if (RECIPIENT_TYPES.has(type) && !state.inRecipients && !startRecipients(state)) return undefined
  if (isRecipientRecord(meaning.type)) return recipientRecord(state, meaning, payload)
  if (type === RECORD.message) return undefined
  if (type === RECORD.size) return sizeRecord(state, payload)
  if (meaning.type === RECORD.createTime) return undefined
  noteMixed(state)
  return otherRecord(state, type, meaning, payload)
}

/** Ends the envelope without recipients, as mail has them whose recipients are in its headers. */
export function endEnvelope(state: MessageState): boolean {
  return state.inRecipients || startRecipients(state)
}

/** Takes a record of the extracted segment. */
export function extractedRecord(state: MessageState, type: number, payload: string): MaybePromise<void> {
  if (type === RECORD.flags) return lateFlags(state, payload)
  if (!EXTRACTED_TYPES.has(type)) return rejectInput(state, `unexpected record type ${type} in extracted envelope`)
  const meaning = meaningOf(state, type, payload)
  if (meaning === undefined) return undefined
  if (RECIPIENT_TYPES.has(type)) startExtractedRecipients(state)
  if (isRecipientRecord(meaning.type)) return recipientRecord(state, meaning, payload)
  noteMixed(state)
  outputRecord(state, type, payload)
}

/** The queue manager has to read all records when recipients are not the last ones. */
function noteMixed(state: MessageState): void {
  if (state.inRecipients) state.qmgrFlags |= QMGR_FLAG.mixedRecipients
}

function lateFlags(state: MessageState, payload: string): void {
  const bits = Number.parseInt(payload, 10)
  if (Number.isNaN(bits) || (bits & ~LATE_BITS) !== 0) {
    warn(state, `ignoring bad extra flags: 0x${bits.toString(16)}`)
    return
  }
  const flags = flagsFromBits(bits)
  if (flags.hold === true) state.hold = true
  if (flags.discard === true) state.discard = true
}

/** What comes between the other records and the recipients. `false`: the message is refused. */
function startRecipients(state: MessageState): boolean {
  if (state.sender === undefined) {
    rejectInput(state, 'missing sender envelope record')
    return false
  }
  if (state.arrival === undefined) {
    rejectInput(state, 'missing time envelope record')
    return false
  }
  const delay = state.settings.delayWarningSeconds
  if (!state.warnTimeSeen && state.sender !== '' && delay > 0) {
    outputRecord(state, RECORD.warnTime, paddedNumber(state.arrival.seconds + delay))
  }
  state.inRecipients = true
  return true
}

function isRecipientRecord(type: number): boolean {
  switch (type) {
    case RECORD.recipient:
    case RECORD.done:
    case RECORD.canceled:
    case RECORD.originalRecipient:
    case RECORD.dsnRecipient:
    case RECORD.notify:
      return true
    default:
      return false
  }
}

function recipientRecord(state: MessageState, meaning: Meaning, payload: string): MaybePromise<void> {
  const { value } = meaning
  switch (meaning.type) {
    case RECORD.recipient:
      return recipient(state, payload)
    case RECORD.originalRecipient:
      if (state.originalRecipient !== undefined) outOfOrder(state, 'original recipient', state.originalRecipient)
      state.originalRecipient = value
      return undefined
    case RECORD.dsnRecipient:
      if (state.dsnRecipient !== undefined) outOfOrder(state, 'DSN original recipient', state.dsnRecipient)
      state.dsnRecipient = value
      return undefined
    case RECORD.notify:
      return notifyRecord(state, value, payload)
    default:
      // Delivered or canceled before this message was queued again.
      return endRecipient(state)
  }
}

function outOfOrder(state: MessageState, what: string, value: string): void {
  warn(state, `ignoring out-of-order ${what} record <${value.slice(0, 200)}>`)
}

function recipient(state: MessageState, address: string): MaybePromise<void> {
  // Programs that list the queue stop at the first record they do not expect.
  if (state.sender === undefined) return rejectInput(state, 'envelope recipient precedes sender')
  const original = state.originalRecipient ?? address
  const added = addRecipient(state, address, { original, dsnRecipient: state.dsnRecipient, notify: state.notify })
  endRecipient(state)
  return added
}

function endRecipient(state: MessageState): void {
  state.originalRecipient = undefined
  state.dsnRecipient = undefined
  state.notify = 0
}

function notifyRecord(state: MessageState, value: string, payload: string): void {
  if (state.notify !== 0) {
    warn(state, `ignoring out-of-order DSN notify record <${state.notify}>`)
    state.notify = 0
  }
  const bits = isDigits(value) ? Number(value) : 0
  if (!isNotify(bits)) {
    warn(state, `ignoring malformed DSN notify record <${payload.slice(0, 200)}>`)
    return
  }
  state.notify = bits
  state.qmgrFlags |= bits << QMGR_NOTIFY_SHIFT
}

/** Of a size record only what is not derived counts: options of `sendmail -O`, or of mail that is queued again. */
function sizeRecord(state: MessageState, payload: string): void {
  const options = Number(payload.trim().split(/\s+/)[5] ?? 0)
  const kept = SEND_OPTION.smtputf8Requested | SEND_OPTION.requireTlsEsmtp
  if (Number.isInteger(options) && options > 0) state.sendOptions |= options & kept
}

function otherRecord(state: MessageState, type: number, meaning: Meaning, payload: string): MaybePromise<void> {
  switch (meaning.type) {
    case RECORD.sender:
      if (state.sender !== undefined) return rejectInput(state, 'multiple envelope sender records')
      return addSender(state, payload)
    case RECORD.time:
      return timeRecord(state, payload)
    case RECORD.fullName:
      state.fullName ??= payload
      break
    case RECORD.warnTime:
      if (state.warnTimeSeen) return undefined
      state.warnTimeSeen = true
      break
    case RECORD.verp:
      return verpRecord(state, payload)
    case RECORD.envelopeId:
      // eslint-disable-next-line no-control-regex
      if (/[\u0000-\u001f\u007f]/.test(meaning.value)) return rejectInput(state, 'bad DSN envelope ID record')
      state.envelopeId = meaning.value
      break
    case RECORD.returnFlags:
      if (!isReturnFlags(meaning.value)) return rejectInput(state, `bad DSN RET record <${payload.slice(0, 200)}>`)
      state.returnFlags = Number(meaning.value)
      break
    case RECORD.attribute:
      if (!attribute(state, meaning)) return undefined
      break
    default:
      break
  }
  outputRecord(state, type, payload)
}

function isReturnFlags(value: string): boolean {
  return isDigits(value) && (Number(value) === RET.full || Number(value) === RET.headers)
}

/** The first time counts; our own time, from which the age of queued mail is counted, follows it. */
function timeRecord(state: MessageState, payload: string): void {
  if (state.arrival === undefined) {
    const [seconds = 0, microseconds = 0] = payload.trim().split(/\s+/).map(Number)
    if (Number.isInteger(seconds) && seconds > 0) {
      state.arrival = { seconds, microseconds: Number.isInteger(microseconds) ? microseconds : 0 }
    }
    outputRecord(state, RECORD.time, payload)
  }
  outputRecord(state, RECORD.attribute, `create_time=${Math.trunc(state.now() / 1000)}`)
}

function verpRecord(state: MessageState, payload: string): void {
  if (state.sender === '') {
    warn(state, 'ignoring VERP request for null sender')
    return
  }
  const { verpDelimiters } = state.settings
  if (payload.length !== VERP_LENGTH || Array.from(payload).some((c) => !verpDelimiters.includes(c))) {
    warn(state, `ignoring bad VERP request: "${payload.slice(0, 100)}"`)
    return
  }
  state.verp = payload
  outputRecord(state, RECORD.verp, payload)
}

/** Keeps an attribute. `false`: it is not to be written. */
function attribute(state: MessageState, { name, value }: Meaning): boolean {
  if (state.attributes.size >= state.settings.attributesMax) {
    rejectInput(state, `attribute count exceeds limit ${state.settings.attributesMax}`)
    return false
  }
  if (name === 'rewrite_context' && !setContext(state, value)) return false
  if (name === 'trace_flags') {
    if (!isDigits(value)) {
      rejectInput(state, `bad TFLAG record <${`${name}=${value}`.slice(0, 200)}>`)
      return false
    }
    state.traceFlags = Number(value)
  }
  state.attributes.set(name, value)
  return true
}

/** Without a domain for them, headers of strangers are left alone. */
function setContext(state: MessageState, value: string): boolean {
  if (value === 'local') state.context = 'local'
  else if (value === 'remote') state.context = state.settings.remoteDomain === '' ? undefined : 'remote'
  else {
    rejectInput(state, `bad rewriting context: ${value.slice(0, 100)}`)
    return false
  }
  return true
}
