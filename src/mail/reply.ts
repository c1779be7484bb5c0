/**
 * SMTP replies: the text of one, in one or more lines.
 *
 * Source: RFC 5321 §4.2, §4.2.1; RFC 2034 §4: the status code repeats on each line.
 */
import { withClass } from './status.ts'

/** A reply. `text` of several lines is a list. `status` is put before each line, when given. */
export type Reply = { readonly code: number; readonly status?: string; readonly text: string | readonly string[] }

/** What stands on the wire without the last line end; lines are joined by CR LF. */
export function formatReply(reply: Reply): string {
  const lines: readonly string[] = typeof reply.text === 'string' ? reply.text.split(/\r?\n/) : reply.text
  const status = reply.status === undefined ? '' : `${reply.status} `
  const last = lines.length - 1
  if (last < 0) return `${reply.code} ${status}`.trimEnd()
  return lines.map((line, i) => `${reply.code}${i < last ? '-' : ' '}${status}${line}`).join('\r\n')
}

/**
 * A permanent failure turned into a temporary one, as `soft_bounce` asks:
 * both the code and the status code of every line.
 */
export function softenReply(text: string): string {
  if (!text.startsWith('5')) return text
  return text.replaceAll(/^5(\d\d[- ])(5(?=\.\d{1,3}\.\d{1,3}(?: |$)))?/gm, (_all, rest: string, status?: string) => {
    return `4${rest}${status === undefined ? '' : '4'}`
  })
}

/** A reply cut into its parts. */
export type ReplyParts = { readonly code: number; readonly status: string | undefined; readonly text: string }

/** Reads a one-line reply: `554 5.7.1 text`. `undefined` when it does not start with a three-digit code. */
export function parseReply(line: string): ReplyParts | undefined {
  const match = /^([2-5]\d\d)(?:[ -]([245]\.\d{1,3}\.\d{1,3})(?= |$))?(?:[ -](.*))?$/s.exec(line)
  if (match === null) return undefined
  return { code: Number(match[1]), status: match[2], text: match[3] ?? '' }
}

/** A one-line reply whose status class follows its code. */
export function replyLine(code: number, status: string, text: string): string {
  return `${code} ${withClass(status, code)} ${text}`
}
