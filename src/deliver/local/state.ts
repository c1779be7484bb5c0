/**
 * What local keeps while one recipient of a message is expanded: every branch has its own place, and all share the
 * duplicate filter, the mail to be sent on, and the verdict.
 *
 * @module
 */
import type { Delivery } from '#service/agent.ts'
import type { Identity } from '#system/as-user.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import type { RecipientReport } from '#service/delivered.ts'
import type { Delivered } from '#service/delivered.ts'
import type { LocalSettings } from './settings.ts'

/** Why a branch could not do its part. */
export type End = {
  readonly kind: keyof Delivered
  readonly status: string
  readonly reason: string
  readonly diagnostic?: string
}

/** Rights of a command or file, and the home of the user who has them. */
export type Rights = Identity & { readonly home?: string; readonly shell?: string }

/** One place in the expansion. */
export type Branch = {
  readonly recipient: EnvelopeRecipient
  /** Envelope sender for what goes on from here; an owner- alias replaces it. */
  readonly sender: string
  /** Who answers for this part: an owner- alias, the user of a .forward. Users other than this get a message of their own. */
  readonly owner: string | undefined
  /** luser_relay named this: when its user does not exist either, the mail bounces. */
  readonly relayed: boolean
  /** Depth of the expansion. */
  readonly level: number
  /** Where this destination was named. */
  readonly source: 'envelope' | 'alias' | 'forward' | 'include'
  /** Rights of commands and files named here; undefined: none were given, those of default_privs count. */
  readonly privileges: Rights | undefined
  /** The user whose .forward is being expanded: mail to the same user goes to the mailbox. */
  readonly forwardOf: ReadonlySet<string>
  /** The alias that names this destination, folded: named by itself it means the user. */
  readonly alias: string | undefined
  /** Part of the recipient after the delimiter, with the delimiter: for commands, and for the name of .forward. */
  readonly extension: string
  /** The same, as far as no table key has used it up: it goes on with addresses named here. */
  readonly unmatched: string
}

/** Shared by all branches of one recipient. */
export type Expansion = {
  readonly delivery: Delivery
  readonly settings: LocalSettings
  readonly root: EnvelopeRecipient
  readonly seen: ReadonlySet<string>
  readonly duplicates: Set<string>
  /** Addresses to send on, by sender. */
  readonly forwards: Map<string, EnvelopeRecipient[]>
}

export const MISCONFIGURED: End = { kind: 'deferred', status: '4.3.5', reason: 'mail system configuration error' }

/** Whether this destination comes up for the first time; past the limit duplicates are not noticed. */
export function isFirst(expansion: Expansion, key: string): boolean {
  const { duplicates, settings } = expansion
  if (duplicates.has(key)) return false
  if (settings.duplicatesMax === 0 || duplicates.size < settings.duplicatesMax) duplicates.add(key)
  return true
}

function diagnosticOf(text: string): Partial<RecipientReport> {
  return { diagType: 'x-unix', diagText: text, mtaType: 'unix', mtaName: 'local' }
}

/** Logs and records the end of one branch; the queue file is marked once, when all branches have ended. */
export async function endBranch(expansion: Expansion, branch: Branch, end: End): Promise<boolean> {
  const { delivery } = expansion
  const report: RecipientReport = {
    status: end.status, reason: end.reason, relay: 'local', handoff: delivery.handoff, action: 'delivered',
    ...(end.diagnostic === undefined || end.diagnostic === '' ? {} : diagnosticOf(end.diagnostic)),
  }
  return delivery.tools.delivered[end.kind](delivery.request, branch.recipient, report)
}
