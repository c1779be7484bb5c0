/**
 * What local keeps while one recipient of a message is expanded: every branch has its own place, and all share the
 * duplicate filter, the mail to be sent on, and the verdict.
 *
 * @module
 */
import type { Delivery } from '#service/agent.ts'
import type { Identity } from '#system/as-user.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
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
  /** Address of the alias that is expanded, or of the recipient: what Delivered-To: of mail sent on says. */
  readonly deliveredTo: string
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

/** What is sent on in one message. */
export type Forwarded = {
  readonly branch: Branch
  /** For Delivered-To:, so that a loop is seen. */
  readonly deliveredTo: string
  readonly recipients: EnvelopeRecipient[]
}

/** Shared by all branches of one recipient. */
export type Expansion = {
  readonly delivery: Delivery
  readonly settings: LocalSettings
  readonly root: EnvelopeRecipient
  readonly seen: ReadonlySet<string>
  readonly duplicates: Set<string>
  /** Mail to send on: one message for each Delivered-To: address and sender, by both. */
  readonly forwards: Map<string, Forwarded>
}

/** Only the admin can mend it, so the mail waits. */
export const MISCONFIGURED: End = { kind: 'deferred', status: '4.3.5', reason: 'mail system configuration error' }
/** A table that cannot be read is no answer: the mail waits. */
export const ALIASES_UNAVAILABLE: End = { kind: 'deferred', status: '4.3.0', reason: 'alias database unavailable' }

/** Whether this destination comes up for the first time; past the limit duplicates are not noticed. */
export function isFirst(expansion: Expansion, key: string): boolean {
  const { duplicates, settings } = expansion
  if (duplicates.has(key)) return false
  if (settings.duplicatesMax === 0 || duplicates.size < settings.duplicatesMax) duplicates.add(key)
  return true
}
