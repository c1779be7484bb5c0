/**
 * AUTH: a login in one or more steps.
 *
 * Source: RFC 4954 §4.
 */
import type { SaslExchange, SaslStep } from '#network/sasl/server.ts'
import { authRate } from '#receive/smtpd/rates.ts'
import { accept, refuse, refuseFor, type Outcome, type Session } from '#receive/smtpd/session.ts'
import type { CommandToken } from '#receive/smtpd/tokens.ts'
import { wait, type Work } from '#receive/smtpd/work.ts'
import { printable } from '#util/printable.ts'

/** Longest method and user name in log lines, in characters. */
const LOGGED_CHARACTERS_MAX = 100

/** AUTH mechanism [initial-response] */
export function auth(session: Session, words: readonly CommandToken[]): Work<Outcome> | Outcome {
  const { settings } = session
  if (settings.heloRequired && session.heloName === undefined) return refuseFor('policy', '503 5.5.1 Error: send HELO/EHLO first')
  if (session.standAlone || !session.saslActive || session.discarded.has('auth')) {
    return refuse('503 5.5.1 Error: authentication not enabled')
  }
  if (session.inTransaction) return refuse('503 5.5.1 Error: MAIL transaction in progress')
  if (settings.tlsAuthOnly && session.tls === undefined) {
    return refuse('504 5.5.4 Encryption required for requested authentication mechanism')
  }
  if (session.saslUsername !== undefined) return refuse('503 5.5.1 Error: already authenticated')
  const [, mechanism, initial] = words
  if (mechanism === undefined || words.length > 3) return refuse('501 5.5.4 Syntax: AUTH mechanism')
  return startLogin(session, mechanism.text, initial?.text)
}

function* startLogin(session: Session, mechanism: string, initial: string | undefined): Work<Outcome> {
  const tooMany = yield* authRate(session)
  if (tooMany !== undefined) return tooMany
  const { client, server, settings, ports: { sasl } } = session
  if (sasl === undefined) return refuse('503 5.5.1 Error: authentication not enabled')
  const secured = session.tls !== undefined
  const exchange = sasl.exchange(mechanism, {
    clientAddress: client.address, clientPort: client.port, serverAddress: server.address, serverPort: server.port,
    helo: session.heloName, secured,
  }, secured ? settings.saslTlsOptions : settings.saslOptions)
  session.saslExchange = exchange
  session.saslDialogue = printable(mechanism)
  return conclude(session, exchange, yield* wait(exchange.start(initial)))
}

/** A line of the client within the dialogue. */
export function saslResponse(session: Session, line: string): Work<Outcome> | Outcome {
  const exchange = session.saslExchange
  if (exchange === undefined) return refuse('503 5.5.1 Error: authentication not enabled')
  // RFC 4954 §4: `*` gives up.
  if (line === '*') {
    endDialogue(session)
    session.ports.log.warning(`${session.clientLabel}: SASL ${method(session)} authentication aborted`)
    return refuseFor(undefined, '501 5.7.0 Authentication aborted')
  }
  return proceed(session, exchange, line)
}

/** A response that is longer than smtpd_sasl_response_limit. */
export function saslTooLong(session: Session): Outcome {
  endDialogue(session)
  return refuseFor(undefined, '500 5.5.6 SASL response limit exceeded')
}

function* proceed(session: Session, exchange: SaslExchange, line: string): Work<Outcome> {
  return conclude(session, exchange, yield* wait(exchange.respond(line)))
}

function method(session: Session): string {
  return (session.saslDialogue ?? '').slice(0, LOGGED_CHARACTERS_MAX)
}

function endDialogue(session: Session): void {
  session.saslExchange?.cancel()
  session.saslExchange = undefined
}

function conclude(session: Session, exchange: SaslExchange, step: SaslStep): Outcome {
  if (step.kind === 'challenge') return accept(`334 ${step.data}`, 'sasl')
  session.saslExchange = undefined
  if (step.kind === 'done') {
    session.saslMethod = session.saslDialogue
    session.saslUsername = printable(step.username)
    return accept('235 2.7.0 Authentication successful')
  }
  exchange.cancel()
  const reason = step.reason === '' ? '(reason unavailable)' : printable(step.reason)
  const username = step.username === undefined
    ? '(unavailable)'
    : printable(step.username).slice(0, LOGGED_CHARACTERS_MAX)
  session.ports.log.warning(
    `${session.clientLabel}: SASL ${method(session)} authentication failed: ${reason}, sasl_username=${username}`,
  )
  // RFC 4954 §6.
  if (step.kind === 'temporary') return refuseFor(undefined, `454 4.7.0 Temporary authentication failure: ${reason}`)
  return refuseFor(undefined, `535 5.7.8 Error: authentication failed: ${reason}`)
}
