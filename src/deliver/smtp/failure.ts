/**
 * Failures of a delivery: status code, text, and what the server said.
 *
 * The texts are an interface: log readers and people know them by heart.
 *
 * Source: RFC 3463; RFC 5321 §4.2; smtp(8).
 */
import { parseStatus, statusForReply } from '#mail/status.ts'

/** Why recipients are not served. `mta` and `diagnostic` are absent when the cause is on our side. */
export type Failure = {
  /** `4.x.x` or `5.x.x`. */
  readonly dsn: string
  readonly reason: string
  /** Name of the server that said it. */
  readonly mta?: string
  /** What it said, on one line. */
  readonly diagnostic?: string
}

/** A reply of a server. */
export type ServerReply = {
  /** 0 when the reply does not start with three digits. */
  readonly code: number
  /** Enhanced status code; 5.5.0 (protocol error) when the code says neither success nor failure. */
  readonly dsn: string
  /** All lines with their codes, separated by blanks. */
  readonly text: string
}

/** RFC 3463 §3.6: the reply makes no sense. */
const PROTOCOL_ERROR = '5.5.0'

/** Reads a reply whose lines are joined by `\n`. */
export function parseServerReply(raw: string): ServerReply {
  const text = raw.replaceAll('\n', ' ')
  const last = raw.slice(raw.lastIndexOf('\n') + 1)
  if (!/^\d{3}(?!\d)/.test(last)) return { code: 0, dsn: PROTOCOL_ERROR, text }
  const code = Number(last.slice(0, 3))
  if (code < 200 || code >= 600 || (code >= 300 && code < 400)) return { code, dsn: PROTOCOL_ERROR, text }
  return { code, dsn: statusForReply(code, last.slice(4).trimStart()), text }
}

/** RFC 5321 §4.2.1: the first digit tells success. */
export function isPositive(reply: ServerReply): boolean {
  return reply.code >= 200 && reply.code < 300
}

/** Whether to go on with the message: `354`. */
export function isIntermediate(reply: ServerReply): boolean {
  return reply.code >= 300 && reply.code < 400
}

/**
 * A failure by a server's reply. Success where it cannot be is a failure too.
 *
 * @param mta Name of the server.
 * @param reason Text of the failure, with the reply in it.
 */
export function replyFailure(mta: string, reply: ServerReply, reason: string): Failure {
  const isRefusal = /^[45]/.test(reply.dsn)
  return {
    dsn: isRefusal ? reply.dsn : PROTOCOL_ERROR,
    reason: isRefusal ? reason : `Protocol error: ${reason}`,
    mta, diagnostic: reply.text,
  }
}

/** Which command a reply answers, in the words of the status text. */
export const REPLY_TO = {
  mail: 'MAIL FROM command',
  rcpt: 'RCPT TO command',
  data: 'DATA command',
  dot: 'end of DATA command',
  xforwardAddress: 'XFORWARD name/address command',
  xforwardHelo: 'XFORWARD helo/protocol command',
} as const

/** The server refused a command. */
export function refused(mta: string, namaddr: string, reply: ServerReply, command: keyof typeof REPLY_TO): Failure {
  return replyFailure(mta, reply, `host ${namaddr} said: ${reply.text} (in reply to ${REPLY_TO[command]})`)
}

/**
 * The server does not want us: greeting, EHLO or HELO.
 *
 * @param soften A permanent refusal counts as temporary (smtp_skip_5xx_greeting).
 */
export function refusedToTalk(mta: string, namaddr: string, reply: ServerReply, soften: boolean): Failure {
  const softer = soften && reply.dsn.startsWith('5') ? { ...reply, dsn: `4${reply.dsn.slice(1)}` } : reply
  return replyFailure(mta, softer, `host ${namaddr} refused to talk to me: ${reply.text}`)
}

/** Whether another server, or a later attempt, may do better. */
export function isSoft(failure: Failure): boolean {
  return failure.dsn.startsWith('4')
}

/** A reply that says that we, not the mail, were at fault: the connection is not used again. */
export function isProtocolError({ code }: ServerReply): boolean {
  return code < 400 || code > 599 || code === 555 || (code >= 500 && code < 510)
}

/** Mail that would come back to this machine. */
export function isLoop(failure: Failure | undefined): boolean {
  return failure !== undefined && /^[45]\.4\.6$/.test(failure.dsn)
}

/** Cuts a leading status code from a text; `dsn` where there is none. */
export function localFailure(dsn: string, text: string): Failure {
  const own = parseStatus(text)
  return own === undefined ? { dsn, reason: text } : { dsn: own.status, reason: own.rest }
}

/** Something of ours could not be read while the message was on its way: it waits. */
export class LocalDataError extends Error {
  override readonly name = 'LocalDataError'
}
