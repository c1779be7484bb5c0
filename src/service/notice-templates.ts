/**
 * Words of the notices that the bounce service sends: the built-in templates, and those of a site's
 * bounce_template_file. `postconf -t` shows them, `postconf -b` with their `$name`s expanded.
 *
 * Source: bounce(5). Templates are `name_template = <<MARKER`, lines, `MARKER`, or all on one line; each may start
 * with pseudo headers (Charset, From, Subject, Postmaster-Subject); then comes the text, where `$name` stands for a
 * parameter. Texts of messages are those of Postfix 3.11's bounce(8).
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { isAscii } from '#util/ascii.ts'
import type { ReportKind, ReportTemplate } from '#mail/report.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { expandText } from '#config/expand.ts'
import { ExpressionError } from '#config/expression.ts'
import { splitNameValue } from '#config/main-cf.ts'
import { isParameterName } from '#config/parameters/table.ts'

/** One template for each kind of notice; the `$name`s of its text are still there. */
export type Templates = Readonly<Record<ReportKind, ReportTemplate>>

/** Gets the text of a warning. */
type Warn = (text: string) => void

/** The kinds of notices, in the order in which they are shown. */
export const NOTICE_KINDS = ['failure', 'delay', 'success', 'verify'] as const satisfies readonly ReportKind[]
const GREETING = ['This is the mail system at host $myhostname.', '']
const SIGNATURE = ['', '                   The mail system']

const FAILURE_TEXT = [
  ...GREETING,
  'Your message could not be delivered to one or more recipients.',
  'It is attached below, with the reason for each of them.',
  '',
  'If you need help, please write to postmaster and include this report;',
  'you may leave out your own text from the attached message.',
  ...SIGNATURE,
]

const DELAY_TEXT = [
  ...GREETING,
  '####################################################################',
  '# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #',
  '####################################################################',
  '',
  'Your message could not be delivered for more than $delay_warning_time_hours hour(s).',
  'Delivery will be tried again until it is $maximal_queue_lifetime_days day(s) old.',
  '',
  'If you need help, please write to postmaster and include this report;',
  'you may leave out your own text from the attached message.',
  ...SIGNATURE,
]

const SUCCESS_TEXT = [
  ...GREETING,
  'Your message was successfully delivered to the destinations listed below.',
  'Where a mailbox is named, nothing more will be reported. Where another',
  'mail system took the message, it may still report a problem.',
  ...SIGNATURE,
]

const VERIFY_TEXT = [...GREETING, 'Enclosed is the mail delivery report that you asked for.', ...SIGNATURE]

/** The templates of a site without bounce_template_file. */
export function builtInTemplates(standardFrom: boolean): Templates {
  const from = standardFrom ? 'Mail Delivery System <MAILER-DAEMON>' : 'MAILER-DAEMON (Mail Delivery System)'
  const make = (subject: string, postmasterSubject: string, text: readonly string[]): ReportTemplate =>
    ({ charset: 'us-ascii', from, subject, postmasterSubject, text })
  return {
    failure: make('Undelivered Mail Returned to Sender', 'Postmaster Copy: Undelivered Mail', FAILURE_TEXT),
    delay: make('Delayed Mail (still being retried)', 'Postmaster Warning: Delayed Mail', DELAY_TEXT),
    success: make('Successful Mail Delivery Report', '', SUCCESS_TEXT),
    verify: make('Mail Delivery Status Report', '', VERIFY_TEXT),
  }
}

/**
 * The templates of a file over the built-in ones.
 *
 * @throws {ConfigError} The file cannot be read, or has a line that belongs to no template.
 */
export function readTemplates(file: string, builtIn: Templates, warn: Warn): Templates {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`${isErrno(error, 'EISDIR') ? 'read' : 'open'} ${file}: ${errnoText(error)}`)
  }
  return parseTemplates(text, file, builtIn, warn)
}

/**
 * Like readTemplates(), of the text of a file.
 *
 * @param file Path for messages.
 * @throws {ConfigError} A line that belongs to no template.
 */
export function parseTemplates(text: string, file: string, builtIn: Templates, warn: Warn): Templates {
  const templates: Record<ReportKind, ReportTemplate> = { ...builtIn }
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (let at = 0; at < lines.length;) {
    const line = lines[at++] ?? ''
    if (/^\s*(?:#|$)/.test(line)) continue
    const { name, value } = definition(line, `${file}, line ${at + 1}`)
    const end = value.startsWith('<<') ? endOfText(value, lines, at, file, warn) : undefined
    const kind = NOTICE_KINDS.find((known) => name === `${known}_template`)
    const body = end === undefined ? [value] : lines.slice(at, end)
    if (end !== undefined) at = Math.min(end + 1, lines.length)
    if (kind === undefined) warn(`${file}, line ${at + 1}: unknown template name: ${name} -- ignoring this template`)
    else templates[kind] = parseTemplate(kind, body, file, builtIn[kind], warn)
  }
  return templates
}

function definition(line: string, where: string): { name: string; value: string } {
  const pair = splitNameValue(line)
  if ('reason' in pair) throw new ConfigError(`${where}: ${pair.reason}: "${line}"`)
  return pair
}

/** The index of the line that ends the text after `<<marker`: the number of lines when there is none. */
function endOfText(value: string, lines: readonly string[], start: number, file: string, warn: Warn): number {
  const marker = value.slice(2).trimStart()
  if (!/^[A-Za-z0-9]/.test(marker)) throw new ConfigError(`${file}, line ${start + 1}: malformed end marker after <<`)
  const end = lines.indexOf(marker, start)
  if (end < 0) warn(`${file}, line ${lines.length + 1}: missing "${marker}" end marker`)
  return end < 0 ? lines.length : end
}

const FIELDS: Readonly<Record<string, 'charset' | 'from' | 'subject' | 'postmasterSubject'>> = {
  charset: 'charset', from: 'from', subject: 'subject', 'postmaster-subject': 'postmasterSubject',
}

function parseTemplate(
  kind: ReportKind, lines: readonly string[], file: string, builtIn: ReportTemplate, warn: Warn,
): ReportTemplate {
  const values = { ...builtIn }
  let at = 0
  for (; at < lines.length; at++) {
    const [, label = '', value = ''] = /^([!-9;-~]+)[ \t]*:\s*(.*?)\s*$/.exec(lines[at] ?? '') ?? []
    if (label === '') break
    const problem = headerProblem(kind, label, value)
    if (problem !== undefined) {
      warn(`${file}: ${problem} in ${kind} template -- ignoring this template`)
      return builtIn
    }
    const field = FIELDS[label.toLowerCase()]
    if (field !== undefined) values[field] = value
  }
  const text = lines.slice(lines[at] === '' ? at + 1 : at)
  if (values.charset.toLowerCase() === 'us-ascii' && !isAscii(text.join(''))) {
    warn(`${file}: 8-bit message text in ${kind} template`)
    warn('please specify a charset value other than us-ascii')
    warn('-- ignoring this template for now')
    return builtIn
  }
  return { ...values, text }
}

function headerProblem(kind: ReportKind, label: string, value: string): string | undefined {
  if (value === '') return `empty "${label}" header value`
  // A control character has no place in a header either.
  if (!/^[ -~\t]*$/.test(value)) return `non-ASCII "${label}" header value`
  const field = FIELDS[label.toLowerCase()]
  if (field === undefined) return `unknown "${label}" header label`
  const isFit = field !== 'postmasterSubject' || kind === 'failure' || kind === 'delay'
  return isFit ? undefined : `inapplicable "${label}" header label`
}

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  seconds: 1, minutes: 60, hours: 3600, days: 86_400, weeks: 604_800,
}
const TIMED_REGEXP = /^(delay_warning_time|maximal_queue_lifetime)_(\w*)$/
const SHOWN_MAX = 999

/**
 * The text of a template with the values of its `$name`s.
 *
 * @param file Path for messages; empty for a built-in template.
 * @throws {ConfigError} A name that nothing defines, a time in no known unit, bad syntax.
 */
export function expandTemplate(
  kind: ReportKind, text: readonly string[], config: Config, file: string, warn: Warn,
): readonly string[] {
  const where = file === '' ? '[built-in]' : file
  return text.map((line) => {
    let isUndefined = false
    const lookup = (name: string): string | undefined => {
      const value = timeText(kind, name, config, where, warn) ?? valueOf(name, config)
      isUndefined ||= value === undefined
      return value
    }
    try {
      const expanded = expandText(line, lookup)
      if (isUndefined) throw new ConfigError(`${where}: undefined $name in ${kind} template: ${line}`)
      return expanded
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      throw new ConfigError(`${where}: bad $name syntax in ${kind} template: ${line}`, error.warnings)
    }
  })
}

function valueOf(name: string, config: Config): string | undefined {
  return isParameterName(name) || config.isSet(name) ? config.expand(`\${${name}}`) : undefined
}

/** The value of a name such as `delay_warning_time_hours`; `undefined` for any other name. */
function timeText(kind: ReportKind, name: string, config: Config, where: string, warn: Warn): string | undefined {
  const [, parameter = '', unit = ''] = TIMED_REGEXP.exec(name) ?? []
  if (parameter !== 'delay_warning_time' && parameter !== 'maximal_queue_lifetime') return undefined
  const divisor = UNIT_SECONDS[unit]
  if (divisor === undefined) {
    throw new ConfigError(`${where}: unrecognized suffix "${unit}" in parameter "${name}"`)
  }
  const seconds = config.time(parameter)
  const result = Math.trunc(seconds / divisor)
  const isTooSmall = result === 0 && seconds > 0
  if (isTooSmall || (result > SHOWN_MAX && divisor < 86_400)) {
    const what = isTooSmall ? 'zero result' : `excessive result "${result}"`
    warn(`${where}: ${what} in ${kind} template conversion of parameter "${name}"`)
    warn(`please ${isTooSmall ? 'reduce' : 'increase'} time unit "${unit}" of "${name}" in ${kind} template`)
    warn('for instructions see the bounce(5) manual')
  }
  return String(result)
}
