/**
 * Enhanced mail system status codes: `class.subject.detail`.
 *
 * Source: RFC 3463 §2; RFC 2034 §4 (in replies).
 */

/** A text whose leading status code has been cut off, with the blanks after it. */
export type StatusText = { readonly status: string; readonly rest: string }

/** RFC 3463 §2: class 2, 4 or 5; subject and detail up to three digits. */
const STATUS_REGEXP = /^[245]\.\d{1,3}\.\d{1,3}(?![^ \t\r\n])/

/** What stands before a text: a status code, when the text starts with one. */
export function parseStatus(text: string): StatusText | undefined {
  const status = STATUS_REGEXP.exec(text)?.[0]
  return status === undefined ? undefined : { status, rest: text.slice(status.length).trimStart() }
}

/** Whether `text` is a status code and nothing else. */
export function isStatus(text: string): boolean {
  return STATUS_REGEXP.exec(text)?.[0] === text
}

/** The text cut from its status code; `status` where it has none of its own. */
export function splitStatus(status: string, text: string): StatusText {
  return parseStatus(text) ?? { status, rest: text.trimStart() }
}

/** `status` with the class digit of `classDigit`, a digit or a longer code such as a reply's. */
export function withClass(status: string, classDigit: string | number): string {
  return String(classDigit).charAt(0) + status.slice(1)
}

/**
 * The status that a reply carries or, without one, the vaguest of its class.
 *
 * @param code Reply code, 200 to 599.
 * @param text What follows the code and its separator.
 */
export function statusForReply(code: number, text: string): string {
  const digit = Math.trunc(code / 100)
  const own = parseStatus(text)?.status
  // RFC 2034 §4: the class must agree with the code; where it does not, the code decides.
  if (own !== undefined && own.startsWith(String(digit))) return own
  return digit === 2 || digit === 4 ? `${digit}.0.0` : '5.0.0'
}
