/**
 * One line of the mail log, in the shapes that its readers know.
 *
 * The text of a line is an interface: log readers match it byte by byte. What
 * stands in front of it depends on where it goes: a file gets time and host
 * as syslogd would write them, but with the day zero-padded.
 *
 * @module
 */

/** `info` has no word of its own in the line; the others stand before the text, as `warning: `. */
export type Severity = 'debug' | 'info' | 'warning' | 'error' | 'fatal' | 'panic'

/** What a line says besides its text, for readers of the JSON form. */
export type LogFields = Readonly<Record<string, string | number | boolean>>

/** A line before it takes the shape of its destination. `time` in milliseconds since 1970. */
export type LogLine = {
  readonly time: number
  readonly severity: Severity
  /** `postfix/smtpd` */
  readonly ident: string
  readonly pid: number
  /** The text, printable and cut, without the word for the severity. */
  readonly text: string
  /** The same record as one JSON object, as pino wrote it, without time, host and process. */
  readonly json: string
}

/** Postfix cuts the text of a line after this many bytes. */
export const TEXT_BYTES_MAX = 2000

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** Numbers of syslog(3). */
const PRIORITIES = { panic: 2, fatal: 2, error: 3, warning: 4, info: 6, debug: 6 } as const satisfies Record<Severity, number>

/** Facility numbers of syslog(3), as `syslog_facility` names them. */
const FACILITIES: Readonly<Record<string, number>> = {
  kern: 0, user: 1, mail: 2, daemon: 3, auth: 4, syslog: 5, lpr: 6, news: 7, uucp: 8, cron: 9, authpriv: 10, ftp: 11,
  local0: 16, local1: 17, local2: 18, local3: 19, local4: 20, local5: 21, local6: 22, local7: 23,
}

// eslint-disable-next-line no-control-regex
const UNSAFE_REGEXP = /[\u0000-\u001f\u007f-\u{10ffff}]/u
// eslint-disable-next-line no-control-regex
const CONTROL_REGEXP = /[\u0000-\u001f\u007f-\u009f]/g
/** A byte that is no part of UTF-8 text, see util/raw-text.ts. */
const LONE_SURROGATE_REGEXP = /\p{Surrogate}/gu
// eslint-disable-next-line no-control-regex
const NON_ASCII_REGEXP = /[^\u0000-\u007f]/gu

/** The facility number of a name (`mail`, `local0`), or `undefined`. */
export function facilityNumber(name: string): number | undefined {
  return FACILITIES[name.toLowerCase()]
}

/**
 * Text that stays one line of bounded length: controls become `?`, and without
 * `utf8` so does every byte of a character beyond ASCII.
 */
export function safeText(text: string, utf8: boolean): string {
  if (text.length <= TEXT_BYTES_MAX && !UNSAFE_REGEXP.test(text)) return text
  let safe = text.replaceAll(CONTROL_REGEXP, '?').replaceAll(LONE_SURROGATE_REGEXP, '?')
  if (!utf8) safe = safe.replaceAll(NON_ASCII_REGEXP, (char) => '?'.repeat(Buffer.byteLength(char)))
  return cut(safe)
}

/** The longest beginning of `text` within the limit that does not split a character. */
function cut(text: string): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= TEXT_BYTES_MAX) return text
  let end = TEXT_BYTES_MAX
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

/** `warning: text`; plain text for `info` and `debug`. */
export function severityText({ severity, text }: LogLine): string {
  return severity === 'info' || severity === 'debug' ? text : `${severity}: ${text}`
}

let stampSecond = -1
let stampText = ''

/** `Nov 05 09:56:18`, local time. */
export function maillogStamp(time: number): string {
  const second = Math.floor(time / 1000)
  if (second !== stampSecond) {
    stampSecond = second
    const date = new Date(time)
    stampText = `${monthName(date)} ${two(date.getDate())} ${clockText(date)}`
  }
  return stampText
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}

function monthName(date: Date): string {
  return MONTHS[date.getMonth()] ?? ''
}

function clockText(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** A line of `maillog_file`, without the newline. `host` without its domain. */
export function maillogLine(line: LogLine, host: string): string {
  return `${maillogStamp(line.time)} ${host} ${line.ident}[${line.pid}]: ${severityText(line)}`
}

/**
 * A line as one JSON object: time (RFC 3339, UTC), host, program and pid, then the fields of the text
 * (textFields()), severity, the fields of the call, and the text as `message`. Fields of the call count before
 * those of the text, where a stranger may have a say.
 */
export function jsonLine(line: LogLine, host: string): string {
  const head = { time: new Date(line.time).toISOString(), host, program: line.ident, pid: line.pid }
  const own: unknown = JSON.parse(line.json)
  return JSON.stringify({ ...head, ...textFields(line.text), ...(typeof own === 'object' ? own : {}) })
}

/** One `name=value` of a line about a message, with what stands before it. */
const FIELD_REGEXP = /(?:, |^)([a-z][\w-]*)=(?:<(.*?)>|([^\s,<][^\s,]*|))(?=, [a-z][\w-]*=| \(|$)/y
/** A short id, or a long one, which has no vowels. */
const ID_REGEXP = /^([\dA-F]{6,}|[\dB-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{10,}z\w+): (?=[a-z][\w-]*=)/
const NUMBER_REGEXP = /^\d+(?:\.\d+)?$/

/**
 * What a line about a message says, in the form `ID: name=value, name=<value> (reason)`: values by name, with `_` for
 * `-`; numbers as numbers. Nothing for other lines.
 */
export function textFields(text: string): Record<string, string | number> {
  const [head = '', id = ''] = ID_REGEXP.exec(text) ?? []
  if (id === '') return {}
  const fields: Record<string, string | number> = { queue_id: id }
  const rest = text.slice(head.length)
  let end = 0
  FIELD_REGEXP.lastIndex = 0
  for (let match = FIELD_REGEXP.exec(rest); match !== null; match = FIELD_REGEXP.exec(rest)) {
    const [, name = '', quoted, bare = ''] = match
    end = FIELD_REGEXP.lastIndex
    fields[name.replaceAll('-', '_')] = quoted ?? (NUMBER_REGEXP.test(bare) ? Number(bare) : bare)
  }
  const reason = / \((.*)\)$/s.exec(rest.slice(end))?.[1]
  if (reason !== undefined) fields['reason'] = reason
  return fields
}

/** A datagram for /dev/log. The day is padded with a blank, as syslogd wants it (RFC 3164 §4.1.2). */
export function syslogDatagram(line: LogLine, facility: number): string {
  const date = new Date(line.time)
  const stamp = `${monthName(date)} ${String(date.getDate()).padStart(2)} ${clockText(date)}`
  return `<${facility * 8 + PRIORITIES[line.severity]}>${stamp} ${line.ident}[${line.pid}]: ${severityText(line)}`
}
