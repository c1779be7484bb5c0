/**
 * Words of the notices: the built-in templates, and those of a site's bounce_template_file.
 *
 * Source: bounce(5). Templates are `name_template = <<MARKER`, lines, `MARKER`; each has pseudo headers
 * (Charset, From, Subject, Postmaster-Subject), an empty line, and the text, where `$name` stands for a
 * parameter.
 *
 * @module
 */
import { isAscii } from '#util/ascii.ts'
import type { ReportKind, ReportTemplate } from '#mail/report.ts'

/** A template whose text still has its `$name`s. */
export type RawTemplate = ReportTemplate
/** One template for each kind of notice. */
export type Templates = Readonly<Record<ReportKind, RawTemplate>>

const KINDS: readonly ReportKind[] = ['failure', 'delay', 'success', 'verify']
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
  const make = (subject: string, postmasterSubject: string, text: readonly string[]): RawTemplate =>
    ({ charset: 'us-ascii', from, subject, postmasterSubject, text })
  return {
    failure: make('Undelivered Mail Returned to Sender', 'Postmaster Copy: Undelivered Mail', FAILURE_TEXT),
    delay: make('Delayed Mail (still being retried)', 'Postmaster Warning: Delayed Mail', DELAY_TEXT),
    success: make('Successful Mail Delivery Report', '', SUCCESS_TEXT),
    verify: make('Mail Delivery Status Report', '', VERIFY_TEXT),
  }
}

/**
 * Reads a template file over the built-in templates.
 *
 * @param warn Told of templates that are not used, in words without the file's name.
 * @throws {SyntaxError} For a line that belongs to no template.
 */
export function parseTemplates(text: string, builtIn: Templates, warn: (problem: string) => void): Templates {
  const templates: Record<ReportKind, RawTemplate> = { ...builtIn }
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    if (/^\s*(?:#|$)/.test(line)) continue
    const [, name = '', marker = ''] = /^(\w+)\s*=\s*<<\s*([A-Za-z0-9]\S*)\s*$/.exec(line) ?? []
    if (marker === '') throw new SyntaxError(`line ${at + 1}: expected "name_template = <<MARKER"`)
    const end = lines.indexOf(marker, at + 1)
    if (end < 0) warn(`end marker ${marker} not found for template ${name}`)
    const body = lines.slice(at + 1, end < 0 ? lines.length : end)
    const kind = KINDS.find((known) => name === `${known}_template`)
    if (!kind) warn(`unknown template name: ${name} -- ignoring this template`)
    else if (end >= 0) templates[kind] = parseTemplate(name, body, builtIn[kind], warn)
    at = end < 0 ? lines.length : end
  }
  return templates
}

function parseTemplate(
  name: string, lines: string[], builtIn: RawTemplate, warn: (problem: string) => void,
): RawTemplate {
  const empty = lines.indexOf('')
  const headers = lines.slice(0, Math.max(empty, 0))
  const refuse = (problem: string): RawTemplate => {
    warn(`${problem} in template ${name} -- using the built-in template`)
    return builtIn
  }
  if (empty < 0) return refuse('missing empty line after the headers')
  const values = { ...builtIn }
  for (const header of headers) {
    const [, label = '', value = ''] = /^([A-Za-z-]+)\s*:\s*(.*?)\s*$/.exec(header) ?? []
    if (value === '' || !isAscii(value)) return refuse(`empty or non-ASCII ${label || 'header'} value`)
    const field = FIELDS[label.toLowerCase()]
    if (!field) return refuse(`unknown "${label}" label`)
    values[field] = value
  }
  const text = lines.slice(empty + 1)
  if (values.charset.toLowerCase() === 'us-ascii' && !isAscii(text.join(''))) {
    return refuse('non-ASCII text without charset')
  }
  return { ...values, text }
}

const FIELDS: Readonly<Record<string, 'charset' | 'from' | 'subject' | 'postmasterSubject'>> = {
  charset: 'charset', from: 'from', subject: 'subject', 'postmaster-subject': 'postmasterSubject',
}

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  seconds: 1, minutes: 60, hours: 3600, days: 86400, weeks: 604800,
}
const TIMED = /^(delay_warning_time|maximal_queue_lifetime)_(\w+)$/

/** Parameters that may be shown in another unit. */
export type TimedName = 'delay_warning_time' | 'maximal_queue_lifetime'

/**
 * Puts values in the place of `$name` and `${name}`; `$$` is a dollar.
 *
 * @param value The value of a parameter; undefined when there is none of that name.
 * @param seconds The value of a time parameter, in seconds.
 * @throws {SyntaxError} For a name or a unit that does not exist.
 */
export function expandText(
  text: readonly string[], value: (name: string) => string | undefined, seconds: (name: TimedName) => number,
): string[] {
  const one = (name: string): string => {
    const [, parameter = '', unit = ''] = TIMED.exec(name) ?? []
    if (parameter === '') {
      const found = value(name)
      if (found === undefined) throw new SyntaxError(`unknown parameter $${name} in a bounce template`)
      return found
    }
    const divisor = UNIT_SECONDS[unit]
    if (divisor === undefined) throw new SyntaxError(`unrecognized suffix in parameter $${name}`)
    return String(
      Math.trunc(seconds(parameter === 'delay_warning_time' ? parameter : 'maximal_queue_lifetime') / divisor)
    )
  }
  return text.map((line) => line.replaceAll(/\$(?:\$|(\w+)|\{(\w+)\}|\((\w+)\))/g,
    (all, a?: string, b?: string, c?: string) => (all === '$$' ? '$' : one(a ?? b ?? c ?? ''))))
}
