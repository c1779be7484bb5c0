/**
 * The text that a site puts after its rejects: whom to call, where to read.
 *
 * Source: postconf(5) smtpd_reject_footer.
 *
 * @module
 */
import { replyText } from './text.ts'

/** Code, separator, and status with a blank, if any. */
const HEAD_REGEXP = /^([45]\d\d)[ -]([245]\.\d{1,3}\.\d{1,3} )?/

/**
 * A reply with a footer. Lines of the footer are separated by the two characters `\n`; each repeats code and status.
 * A `\c` at its start puts the first line behind the last one of the reply.
 *
 * @param footer Expanded.
 */
export function withFooter(reply: string, footer: string): string {
  const lines = reply.split('\r\n')
  const head = HEAD_REGEXP.exec(lines.at(-1) ?? '')
  if (head === null || footer === '') return reply
  const [, code = '', status = ''] = head
  const continues = footer.startsWith('\\c')
  const added = (continues ? footer.slice(2) : footer).split('\\n')
  if (continues) lines[lines.length - 1] += replyText(added.shift() ?? '')
  const all = [...lines, ...added.map((text) => `${code} ${status}${replyText(text)}`)]
  return all.map((line, i) => `${line.slice(0, 3)}${i < all.length - 1 ? '-' : ' '}${line.slice(4)}`).join('\r\n')
}
