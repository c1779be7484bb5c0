/**
 * What postmaster is told about a session that went wrong.
 *
 * @module
 */
import type { ErrorNotice } from '#service/error-notice.ts'
import type { SessionTrouble } from './ports.ts'

/** The notice about a session. */
export function noticeOf({ client, faults, lines, endReason }: SessionTrouble): ErrorNotice {
  return {
    subject: `SMTP server: errors from ${client}`,
    faults,
    body: [
      'Transcript of session follows.', '', ...lines, '',
      ...(endReason === undefined ? [] : [`Session aborted, reason: ${endReason}`]), '',
      'For other details, see the local mail logfile',
    ],
  }
}
