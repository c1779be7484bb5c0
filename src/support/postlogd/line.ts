/**
 * Lines as programs send them to the log service: complete, with time and host.
 *
 *     Nov 20 09:56:18 host postfix/smtpd[1234]: warning: text
 *
 * @module
 */
import type { LogLine, Severity } from '#system/log-line.ts'

const LINE_REGEXP = /^\S+ +\S+ +\S+ +\S+ +([^[\s]+)\[(\d+)\]: (?:(warning|error|fatal|panic): )?([^]*)$/

function isSeverity(text: string): text is Severity {
  return text === 'warning' || text === 'error' || text === 'fatal' || text === 'panic'
}

/**
 * A received line taken apart, for destinations that put their own time and host before it.
 *
 * @param now Milliseconds since 1970.
 * @returns `undefined` for what is no line of a mail program.
 */
export function parseLogLine(line: string, now: number): LogLine | undefined {
  const parts = LINE_REGEXP.exec(line)
  if (parts === null) return undefined
  const [, ident = '', pid = '', word = '', text = ''] = parts
  const severity = isSeverity(word) ? word : 'info'
  return { time: now, severity, ident, pid: Number(pid), text, json: JSON.stringify({ severity, message: text }) }
}

/** The text of one datagram as a line: without a NUL or newline at its end, and with no other line inside. */
export function lineOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8')
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\n\0]+$/, '').replaceAll(/[\u0000-\u001f\u007f]/g, '?')
}
