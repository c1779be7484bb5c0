/**
 * A mail transaction: what MAIL and RCPT said, and what the restrictions decided.
 *
 * @module
 */

/** BDAT: not used, at work, or failed (the rest is thrown away until the last chunk). */
export type BdatState = 'none' | 'ok' | 'failed'

/** From MAIL to the end of the message, or RSET. */
export class Transaction {
  /** Internal form, empty for the null sender; undefined before MAIL. */
  sender: string | undefined
  recipientCount = 0
  recipientOvershoot = 0
  /** Internal form. */
  firstRecipient: string | undefined
  encoding: '7bit' | '8bit' | undefined
  /** SIZE=, in bytes; 0 without. */
  declaredSize = 0
  smtputf8 = false
  requireTls = false
  envelopeId: string | undefined
  returnFlags = 0
  verp: string | undefined
  /** AUTH=, in xtext. */
  authSender: string | undefined
  /** How headers are rewritten. */
  context: 'local' | 'remote' = 'local'
  arrival = new Date(0)
  instance = ''
  bdat: BdatState = 'none'

  // What restrictions decided.
  hold = false
  discard = false
  filter: string | undefined
  redirect: string | undefined
  readonly bcc: string[] = []
  readonly prepended: string[] = []
}
