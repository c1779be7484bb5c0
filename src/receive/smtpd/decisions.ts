/**
 * Decisions of the restrictions, applied to a session.
 *
 * @module
 */
import type { AccessResult, Effect } from '#access/types.ts'
import { unreachable } from '#util/unreachable.ts'
import { refuseFor, type Outcome, type Session } from './session.ts'

/** Applies the effects; returns what to answer when the decision is against the client. */
export function applyResult(session: Session, result: AccessResult): Outcome | undefined {
  for (const effect of result.effects) applyEffect(session, effect)
  if (result.kind === 'ok') return undefined
  if (result.hangup === true) return refuseFor(undefined, '', 'close')
  return refuseFor(result.errorClass, result.reply, endsSession(result.reply) ? 'close' : undefined)
}

/** RFC 5321 §3.8, RFC 7504 §3: after these replies the server closes the connection. */
export function endsSession(reply: string): boolean {
  return reply.startsWith('421') || reply.startsWith('521')
}

function applyEffect(session: Session, effect: Effect): void {
  const { transaction } = session
  switch (effect.kind) {
    case 'hold':
      transaction.hold = true
      return
    case 'discard':
      transaction.discard = true
      return
    case 'filter':
      transaction.filter = effect.destination
      return
    case 'redirect':
      transaction.redirect = effect.address
      return
    case 'bcc':
      transaction.bcc.push(effect.address)
      return
    case 'prepend':
      transaction.prepended.push(effect.header)
      return
    case 'fault':
      session.blame(effect.errorClass)
      return
    case 'log':
      if (effect.level === 'warning') session.ports.log.warning(effect.text)
      else session.ports.log.info(effect.text)
      return
    default:
      unreachable(effect)
  }
}
