/**
 * Limits on what one client may do within a unit of time.
 *
 * Source: postconf(5) smtpd_client_*_rate_limit, anvil_rate_time_unit.
 */
import type { RateEvent } from './ports.ts'
import { refuseFor, type Outcome, type Session } from './session.ts'
import { wait, type Work } from './work.ts'

/** Whether this event is beyond `limit`; it is counted in any case. The log says so. */
function* exceeds(session: Session, event: RateEvent, limit: number, title: string): Work<boolean> {
  if (limit === 0 || session.unlimited || session.standAlone) return false
  const rate = yield* wait(session.ports.rate(event, session.origin))
  if (rate <= limit) return false
  const service = session.settings.serviceName
  session.ports.log.warning(`${title} rate limit exceeded: ${rate} from ${session.originLabel} for service ${service}`)
  return true
}

/** MAIL: what to answer when there are too many. */
export function* messageRate(session: Session): Work<Outcome | undefined> {
  if (!(yield* exceeds(session, 'message', session.settings.rates.messages, 'Message delivery request'))) {
    return undefined
  }
  return refuseFor('policy', `450 4.7.1 Error: too much mail from ${session.origin.address}`)
}

/** RCPT and VRFY. */
export function* recipientRate(session: Session): Work<Outcome | undefined> {
  if (!(yield* exceeds(session, 'recipient', session.settings.rates.recipients, 'Recipient address'))) return undefined
  return refuseFor('policy', `450 4.7.1 Error: too many recipients from ${session.origin.address}`)
}

/** AUTH. */
export function* authRate(session: Session): Work<Outcome | undefined> {
  if (!(yield* exceeds(session, 'auth', session.settings.rates.auths, 'AUTH command'))) return undefined
  return refuseFor('policy', `450 4.7.1 Error: too many AUTH commands from ${session.origin.address}`)
}

/** STARTTLS: refused when the client has had too many handshakes already; this one is not counted yet. */
export function* tlsRefused(session: Session, request: string): Work<boolean> {
  const limit = session.settings.rates.tlsSessions
  if (limit === 0 || session.unlimited || session.standAlone) return false
  if ((yield* wait(session.ports.rate('tls_so_far', session.origin))) <= limit) return false
  session.ports.log.warning(
    `Refusing ${request} request from ${session.originLabel} for service ${session.settings.serviceName}`,
  )
  return true
}

/** After a handshake, which counts where it made a new session. */
export function* tlsRate(session: Session): Work<Outcome | undefined> {
  if (session.tls?.resumed === true) return undefined
  if (!(yield* exceeds(session, 'tls', session.settings.rates.tlsSessions, 'New TLS session'))) return undefined
  const { settings: { myhostname } } = session
  return refuseFor('policy', `421 4.7.0 ${myhostname} Error: too many new TLS sessions from ${session.originLabel}`, 'close')
}
