/**
 * The ends of an expansion's branches: what is logged and recorded, and who is told.
 *
 * Source: aliases(5) "owner-name"; RFC 3464 §2.3.6.
 *
 * @module
 */
import { NOTIFY } from '#mail/dsn-parameters.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import type { RecipientReport } from '#service/delivered.ts'
import { ownerOfRecipient } from './alias.ts'
import { ALIASES_UNAVAILABLE, type Branch, type End, type Expansion } from './state.ts'

function diagnosticOf(text: string): Partial<RecipientReport> {
  return { diagType: 'x-unix', diagText: text }
}

/** Logs and records the end of one branch; the queue file is marked once, when all branches have ended. */
export function endBranch(expansion: Expansion, branch: Branch, end: End): Promise<boolean> {
  return report(expansion, branch, end)
}

/**
 * The same for what a list alone is to blame for: commands and files that it names, and mail that comes back to it.
 * What bounces then goes back to the owner of the list, who alone can do something about it.
 */
export async function endOwned(expansion: Expansion, branch: Branch, end: End): Promise<boolean> {
  if (end.kind !== 'bounced') return report(expansion, branch, end)
  const { delivery: { request }, settings } = expansion
  // RFC 5321 §6.1: nothing is sent about a notice. Its failure would come back to the list for ever.
  const owner = request.sender === '' ? undefined : await ownerOfRecipient(settings, branch.recipient.address)
  if (owner === 'error') return report(expansion, branch, ALIASES_UNAVAILABLE)
  // RFC 3461 §5.2.7.2: behind a list nothing is as the sender of the message asked for.
  const isList = branch.sender !== request.sender
  const asked = isList ? { envelopeId: '', retFlags: 0 } : { envelopeId: request.envelopeId, retFlags: request.retFlags }
  return report(expansion, branch, end, owner === undefined ? {} : { bounceTo: { sender: owner.address, ...asked } })
}

async function report(
  expansion: Expansion, branch: Branch, end: End, more: Pick<RecipientReport, 'bounceTo'> = {},
): Promise<boolean> {
  const { delivery } = expansion
  const said: RecipientReport = {
    ...more,
    status: end.status, reason: end.reason, relay: 'local', handoff: delivery.handoff, action: 'delivered',
    ...(end.diagnostic === undefined || end.diagnostic === '' ? {} : diagnosticOf(end.diagnostic)),
  }
  return delivery.tools.delivered[end.kind](delivery.request, branch.recipient, said)
}

/** RFC 3461 §5.2.7.1: who asked for news of success has it once the mail is with the list. */
export function withoutSuccess(recipient: EnvelopeRecipient): EnvelopeRecipient {
  if ((recipient.notify & NOTIFY.success) === 0) return recipient
  const rest = recipient.notify & ~NOTIFY.success
  return { ...recipient, notify: rest === 0 ? NOTIFY.never : rest }
}
