/**
 * Why a mailbox cannot be used, in the words and codes that log readers know.
 *
 * Source: RFC 3463 §3.3, §3.4; local(8), virtual(8).
 *
 * @module
 */
import { errnoCode, errnoText } from '#system/errno.ts'

/** Why a mailbox can't be used; the text is for the delivery line. */
export class MailboxError extends Error {
  override name = 'MailboxError'
  /** Enhanced status code: class 4 is tried again. */
  readonly status: string
  /** For reports, where it is not the message. */
  readonly diagnostic: string | undefined

  constructor(status: string, message: string, diagnostic?: string) {
    super(message)
    this.status = status
    this.diagnostic = diagnostic
  }
}

/** What comes by itself and goes by itself, or concerns the system and not the mailbox. */
const STATUS: Readonly<Record<string, string>> = {
  EAGAIN: '4.2.0', ESTALE: '4.2.0', ENOSPC: '4.3.0', EMFILE: '4.3.0', ENFILE: '4.3.0', ENOMEM: '4.3.0', EDQUOT: '5.2.2', EFBIG: '5.2.2',
}

/**
 * An error of the system.
 *
 * @param what What could not be done.
 * @param status For errors that say nothing about when to try again.
 */
export function mailboxError(what: string, error: unknown, status: string): MailboxError {
  return new MailboxError(STATUS[errnoCode(error) ?? ''] ?? status, `${what}: ${errnoText(error)}`)
}

/** A message that could not be written to its end. RFC 3464 §2.3.6 wants the words of the system's codes. */
export function writeError(error: unknown): MailboxError {
  const { status, message } = mailboxError('error writing message', error, '5.3.0')
  return new MailboxError(status, message, 'input/output error')
}

/** The mailbox would be larger than it may be. */
export function tooLarge(): MailboxError {
  return new MailboxError('5.2.2', 'error writing message: File too large', 'input/output error')
}
