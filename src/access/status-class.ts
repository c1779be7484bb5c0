/**
 * Status codes fitted to what is rejected: the same table entry may be used for
 * senders, recipients and clients, but 5.1.1 says something about a recipient.
 *
 * Source: RFC 3463 §3.2; access(5), "ENHANCED STATUS CODES".
 */

/** The words for what a rejection is about. */
export const REPLY_CLASS = {
  client: 'Client host',
  reverseClient: 'Unverified Client host',
  certificate: 'Client certificate',
  login: 'SASL login name',
  helo: 'Helo command',
  sender: 'Sender address',
  recipient: 'Recipient address',
  etrn: 'Etrn command',
  data: 'Data command',
  endOfData: 'End-of-data',
} as const

/** One of those words. */
export type ReplyClass = (typeof REPLY_CLASS)[keyof typeof REPLY_CLASS]

/** Detail of x.1.y to the code for a sender and for a recipient. */
const DETAILS: ReadonlyMap<string, readonly [sender: string, recipient: string]> = new Map([
  ['1', ['4.1.7', '4.1.1']],
  ['2', ['4.1.8', '4.1.2']],
  ['3', ['4.1.7', '4.1.3']],
  ['4', ['4.1.7', '4.1.4']],
  ['5', ['4.1.0', '4.1.5']],
  ['6', ['4.1.7', '4.1.6']],
  ['7', ['4.1.7', '4.1.3']],
  ['8', ['4.1.8', '4.1.2']],
])

/** A fitted code. `note` is a log line, when the code was changed. */
export type FittedStatus = { readonly status: string; readonly note?: string }

/** Fits `status` to what is rejected. Codes that are not about addresses stay; the class digit is settled later. */
export function fitStatus(status: string, about: ReplyClass): FittedStatus {
  if (!/^\d\.1\./.test(status)) return { status }
  const [sender, recipient] = DETAILS.get(status.slice(4)) ?? ['4.1.0', '4.1.0']
  const fitted = about === REPLY_CLASS.sender ? sender : about === REPLY_CLASS.recipient ? recipient : '4.0.0'
  if (fitted.slice(2) === status.slice(2)) return { status: fitted }
  return {
    status: fitted, note: `mapping DSN status ${status} into ${about} status ${status.charAt(0)}${fitted.slice(1)}`,
  }
}
