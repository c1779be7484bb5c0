/**
 * Mail filters (Milters) that cannot be asked: each event has the outcome that
 * milter_default_action names, as with filters that are down.
 *
 * Source: postconf(5) smtpd_milters, milter_default_action; MILTER_README.
 *
 * @module
 */
import type { MilterAction } from './milter-settings.ts'
import type { Session } from './session.ts'

/** Replies to what the filters would have been asked about. */
const REPLIES: Readonly<Partial<Record<MilterAction, string>>> = {
  reject: '550 5.5.0 Service unavailable',
  tempfail: '451 4.7.1 Service unavailable - try again later',
  shutdown: '421 4.7.1 Service unavailable - try again later',
}

/** What the filters would decide about. */
export type MilterEvent = 'CONNECT' | 'HELO' | 'EHLO' | 'MAIL' | 'VRFY' | 'UNKNOWN'

const LOGGED: ReadonlySet<MilterEvent> = new Set(['CONNECT', 'HELO', 'EHLO', 'MAIL'])

/** An event; returns the reply against the client, if any. With `quarantine` a message goes on hold. */
export function milterEvent(session: Session, event: MilterEvent, sender?: string): string | undefined {
  const { settings: { milters }, ports } = session
  if (milters === undefined || session.standAlone) return undefined
  if (event === 'CONNECT') {
    for (const name of milters.names) {
      ports.log.warning(`connect to Milter service ${name}: mail filters are not supported by this version`)
    }
  }
  if (milters.action === 'quarantine' && (event === 'CONNECT' || event === 'MAIL')) {
    session.logAction('milter-hold', event, 'default_action', { sender })
  }
  const reply = REPLIES[milters.action]
  if (reply !== undefined && LOGGED.has(event)) session.logAction('milter-reject', event, reply, { sender })
  return reply
}

/** Whether messages go on hold. */
export function milterHolds({ settings, standAlone }: Session): boolean {
  return settings.milters?.action === 'quarantine' && !standAlone
}
