/**
 * Mail filters (Milter) for mail that does not come by SMTP.
 *
 * This version cannot talk to them. Mail must not pass a filter unseen, so what
 * happens is what the admin has chosen for filters that do not answer.
 *
 * Source: postconf(5) non_smtpd_milters, milter_default_action.
 *
 * @module
 */
import { log } from '#system/log.ts'
import type { MessageState } from './state.ts'
import { STATUS } from './status.ts'

const cleanupLog = log.as('cleanup')

/** Applies milter_default_action when there are filters. smtpd looks after its own. */
export function applyMilters(state: MessageState): void {
  const { milters, milterDefaultAction } = state.settings
  const [first] = milters
  if (!state.milter || first === undefined) return
  cleanupLog.warning(`connect to Milter service ${first}: this version of Posthorn cannot talk to mail filters`)
  switch (milterDefaultAction) {
    case 'accept':
      return
    case 'quarantine':
      state.hold = true
      return
    case 'reject':
      return state.fail(STATUS.content, '5.7.1 Service unavailable - try again later')
    default:
      // tempfail, shutdown
      return state.fail(STATUS.defer, '4.7.1 Service unavailable - try again later')
  }
}
