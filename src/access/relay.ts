/**
 * Whether mail for a recipient ends here, or is ours to relay: the test that
 * stands between a mail server and an open relay.
 *
 * Source: postconf(5), permit_auth_destination, reject_unauth_destination; SMTPD_ACCESS_README.
 */
import { domainOf } from '#mail/address.ts'
import type { Resolved } from '#rewrite/resolve.ts'
import { whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { Evaluation, Status } from './evaluation.ts'

/** `retry`: a table could not be read, which is no permission. */
export type Destination = 'authorized' | 'foreign' | 'retry'

/**
 * Whether `recipient` is in a domain of ours or of relay_domains, and not
 * routed on to some other place by its local part.
 */
export function destinationOf(evaluation: Evaluation, recipient: string): MaybePromise<Destination> {
  return whenReady(evaluation.resolve(evaluation.facts.sender, recipient), (resolved) => judge(evaluation, resolved))
}

function judge(evaluation: Evaluation, resolved: Resolved): Destination {
  if (resolved.problem === 'fail') return 'retry'
  if (resolved.problem === 'error') return 'foreign'
  const domain = domainOf(resolved.recipient)
  if (domain === undefined) return 'authorized'
  if (resolved.routed && !evaluation.settings.allowUntrustedRouting) return 'foreign'
  if (resolved.class === 'relay' && evaluation.settings.oldDefaults.relayDomains) {
    evaluation.info(
      `using backwards-compatible default setting relay_domains=$mydestination to accept mail for domain "${domain}"`,
    )
  }
  return resolved.class === 'default' ? 'foreign' : 'authorized'
}

/** `permit_auth_destination`: permits authorized destinations, and says nothing of others. */
export function permitAuthDestination(evaluation: Evaluation, recipient: string): MaybePromise<Status> {
  return whenReady(destinationOf(evaluation, recipient), (destination) => {
    if (destination === 'retry') return evaluation.retryLater(recipient)
    return destination === 'authorized' ? 'ok' : 'dunno'
  })
}

/** `reject_unauth_destination` and, with a 4xx code, `defer_unauth_destination`. */
export function rejectUnauthDestination(
  evaluation: Evaluation, recipient: string, code: number,
): MaybePromise<Status> {
  return whenReady(destinationOf(evaluation, recipient), (destination) => {
    if (destination === 'retry') return evaluation.retryLater(recipient)
    if (destination === 'authorized') return 'dunno'
    const text = `<${recipient}>: Relay access denied`
    return evaluation.reject({ errorClass: 'policy', code, status: '5.7.1', text })
  })
}
