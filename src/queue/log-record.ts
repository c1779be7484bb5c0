/**
 * One record of a delivery status log: its text, and how it is read back.
 *
 * @module
 */
import { isDigits } from '#util/ascii.ts'
import { printable } from '#util/printable.ts'
import { splitAttribute } from './record.ts'
import type { LogName } from './spool.ts'

/**
 * What became of one recipient. Addresses are in external (quoted) form, as they stand in the file.
 * RFC 3464 names the fields of the notice that come from it.
 */
export type StatusRecord = {
  readonly recipient: string
  /** Given when it differs from `recipient`. */
  readonly original?: string
  /** Of the recipient record in the queue file. */
  readonly offset?: number
  readonly dsnOrcpt?: string
  readonly notify?: number
  /** RFC 3463 code. */
  readonly status: string
  /** delayed, failed, delivered, relayed, expanded, deliverable, undeliverable. */
  readonly action: string
  readonly diagType?: string
  readonly diagText?: string
  readonly mtaType?: string
  readonly mtaName?: string
  readonly reason: string
}

/** What stands for values that the log does not have. */
const NO_ADDRESS = '(recipient address unavailable)'
const NULL_ADDRESS = '(MAILER-DAEMON)'
const NO_REASON = '(description unavailable)'

function pair(nameA: string, a: string | undefined, nameB: string, b: string | undefined): string {
  return a && b ? `${nameA}=${a}\n${nameB}=${b}\n` : ''
}

/** The lines between the empty ones. */
function statusLines(record: StatusRecord): string {
  const { recipient, original, offset, dsnOrcpt, notify, status, action, reason } = record
  let text = `recipient=${recipient || '<>'}\n`
  if (original && original.toLowerCase() !== recipient.toLowerCase()) text += `original_recipient=${original}\n`
  if (offset) text += `offset=${offset}\n`
  if (dsnOrcpt) text += `dsn_orig_rcpt=${dsnOrcpt}\n`
  if (notify) text += `notify_flags=${notify}\n`
  text += `status=${status}\naction=${action}\n`
  text += pair('diag_type', record.diagType, 'diag_text', record.diagText)
  text += pair('mta_type', record.mtaType, 'mta_mname', record.mtaName)
  return `${text}reason=${reason}\n`
}

/**
 * A record as it stands in the file. Control characters in values become `?`: they would be lines of their own.
 *
 * @param compatible Start with the line that programs before 2004 read.
 */
export function formatStatus(record: StatusRecord, compatible: boolean): string {
  const safe = safeRecord(record)
  const old = compatible ? `<${safe.recipient}>: ${safe.reason}\n` : ''
  return `\n${old}${statusLines(safe)}\n`
}

function safeRecord(record: StatusRecord): StatusRecord {
  const entries = Object.entries(record).map(([key, value]) => {
    return [key, typeof value === 'string' ? printable(value) : value] as const
  })
  return { ...record, ...Object.fromEntries(entries) }
}

type Draft = { -readonly [K in keyof StatusRecord]: StatusRecord[K] }

function emptyDraft(name: LogName): Draft {
  const soft = name === 'defer'
  return {
    recipient: NO_ADDRESS,
    status: soft ? '4.0.0' : '5.0.0',
    action: soft ? 'delayed' : 'failed',
    reason: NO_REASON,
  }
}

/** Fields whose value is text as it stands, by their name in the file. */
const TEXT_FIELDS = {
  dsn_orig_rcpt: 'dsnOrcpt',
  status: 'status',
  action: 'action',
  diag_type: 'diagType',
  diag_text: 'diagText',
  mta_type: 'mtaType',
  mta_mname: 'mtaName',
  reason: 'reason',
} as const satisfies Record<string, keyof StatusRecord>

function isTextField(name: string): name is keyof typeof TEXT_FIELDS {
  return Object.hasOwn(TEXT_FIELDS, name)
}

type Warn = (text: string) => void

/** `name=value`. */
function parseAttribute(draft: Draft, line: string, warn: Warn): void {
  const parts = splitAttribute(line)
  if (typeof parts === 'string') {
    warn(`malformed record: ${parts}`)
    return
  }
  const { name, value } = parts
  if (name === 'recipient') draft.recipient = address(value)
  else if (name === 'original_recipient') draft.original = address(value)
  else if (name === 'offset') setNumber(draft, 'offset', value)
  else if (name === 'notify_flags') setNumber(draft, 'notify', value)
  else if (isTextField(name)) setText(draft, name, value)
  else warn(`unknown attribute name: ${name}, ignored`)
}

function address(value: string): string {
  return value === '' ? NULL_ADDRESS : value
}

/** An empty value says nothing: what stood there before, or the default, stays. */
function setText(draft: Draft, name: keyof typeof TEXT_FIELDS, value: string): void {
  if (value !== '') draft[TEXT_FIELDS[name]] = value
}

function setNumber(draft: Draft, field: 'offset' | 'notify', value: string): void {
  if (isDigits(value)) draft[field] = Number(value)
}

/** `<address>: reason` */
function parseOldLine(draft: Draft, line: string, warn: Warn): void {
  const end = line.indexOf('>: ')
  if (end < 0) {
    warn(`malformed record: ${line.slice(0, 30)}...`)
    return
  }
  draft.recipient = address(line.slice(1, end))
  const reason = line.slice(end + 3).trim()
  if (reason !== '') draft.reason = reason
}

function parseLine(draft: Draft, line: string, warn: Warn): void {
  if (/^[A-Za-z0-9]/.test(line)) parseAttribute(draft, line, warn)
  else if (line.startsWith('<')) parseOldLine(draft, line, warn)
  else warn(`malformed record: ${line.slice(0, 30)}...`)
}

/**
 * The records in the lines of a log. Later lines of a record override earlier ones;
 * a record that no empty line ends was cut off, and is left out.
 *
 * @param warn Called with each line that makes no sense; the line is then ignored.
 */
export function* parseStatus(lines: Iterable<string>, name: LogName, warn: Warn): Generator<StatusRecord, void> {
  let draft: Draft | undefined
  for (const raw of lines) {
    const line = printable(raw)
    if (line !== '') {
      draft ??= emptyDraft(name)
      parseLine(draft, line, warn)
    } else if (draft) {
      yield draft
      draft = undefined
    }
  }
}
