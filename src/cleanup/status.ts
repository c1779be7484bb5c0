/**
 * What can go wrong with a message on its way into the queue: bits that clients
 * of cleanup get, and the reply and status code that each stands for.
 *
 * Source: Postfix cleanup protocol (`status` attribute).
 */

/** Bits of a status; 0 is success. */
export const STATUS = {
  /** The client sent what it must not send. */
  bad: 1,
  /** The queue file cannot be written, or a lookup failed: try again later. */
  write: 2,
  /** Larger than message_size_limit. */
  size: 4,
  /** Refused because of its content. */
  content: 8,
  /** Too many Received headers. */
  hops: 16,
  /** No recipient. */
  recipients: 64,
  /** A proxy filter failed; set by smtpd only. */
  proxy: 128,
  /** Refused for now. */
  defer: 256,
  /** The sender may not do this; set by postdrop only. */
  permission: 512,
} as const

/** What is said about a status when there is no reason of its own. */
export type StatusDetail = {
  readonly bit: number
  /** SMTP reply code. */
  readonly reply: number
  /** Enhanced status code. */
  readonly status: string
  readonly text: string
}

/** The most important first. */
const DETAILS: readonly StatusDetail[] = [
  { bit: STATUS.defer, reply: 451, status: '4.7.1', text: 'service unavailable, try again later' },
  { bit: STATUS.proxy, reply: 451, status: '4.3.0', text: 'queue file write error' },
  { bit: STATUS.bad, reply: 451, status: '4.3.0', text: 'internal protocol error' },
  { bit: STATUS.recipients, reply: 550, status: '5.1.0', text: 'no recipients specified' },
  { bit: STATUS.hops, reply: 554, status: '5.4.0', text: 'too many hops' },
  { bit: STATUS.size, reply: 552, status: '5.3.4', text: 'message file too big' },
  { bit: STATUS.content, reply: 550, status: '5.7.1', text: 'message content rejected' },
  { bit: STATUS.write, reply: 451, status: '4.3.0', text: 'queue file write error' },
  { bit: STATUS.permission, reply: 550, status: '5.7.1', text: 'service denied' },
]

const SUCCESS: StatusDetail = { bit: 0, reply: 250, status: '2.0.0', text: 'Success' }
const UNKNOWN: StatusDetail = { bit: 0, reply: 451, status: '4.3.0', text: 'unknown error' }

/** Reply and text for the most important bit of `status`. */
export function statusDetail(status: number): StatusDetail {
  if (status === 0) return SUCCESS
  return DETAILS.find(({ bit }) => (status & bit) !== 0) ?? UNKNOWN
}

/** Mail with one of these is not returned to its sender: the client tries again, or knows by itself. */
export const CANNOT_BOUNCE = STATUS.bad | STATUS.write | STATUS.defer | STATUS.recipients

/** With one of these the rest of the message is not looked at, even for the sake of a bounce. */
export const INCOMPLETE = STATUS.bad | STATUS.write | STATUS.size | STATUS.defer

/** All bits: the rest of the message is not looked at after any error. */
export const ANY_ERROR = ~0
