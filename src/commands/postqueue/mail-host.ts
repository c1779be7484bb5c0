/**
 * Names of mail hosts, as a user types them.
 *
 * @module
 */
import { isIPv4, isIPv6 } from 'node:net'

const NAME_LENGTH_MAX = 255
const LABEL_REGEXP = /^[\w\u0080-\uffff](?:[\w\u0080-\uffff-]{0,61}[\w\u0080-\uffff])?$/
const LITERAL_REGEXP = /^\[(?:ipv6:)?([^\]]*)\]$/i

/** RFC 5321 §4.1.3: an address in brackets. */
function isLiteral(text: string): boolean {
  const address = LITERAL_REGEXP.exec(text)?.[1] ?? ''
  return isIPv4(address) || isIPv6(address)
}

/** Whether `text` is a host name that is not all digits, or an address in brackets. */
export function isMailHost(text: string): boolean {
  if (text.startsWith('[')) return isLiteral(text)
  if (text.length > NAME_LENGTH_MAX || /^[\d.]*$/.test(text)) return false
  return text.split('.').every((label) => LABEL_REGEXP.test(label))
}
