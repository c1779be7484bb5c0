/**
 * Whether mail for a recipient ends here, or is ours to relay: the test that
 * stands between a mail server and an open relay.
 *
 * Source: postconf(5), permit_auth_destination, reject_unauth_destination; SMTPD_ACCESS_README.
 */
import { domainOf } from '#mail/address.ts'
import type { Evaluation, Status } from './evaluation.ts'

/** `retry`: a table could not be read, which is no permission. */
export type Destination = 'authorized' | 'foreign' | 'retry'

/**
 * Whether `recipient` is in a domain of ours or of relay_domains, and not
 * routed on to some other place by its local part.
 */
export async function destinationOf(evaluation: Evaluation, recipient: string): Promise<Destination> {
  const resolved = await evaluation.resolve(evaluation.facts.sender, recipient)
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
export async function permitAuthDestination(evaluation: Evaluation, recipient: string): Promise<Status> {
  const destination = await destinationOf(evaluation, recipient)
  if (destination === 'retry') return evaluation.retryLater(recipient)
  return destination === 'authorized' ? 'ok' : 'dunno'
}

/** `reject_unauth_destination` and, with a 4xx code, `defer_unauth_destination`. */
export async function rejectUnauthDestination(
  evaluation: Evaluation, recipient: string, code: number,
): Promise<Status> {
  const destination = await destinationOf(evaluation, recipient)
  if (destination === 'retry') return evaluation.retryLater(recipient)
  if (destination === 'authorized') return 'dunno'
  return evaluation.reject({ errorClass: 'policy', code, status: '5.7.1', text: `<${recipient}>: Relay access denied` })
}
