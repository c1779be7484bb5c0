/**
 * What is decided when a session starts, and again after XCLIENT and STARTTLS.
 *
 * @module
 */
import type { ClientList } from './ports.ts'
import type { Session } from './session.ts'
import { wait, type Work } from './work.ts'

/** Finds out what this client may do. */
export function* prepareSession(session: Session): Work<void> {
  const { settings, client, origin } = session
  if (session.standAlone) {
    session.unlimited = true
    session.bareNewlinesExcluded = true
    return
  }
  // After XCLIENT the client is the one that was named: it is no proxy of ours.
  session.xclientAllowed = yield* listed(session, 'xclient', client)
  session.xforwardAllowed = yield* listed(session, 'xforward', client)
  const proxy = yield* listed(session, 'xclient', origin)
  session.unlimited = proxy || (yield* listed(session, 'event_exceptions', client))
  session.verpAllowed = yield* listed(session, 'verp', client)
  const strict = settings.bareNewline.action !== 'accept'
  session.bareNewlinesExcluded = strict && (yield* listed(session, 'bare_newline_exclusions', client))
  yield* activateSasl(session)
}

function* listed(session: Session, list: ClientList, client: Session['origin']): Work<boolean> {
  return yield* wait(session.ports.clientListed(list, client))
}

/** Logins are offered where they are enabled, and not before encryption when that is demanded. */
function* activateSasl(session: Session): Work<void> {
  const { settings, ports: { sasl, log } } = session
  session.saslActive = false
  session.saslMechanisms = []
  if (sasl === undefined || (settings.tlsAuthOnly && session.tls === undefined)) return
  const options = session.tls === undefined ? settings.saslOptions : settings.saslTlsOptions
  const mechanisms = yield* wait(sasl.mechanisms(options))
  if (mechanisms === undefined || mechanisms.length === 0) {
    log.warning('no SASL authentication mechanisms')
    return
  }
  session.saslActive = true
  if (yield* listed(session, 'sasl_exceptions', session.client)) return
  session.saslMechanisms = mechanisms
}
