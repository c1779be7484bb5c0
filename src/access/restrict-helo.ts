/**
 * Restrictions by the name that the client gives itself.
 *
 * Source: postconf(5), smtpd_helo_restrictions; RFC 5321 §4.1.4.
 */
import { askAboutDomain } from './dns-list.ts'
import type { Evaluation, Status } from './evaluation.ts'
import { checkFqdn, checkHostname, checkKnownHost, checkLiteral } from './host-checks.ts'
import type { Subject } from './host-checks.ts'
import { rejectIfListed } from './restrict-client.ts'
import { plain, withDomain, type Restriction, type RestrictionTable } from './restriction.ts'
import { REPLY_CLASS } from './status-class.ts'

/** A check of the HELO name; an address literal only has to be an address. */
function heloRestriction(
  check: (evaluation: Evaluation, name: string, subject: Subject) => Promise<Status> | Status,
): Restriction {
  return plain(({ evaluation }) => {
    const { helo } = evaluation.facts
    if (helo === undefined) return 'dunno'
    const subject = { name: helo, about: REPLY_CLASS.helo }
    return helo.startsWith('[') ? checkLiteral(evaluation, helo, subject) : check(evaluation, helo, subject)
  })
}

/** By name; the second name of each is its name in old configurations. */
export const HELO_RESTRICTIONS: RestrictionTable = {
  reject_invalid_helo_hostname: heloRestriction(checkHostname),
  reject_invalid_hostname: heloRestriction(checkHostname),
  reject_non_fqdn_helo_hostname: heloRestriction(checkFqdn),
  reject_non_fqdn_hostname: heloRestriction(checkFqdn),
  reject_unknown_helo_hostname: heloRestriction(checkKnownHost),
  reject_unknown_hostname: heloRestriction(checkKnownHost),
  reject_rhsbl_helo: withDomain(async ({ evaluation, argument }) => {
    const { helo } = evaluation.facts
    if (helo === undefined) return 'dunno'
    const answer = await askAboutDomain(evaluation.tools.resolver, argument, helo)
    return rejectIfListed(evaluation, answer, { list: argument, what: helo, about: REPLY_CLASS.helo })
  }),
}
