/**
 * Restrictions by the recipient address, among them those that keep the relay closed.
 *
 * Source: postconf(5), smtpd_recipient_restrictions, smtpd_relay_restrictions; SMTPD_ACCESS_README.
 */
import { whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { askAboutDomain } from './dns-list.ts'
import type { Evaluation, Status } from './evaluation.ts'
import { checkAddressFqdn, checkKnownDomain } from './host-checks.ts'
import { checkListedRecipient } from './listed.ts'
import { permitMxBackup } from './mx-backup.ts'
import { permitAuthDestination, rejectUnauthDestination } from './relay.ts'
import { rejectIfListed } from './restrict-client.ts'
import { plain, withDomain, type Call, type Restriction, type RestrictionTable } from './restriction.ts'
import { REPLY_CLASS } from './status-class.ts'
import { checkVerified } from './verified.ts'

/** A check of the recipient; `needed`: also not of the empty one. */
function recipientRestriction(
  check: (call: Call, recipient: string) => MaybePromise<Status>,
  needed: 'any' | 'nonempty' = 'any',
): Restriction['run'] {
  return (call) => {
    const { recipient } = call.evaluation.facts
    if (recipient === undefined || (needed === 'nonempty' && recipient === '')) return 'dunno'
    return check(call, recipient)
  }
}

function permitWith(
  { evaluation, name }: Call, recipient: string, status: MaybePromise<Status>,
): MaybePromise<Status> {
  return whenReady(status, (decided) =>
    decided === 'ok' ? evaluation.permit(name, { name: recipient, about: REPLY_CLASS.recipient }) : decided)
}

/** RFC 5321 §4.5.5: a notification goes to one recipient. */
function rejectMultiRecipientBounce({ evaluation, list }: Call): Status {
  const { sender, recipientCount, where } = evaluation.facts
  const others = where === 'RCPT' ? recipientCount : recipientCount - 1
  if (sender !== '' || others < 1) return 'dunno'
  return evaluation.deny(evaluation.settings.codes.multiRecipientBounce, '5.5.3', list, 'Multi-recipient bounce')
}

const checkListed = plain(
  recipientRestriction(({ evaluation }, recipient) => checkListedRecipient(evaluation, recipient), 'nonempty'),
)

const subjectOf = (recipient: string): { name: string; about: typeof REPLY_CLASS.recipient } => ({
  name: recipient,
  about: REPLY_CLASS.recipient,
})

/** A restriction that Postfix had once: what it was replaced by is said to the admin, and the client has to wait. */
function removed(replacement: string): Restriction {
  return plain(({ evaluation, name }: Call) => {
    const { mailName } = evaluation.settings
    return evaluation.configurationError(
      `support for restriction "${name}" has been removed in ${mailName} 3.9; instead, specify ${replacement}`,
    )
  })
}

function warnDeprecated(evaluation: Evaluation): void {
  evaluation.warning(`support for restriction "permit_mx_backup" will be removed from ${evaluation.settings.mailName};`
    + ' instead, specify "relay_domains"')
}

/** By name. */
export const RECIPIENT_RESTRICTIONS: RestrictionTable = {
  permit_auth_destination: plain(recipientRestriction((call, recipient) =>
    permitWith(call, recipient, permitAuthDestination(call.evaluation, recipient)))),
  reject_unauth_destination: plain(recipientRestriction(({ evaluation }, recipient) =>
    rejectUnauthDestination(evaluation, recipient, evaluation.settings.codes.relay))),
  defer_unauth_destination: plain(recipientRestriction(({ evaluation }, recipient) =>
    rejectUnauthDestination(evaluation, recipient, evaluation.settings.codes.relay - 100))),
  permit_mx_backup: plain(recipientRestriction((call, recipient) => {
    warnDeprecated(call.evaluation)
    return permitWith(call, recipient, permitMxBackup(call.evaluation, recipient))
  })),
  reject_unknown_recipient_domain: plain(recipientRestriction(({ evaluation }, recipient) =>
    checkKnownDomain(evaluation, recipient, subjectOf(recipient)))),
  reject_non_fqdn_recipient: plain(recipientRestriction(({ evaluation }, recipient) =>
    checkAddressFqdn(evaluation, recipient, subjectOf(recipient)))),
  reject_unlisted_recipient: checkListed,
  check_recipient_maps: checkListed,
  reject_multi_recipient_bounce: plain(rejectMultiRecipientBounce),
  reject_unverified_recipient: plain(recipientRestriction(({ evaluation }, recipient) =>
    checkVerified(evaluation, recipient, 'recipient'), 'nonempty')),
  reject_rhsbl_recipient: withDomain(recipientRestriction(async ({ evaluation, argument }, recipient) => {
    const answer = await askAboutDomain(evaluation.tools.resolver, argument, recipient)
    return rejectIfListed(evaluation, answer, { list: argument, what: recipient, about: REPLY_CLASS.recipient })
  })),
  check_relay_domains: removed('"reject_unauth_destination"'),
  reject_maps_rbl: removed('"reject_rbl_client domain-name"'),
  permit_naked_ip_address: removed('"permit_mynetworks" or "permit_sasl_authenticated"'),
}
