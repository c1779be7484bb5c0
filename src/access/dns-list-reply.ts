/**
 * Replies to clients that are on a DNS list, from the admin's templates.
 *
 * Source: postconf(5), rbl_reply_maps, default_rbl_reply, maps_rbl_reject_code.
 */
import { splitStatus } from '#mail/status.ts'
import { parseListName } from './dns-list.ts'
import type { Evaluation, Status } from './evaluation.ts'
import { expandTemplate } from './expand.ts'
import type { ReplyClass } from './status-class.ts'

/** What is listed where. */
export type Listing = {
  /** The list as the admin names it. */
  readonly list: string
  /** The address or name that was looked up. */
  readonly what: string
  readonly about: ReplyClass
  /** The reason that the list gives. */
  readonly reason: string
}

/** Rejects with the template of the list, or the default one. */
export async function rejectListed(evaluation: Evaluation, listing: Listing): Promise<Status> {
  const { settings, tables } = evaluation
  const found = tables.rblReplies.empty ? undefined : await tables.rblReplies.find(listing.list)
  if (found?.kind === 'error') return evaluation.configurationError()
  const template = found?.kind === 'found' ? found.value : undefined
  const own = template === undefined ? undefined : expand(evaluation, listing, template)
  const text = own ?? expand(evaluation, listing, settings.defaultRblReply)
  if (text === undefined) {
    return evaluation.configurationError(`bad default rbl reply template: ${settings.defaultRblReply}`)
  }
  const match = /^([45]\d\d) (.*)$/s.exec(text)
  if (match === null) {
    evaluation.warning(`rbl response code configuration error: ${text}`)
    return evaluation.reject({ errorClass: 'policy', code: 450, status: '4.7.1', text: 'Service unavailable' })
  }
  const { status, rest } = splitStatus('4.7.1', match[2] ?? '')
  return evaluation.reject({
    errorClass: 'policy',
    code: Number(match[1]),
    status: evaluation.fit(status, listing.about),
    text: rest === '' ? 'Service unavailable' : rest,
  })
}

function expand(evaluation: Evaluation, listing: Listing, template: string): string | undefined {
  const { settings, facts } = evaluation
  const names = {
    rbl_code: String(settings.codes.rbl),
    rbl_domain: parseListName(listing.list).domain,
    rbl_reason: listing.reason,
    rbl_txt: listing.reason,
    rbl_what: listing.what,
    rbl_class: listing.about,
    server_name: settings.myhostname,
  }
  const expanded = expandTemplate(template, facts, names, settings.expansionFilter)
  if (expanded.kind === 'ok') return expanded.text
  for (const text of expanded.warnings) evaluation.warning(text)
  if (template !== settings.defaultRblReply) {
    evaluation.warning(`rbl_reject_reply: bad rbl reply template for domain ${listing.list}: ${template}`)
  }
  return undefined
}
