/**
 * What a site does to the replies of rejects: other texts, and a footer.
 *
 * Source: postconf(5) smtpd_reject_filter_maps, smtpd_reject_footer, smtpd_reject_footer_maps.
 *
 * @module
 */
import { expandTemplate } from '#access/expand.ts'
import type { SessionFacts } from '#access/types.ts'
import type { Config } from '#config/config.ts'
import { log } from '#system/log.ts'
import { openMaps } from '#tables/maps.ts'
import { whenReady, type MaybePromise } from '#util/maybe.ts'
import { withFooter } from './footer.ts'

/** Applies filter and footer. */
export type RejectText = (reply: string, facts: SessionFacts) => MaybePromise<string>

/** Opens the tables. */
export function openRejectText(config: Config): RejectText {
  const filters = openMaps('smtpd_reject_filter_maps', config.str('smtpd_reject_filter_maps'), { config })
  const footers = openMaps('smtpd_reject_footer_maps', config.str('smtpd_reject_footer_maps'), { config })
  const common = config.raw('smtpd_reject_footer')
  const allowed = config.str('smtpd_expansion_filter')
  const extra = { server_name: config.str('myhostname') }
  const filtered = (reply: string, facts: SessionFacts): MaybePromise<string> => {
    if (filters.empty) return reply
    return whenReady(filters.find(reply), (found) => {
      if (found.kind !== 'found') return reply
      const head = `${facts.queueId ?? 'NOQUEUE'}: reply filter`
      log.info(`${head} in: ${reply}`)
      if (!/^[45]\d\d[ -]/.test(found.value)) {
        log.warning(`${head}: bad result: ${found.value}`)
        return reply
      }
      log.info(`${head} out: ${found.value}`)
      return found.value
    })
  }
  const footerOf = (reply: string): MaybePromise<string> => {
    if (footers.empty) return common
    return whenReady(footers.find(reply), (found) => (found.kind === 'found' ? found.value : common))
  }
  const add = (reply: string, template: string, facts: SessionFacts): string => {
    if (template === '') return reply
    const footer = expandTemplate(template, facts, extra, allowed)
    if (footer.kind === 'ok') return withFooter(reply, footer.text)
    for (const warning of footer.warnings) log.warning(warning)
    return reply
  }
  return (reply, facts) => whenReady(
    filtered(reply, facts), (own) => whenReady(footerOf(own), (template) => add(own, template, facts)),
  )
}
