/**
 * Restrictions that fit every list.
 *
 * Source: postconf(5), "Generic restrictions that can be used in any SMTP command context".
 */
import type { Status } from './evaluation.ts'
import { plain, type RestrictionTable } from './restriction.ts'
import { defaultSleep } from './verified.ts'

/** By name. */
export const GENERIC_RESTRICTIONS: RestrictionTable = {
  permit: { argument: 'none', final: true, run: ({ evaluation, list, name }) => evaluation.permit(name, list) },
  reject: {
    argument: 'none', final: true,
    run: ({ evaluation, list }) => evaluation.deny(evaluation.settings.codes.reject, '5.7.1', list, 'Access denied'),
  },
  defer: {
    argument: 'none', final: true,
    run: ({ evaluation, list }) => evaluation.deny(evaluation.settings.codes.defer, '4.3.2', list, 'Try again later'),
  },
  defer_if_permit: plain(({ evaluation, list }) => evaluation.deferUnlessRejected({
    errorClass: 'policy', code: 450, status: '4.7.0',
    text: `<${list.name}>: ${list.about} rejected: defer_if_permit requested`,
  })),
  defer_if_reject: plain(({ evaluation, list }) => {
    const text = `<${list.name}>: ${list.about} rejected: defer_if_reject requested`
    evaluation.deferWhenRejected({ errorClass: 'policy', code: 450, status: '4.7.0', text })
    return 'dunno'
  }),
  reject_unauth_pipelining: plain(({ evaluation, list }) => {
    if (!evaluation.facts.illegalPipelining) return 'dunno'
    const text = `<${list.name}>: ${list.about} rejected: Improper use of SMTP command pipelining`
    return evaluation.reject({ errorClass: 'protocol', code: 503, status: '5.5.0', text })
  }),
  reject_plaintext_session: plain(({ evaluation }) => {
    if (evaluation.facts.tls !== undefined) return 'dunno'
    const code = evaluation.settings.codes.plaintext
    return evaluation.reject({ errorClass: 'policy', code, status: '4.7.1', text: 'Session encryption is required' })
  }),
  sleep: {
    argument: 'number',
    run: async ({ evaluation, argument }): Promise<Status> => {
      await (evaluation.tools.sleep ?? defaultSleep)(Number(argument) * 1000)
      return 'dunno'
    },
  },
  check_policy_service: {
    argument: 'service',
    run: ({ evaluation, list, argument, interpreter }) => interpreter.askPolicy(evaluation, list, argument),
  },
}
