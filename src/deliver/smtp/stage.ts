/**
 * The stages of a session: how long each may take, and what a broken one is called.
 *
 * Source: RFC 5321 §4.5.3.2 (time limits); smtp(8).
 */

/** Words for "lost connection with … while". */
export const STAGE_TEXTS = {
  greeting: 'receiving the initial server greeting',
  ehlo: 'performing the EHLO handshake',
  helo: 'performing the HELO handshake',
  lhlo: 'performing the LHLO handshake',
  starttls: 'receiving the STARTTLS response',
  // The words of Postfix: SASL has none of its own.
  auth: 'performing the EHLO handshake',
  xforwardAddress: 'sending XFORWARD name/address',
  xforwardHelo: 'sending XFORWARD protocol/helo_name',
  mail: 'sending MAIL FROM',
  rcpt: 'sending RCPT TO',
  data: 'sending DATA command',
  body: 'sending message body',
  dot: 'sending end of data -- message may be sent more than once',
  abort: 'sending final RSET',
  quit: 'sending QUIT',
} as const

/** A step of the conversation. */
export type Stage = keyof typeof STAGE_TEXTS

/** Seconds that each stage may wait. */
export type StageTimes = Readonly<Record<Stage, number>>
