/**
 * Address verification: whether mail to an address would be accepted, as a probe found out.
 *
 * Source: ADDRESS_VERIFICATION_README; postconf(5) reject_unverified_recipient, address_verify_poll_count.
 */
import type { Evaluation, Status } from './evaluation.ts'
import { REPLY_CLASS } from './status-class.ts'
import type { VerifyAnswer } from './types.ts'

/** Longest reason in a reply to an address that is not verified yet. */
const REASON_LENGTH_MAX = 250

/** `reject_unverified_sender` and `reject_unverified_recipient`. */
export async function checkVerified(
  evaluation: Evaluation, address: string, who: 'sender' | 'recipient',
): Promise<Status> {
  const { verify } = evaluation.tools
  if (verify === undefined) {
    return evaluation.configurationError(`restriction reject_unverified_${who}: no address verification service`)
  }
  const settings = who === 'sender' ? evaluation.settings.unverifiedSender : evaluation.settings.unverifiedRecipient
  const answer = await poll(evaluation, () => verify(address))
  const subject = { name: address, about: REPLY_CLASS[who] }
  const status = who === 'sender' ? '4.1.7' : '4.1.1'
  const prefix = `<${subject.name}>: ${subject.about} rejected:`
  if (answer.kind === 'unavailable') {
    evaluation.warning('verify service failure')
    const text = `${prefix} address verification problem`
    return evaluation.deferUnlessRejected({ errorClass: 'policy', code: 450, status, text }, settings.tempfail)
  }
  if (answer.kind === 'deliverable') return 'dunno'
  const code = answer.kind === 'undeliverable' ? settings.rejectCode : settings.deferCode
  const reason = code >= 400 && settings.reason !== '' ? settings.reason : answer.reason
  // A 2xx code accepts all the same.
  if (code < 300) return 'dunno'
  if (code >= 500) return evaluation.deny(code, status, subject, `undeliverable address: ${reason}`)
  const text = `${prefix} unverified address: ${reason.slice(0, REASON_LENGTH_MAX)}`
  return evaluation.deferUnlessRejected({ errorClass: 'policy', code, status, text }, settings.tempfail)
}

/** Asks again while the probe is on its way, but does not keep the client waiting for long. */
async function poll(evaluation: Evaluation, ask: () => Promise<VerifyAnswer>): Promise<VerifyAnswer> {
  const { verifyPolls, verifyPollDelaySeconds } = evaluation.settings
  const sleep = evaluation.tools.sleep ?? defaultSleep
  for (let polls = 1; ; polls++) {
    const answer = await ask()
    if (answer.kind !== 'pending' || polls >= verifyPolls) return answer
    await sleep(verifyPollDelaySeconds * 1000)
  }
}

/** Waits for real. */
export function defaultSleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
