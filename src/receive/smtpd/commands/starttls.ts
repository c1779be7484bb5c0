/**
 * STARTTLS, up to the handshake, and what is checked after it.
 *
 * Source: RFC 3207.
 */
import { tlsRate, tlsRefused } from '#receive/smtpd/rates.ts'
import { accept, refuse, refuseFor, type Outcome, type Session } from '#receive/smtpd/session.ts'
import type { CommandToken } from '#receive/smtpd/tokens.ts'
import type { Work } from '#receive/smtpd/work.ts'

/** STARTTLS */
export function starttls(session: Session, words: readonly CommandToken[]): Work<Outcome> | Outcome {
  const { settings } = session
  if (words.length !== 1) return refuse('501 5.5.4 Syntax: STARTTLS')
  if (session.tls !== undefined) return refuse('554 5.5.1 Error: TLS already active')
  if (settings.tlsLevel === 'none' || session.standAlone || session.discarded.has('starttls')) {
    return refuse('502 5.5.1 Error: command not implemented')
  }
  if (!session.ports.tlsReady()) return refuseFor('software', '454 4.7.0 TLS not available due to local problem')
  return checkRate(session)
}

function* checkRate(session: Session): Work<Outcome> {
  if (yield* tlsRefused(session, 'STARTTLS')) {
    return refuseFor('policy', `454 4.7.0 Error: too many new TLS sessions from ${session.originLabel}`)
  }
  return accept('220 2.0.0 Ready to start TLS', 'tls')
}

/** After the handshake. RFC 3207 §4.2: what was said before it is forgotten. */
export function* afterHandshake(session: Session): Work<Outcome | undefined> {
  session.resetHelo()
  session.resetSasl()
  const tooMany = yield* tlsRate(session)
  if (tooMany !== undefined) return tooMany
  const { settings, tls } = session
  if (!settings.tlsRequireCertificate || settings.tlsLevel !== 'encrypt' || tls?.certificate?.trusted === true) {
    return undefined
  }
  const problem = tls?.certificate === undefined ? 'No client certificate presented' : 'Client certificate not trusted'
  session.ports.log.info(`NOQUEUE: abort: TLS from ${session.clientLabel}: ${problem}`)
  const parting = refuseFor('policy', `421 4.7.1 ${settings.myhostname} Error: ${problem}`, 'close')
  if (settings.tlsWrapper) return parting
  session.parting = parting
  return undefined
}
