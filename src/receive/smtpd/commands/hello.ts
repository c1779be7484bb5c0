/**
 * HELO and EHLO.
 *
 * Source: RFC 5321 §4.1.1.1; RFC 1869.
 */
import { discardedNames, discardMask, ehloReply } from '#receive/smtpd/keywords.ts'
import { applyResult } from '#receive/smtpd/decisions.ts'
import { milterEvent } from '#receive/smtpd/milters.ts'
import { accept, refuse, type Outcome, type Session } from '#receive/smtpd/session.ts'
import { neuter } from '#receive/smtpd/text.ts'
import type { CommandToken } from '#receive/smtpd/tokens.ts'
import { wait, type Work } from '#receive/smtpd/work.ts'

/** HELO hostname */
export function helo(session: Session, words: readonly CommandToken[]): Work<Outcome> | Outcome {
  return hello(session, words, 'HELO')
}

/** EHLO hostname */
export function ehlo(session: Session, words: readonly CommandToken[]): Work<Outcome> | Outcome {
  return hello(session, words, 'EHLO')
}

function hello(session: Session, words: readonly CommandToken[], verb: 'HELO' | 'EHLO'): Work<Outcome> | Outcome {
  if (words.length < 2) return refuse(`501 Syntax: ${verb} hostname`)
  return introduce(session, words.slice(1).map(({ text }) => text).join(' '), verb)
}

function* introduce(session: Session, name: string, verb: 'HELO' | 'EHLO'): Work<Outcome> {
  const { ports, settings } = session
  if (!settings.delayReject && !session.standAlone) {
    const facts = session.facts(verb, { helo: name })
    const refusal = applyResult(session, yield* wait(ports.access.check('helo', facts, session.accessState)))
    if (refusal !== undefined) return refusal
  }
  // RFC 5321 §4.1.4: a HELO in the middle of a session resets it.
  session.endTranscript(settings.historyLines)
  session.resetHelo()
  session.heloName = neuter(name)
  const filtered = milterEvent(session, verb)
  if (verb === 'HELO') return accept(`250 ${settings.myhostname}`)
  // There is no way back: a downgrade would turn lawful pipelining into an offence.
  session.protocol = 'ESMTP'
  yield* findKeywords(session)
  // A client that filters refuse is offered nothing that would make its refusal harder.
  if (filtered?.startsWith('5') === true) return accept(`250-${settings.myhostname}\r\n250 ENHANCEDSTATUSCODES`)
  return accept(offer(session))
}

function* findKeywords(session: Session): Work<void> {
  const words = yield* wait(session.ports.discardedKeywords(session.client.address))
  session.discarded = words === undefined ? session.settings.discardKeywords : discardMask(words)
  const names = discardedNames(session.discarded)
  if (names !== undefined) session.ports.log.info(`discarding EHLO keywords: ${names}`)
}

function offer(session: Session): string {
  const { settings } = session
  return ehloReply({
    hostname: settings.myhostname,
    discard: session.discarded,
    messageBytesMax: settings.messageBytesMax,
    vrfy: !settings.disableVrfy,
    starttls: settings.tlsLevel !== 'none' && session.tls === undefined && !session.standAlone,
    mechanisms: session.saslActive ? session.saslMechanisms : [],
    authEquals: settings.brokenSaslClients,
    verp: session.verpAllowed,
    xclient: session.xclientAllowed,
    xforward: session.xforwardAllowed,
    smtputf8: settings.smtputf8,
    requireTls: settings.requireTls && session.tls !== undefined,
  })
}
