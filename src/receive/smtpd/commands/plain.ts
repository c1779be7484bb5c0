/**
 * RSET, NOOP, QUIT, HELP, VRFY and ETRN.
 *
 * Source: RFC 5321 §4.1.1.5 to §4.1.1.10; RFC 1985 (ETRN).
 */
import { isValidHostname } from '#network/dns/hostname.ts'
import { extractAddress } from '#receive/smtpd/address.ts'
import { applyResult } from '#receive/smtpd/decisions.ts'
import { milterEvent } from '#receive/smtpd/milters.ts'
import { recipientRate } from '#receive/smtpd/rates.ts'
import { accept, refuse, refuseFor, type Outcome, type Session } from '#receive/smtpd/session.ts'
import type { CommandToken } from '#receive/smtpd/tokens.ts'
import { wait, type Work } from '#receive/smtpd/work.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'

const HELP_TEXT = 'AUTH BDAT DATA EHLO ETRN HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY XCLIENT XFORWARD'

/** RSET */
export function rset(session: Session, words: readonly CommandToken[]): Outcome {
  if (words.length !== 1) return refuse('501 5.5.4 Syntax: RSET')
  session.endTranscript(session.settings.historyLines)
  session.resetTransaction()
  return accept('250 2.0.0 Ok')
}

/** NOOP: whatever follows. */
export function noop(): Outcome {
  return accept('250 2.0.0 Ok')
}

/** QUIT: whatever follows. */
export function quit(): Outcome {
  return accept('221 2.0.0 Bye', 'close')
}

/** HELP: whatever follows. */
export function help(): Outcome {
  return accept(`214 2.0.0 Commands: ${HELP_TEXT}`)
}

/** VRFY address [SMTPUTF8] */
export function vrfy(session: Session, words: readonly CommandToken[]): Work<Outcome> | Outcome {
  const { settings } = session
  if (settings.disableVrfy) return refuseFor('policy', '502 5.5.1 VRFY command is disabled')
  if (words.length < 2) return refuse(`501 5.5.4 Syntax: VRFY address${settings.smtputf8 ? ' [SMTPUTF8]' : ''}`)
  return verify(session, words)
}

function* verify(session: Session, words: readonly CommandToken[]): Work<Outcome> {
  const tooMany = yield* recipientRate(session)
  if (tooMany !== undefined) return tooMany
  const last = words.length > 2 ? words.at(-1)?.text ?? '' : ''
  const smtputf8 = session.settings.smtputf8 && equalsIgnoreCase(last, 'SMTPUTF8')
  const address = words.slice(1, smtputf8 ? -1 : undefined)
  const text = address.map((word) => word.text).join(' ')
  const broken = address.some((word) => word.broken)
  const recipient = broken
    ? undefined
    : yield* extractAddress(session, text, { allowEmpty: false, strict: false, smtputf8 })
  if (recipient === undefined) return refuse('501 5.1.3 Bad recipient address syntax')
  if (!session.standAlone) {
    const facts = session.facts('VRFY', { recipient, smtputf8: smtputf8 || session.transaction.smtputf8 })
    const refusal = applyResult(
      session, yield* wait(session.ports.access.check('recipient', facts, session.accessState)),
    )
    if (refusal !== undefined) return refusal
  }
  const filtered = milterEvent(session, 'VRFY')
  if (filtered !== undefined) return refuseFor('policy', filtered)
  // RFC 5321 §7.3: an answer that neither confirms nor denies.
  return accept(`252 2.0.0 ${text}`)
}

/** ETRN domain. RFC 1985 §5: a node name may have one of `@` and `#` before it. */
export function etrn(session: Session, words: readonly CommandToken[]): Work<Outcome> | Outcome {
  const { settings } = session
  if (settings.heloRequired && session.heloName === undefined) return refuseFor('policy', '503 Error: send HELO/EHLO first')
  if (session.inTransaction) return refuse('503 Error: MAIL transaction in progress')
  const [, word] = words
  if (words.length !== 2 || word === undefined) return refuse('500 Syntax: ETRN domain')
  return startFlush(session, word.text.replace(/^[@#]/, ''))
}

function* startFlush(session: Session, domain: string): Work<Outcome> {
  const { ports } = session
  // RFC 5321 §4.1.2: a domain, or an address in brackets.
  if (!isValidHostname(domain) && !/^\[[^\]]+\]$/.test(domain)) {
    return refuse('501 Error: invalid parameter syntax')
  }
  if (!session.standAlone) {
    const facts = session.facts('ETRN', { etrnDomain: domain })
    const refusal = applyResult(session, yield* wait(ports.access.check('etrn', facts, session.accessState)))
    if (refusal !== undefined) return refusal
  }
  if (session.standAlone) {
    ports.log.warning('do not use ETRN in "sendmail -bs" mode')
    return refuseFor(undefined, '458 Unable to queue messages')
  }
  const result = yield* wait(ports.flush(domain))
  if (result === 'started') return accept('250 Queuing started')
  if (result === 'malformed') {
    ports.log.warning(`unsupported ETRN request "${domain}" from ${session.clientLabel}`)
    return refuseFor(undefined, '458 Unable to queue messages')
  }
  if (result === 'denied') {
    ports.log.warning(`reject: ETRN ${domain.slice(0, 100)}... from ${session.clientLabel}`)
    return refuseFor(undefined, `459 <${domain}>: service unavailable`)
  }
  return refuseFor(undefined, '458 Unable to queue messages')
}
