/**
 * Restrictions by the sender address.
 *
 * Source: postconf(5), smtpd_sender_restrictions, smtpd_sender_login_maps; SASL_README.
 */
import { findAddress } from '#rewrite/address-find.ts'
import type { FindResult } from '#rewrite/address-find.ts'
import { equalsIgnoreCase, foldCase } from '#util/ascii.ts'
import { splitAtChars } from '#util/split.ts'
import { askAboutDomain } from './dns-list.ts'
import type { Evaluation, Status } from './evaluation.ts'
import { checkAddressFqdn, checkKnownDomain } from './host-checks.ts'
import { checkListedSender } from './listed.ts'
import { rejectIfListed } from './restrict-client.ts'
import { plain, withDomain, type Call, type Restriction, type RestrictionTable } from './restriction.ts'
import { REPLY_CLASS } from './status-class.ts'
import { checkVerified } from './verified.ts'

/** A check of the sender; not before MAIL, and not of the null sender. */
function senderRestriction(check: (call: Call, sender: string) => Promise<Status> | Status): Restriction['run'] {
  return (call) => {
    const { sender } = call.evaluation.facts
    return sender === undefined || sender === '' ? 'dunno' : check(call, sender)
  }
}

/** A check of logins; without SASL it makes no sense, which is worth a warning. */
function loginRestriction(check: (evaluation: Evaluation, sender: string) => Promise<Status>): Restriction {
  return plain((call) => {
    if (call.evaluation.settings.saslEnabled) {
      return senderRestriction(({ evaluation }, sender) => check(evaluation, sender))(call)
    }
    call.evaluation.warning(`restriction \`${call.name}' ignored: no SASL support`)
    return 'dunno'
  })
}

/** Who may send as `sender`, by smtpd_sender_login_maps. */
async function ownersOf(evaluation: Evaluation, sender: string): Promise<FindResult> {
  const resolved = await evaluation.resolveFor(REPLY_CLASS.sender, sender)
  if (resolved.problem === 'fail') {
    return { kind: 'error', reason: 'address resolver failure', table: 'smtpd_sender_login_maps' }
  }
  return findAddress(evaluation.tables.senderLogins, resolved.recipient, evaluation.tools.router.context)
}

/** A client that is logged in must own the sender; `allowUnknown`: or nobody must. */
async function checkOwnSender(evaluation: Evaluation, sender: string, allowUnknown: boolean): Promise<Status> {
  const { username } = evaluation.facts.sasl
  if (username === undefined) return 'dunno'
  const owners = await ownersOf(evaluation, sender)
  if (owners.kind === 'error') return evaluation.retryLater(sender)
  if (owners.kind === 'absent' && allowUnknown) return 'dunno'
  const names = owners.kind === 'found' ? splitAtChars(owners.value) : []
  if (names.some((name) => equalsIgnoreCase(name, username) || foldCase(name) === foldCase(username))) return 'dunno'
  return rejectSender(evaluation, sender, `not owned by user ${username}`)
}

/** A client that is not logged in must not use a sender that somebody owns. */
async function checkOwnedSender(evaluation: Evaluation, sender: string): Promise<Status> {
  if (evaluation.facts.sasl.username !== undefined) return 'dunno'
  const owners = await ownersOf(evaluation, sender)
  if (owners.kind === 'error') return evaluation.retryLater(sender)
  return owners.kind === 'found' ? rejectSender(evaluation, sender, 'not logged in') : 'dunno'
}

function rejectSender(evaluation: Evaluation, sender: string, text: string): Status {
  return evaluation.deny(553, '5.7.1', { name: sender, about: REPLY_CLASS.sender }, text)
}

const rejectUnknownDomain = plain(senderRestriction(({ evaluation }, sender) =>
  checkKnownDomain(evaluation, sender, { name: sender, about: REPLY_CLASS.sender })))

/** By name. */
export const SENDER_RESTRICTIONS: RestrictionTable = {
  reject_unknown_sender_domain: rejectUnknownDomain,
  reject_unknown_address: rejectUnknownDomain,
  reject_non_fqdn_sender: plain(senderRestriction(({ evaluation }, sender) =>
    checkAddressFqdn(evaluation, sender, { name: sender, about: REPLY_CLASS.sender }))),
  reject_unlisted_sender: plain(senderRestriction(({ evaluation }, sender) => checkListedSender(evaluation, sender))),
  reject_unverified_sender: plain(
    senderRestriction(({ evaluation }, sender) => checkVerified(evaluation, sender, 'sender')),
  ),
  reject_authenticated_sender_login_mismatch: loginRestriction(
    (evaluation, sender) => checkOwnSender(evaluation, sender, false),
  ),
  reject_unauthenticated_sender_login_mismatch: loginRestriction(checkOwnedSender),
  reject_known_sender_login_mismatch: loginRestriction((evaluation, sender) =>
    evaluation.facts.sasl.username === undefined
      ? checkOwnedSender(evaluation, sender)
      : checkOwnSender(evaluation, sender, true)),
  reject_rhsbl_sender: withDomain(senderRestriction(async ({ evaluation, argument }, sender) => {
    const answer = await askAboutDomain(evaluation.tools.resolver, argument, sender)
    return rejectIfListed(evaluation, answer, { list: argument, what: sender, about: REPLY_CLASS.sender })
  })),
}
