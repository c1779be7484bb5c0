/**
 * local_header_rewrite_clients: whose headers are rewritten as if the mail were written here.
 *
 * Source: ADDRESS_REWRITING_README; postconf(5) local_header_rewrite_clients, remote_header_rewrite_domain.
 */
import { asciiLower } from '#util/ascii.ts'
import { isPromise, whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { permitCertificate } from './certificates.ts'
import type { Evaluation } from './evaluation.ts'
import type { RestrictionLists } from './lists.ts'
import { isLoggedIn } from './restrict-client.ts'
import type { ContextResult } from './types.ts'

/** Yes, no, an item that is not understood, or a table that cannot be read now. */
type Answer = boolean | 'invalid' | 'retry'

/** The rewrite context of mail from this client. The first item that fits makes it local. */
export function rewriteContextOf(
  evaluation: Evaluation, opened: RestrictionLists, start = 0,
): MaybePromise<ContextResult> {
  for (let i = start; i < opened.rewriteClients.length; i++) {
    const item = opened.rewriteClients[i] ?? ''
    const isTable = item.includes(':')
    const named = asciiLower(item) === 'check_address_map'
    const table = named ? opened.rewriteClients[++i] : isTable ? item : undefined
    const answer = named || isTable ? isInTable(evaluation, opened, table ?? '') : matches(evaluation, item)
    if (isPromise(answer)) {
      return answer.then((later) => decide(evaluation, item, later) ?? rewriteContextOf(evaluation, opened, i + 1))
    }
    const decided = decide(evaluation, item, answer)
    if (decided !== undefined) return decided
  }
  return { kind: 'ok', context: 'remote' }
}

/** What the answer of an item comes to; `undefined`: the next one is asked. */
function decide(evaluation: Evaluation, item: string, answer: Answer): ContextResult | undefined {
  if (answer === true) return { kind: 'ok', context: 'local' }
  if (answer === 'retry') return refuse(evaluation)
  if (answer === 'invalid') evaluation.warning(`parameter local_header_rewrite_clients: invalid request: ${item}`)
  return undefined
}

function isInTable(evaluation: Evaluation, opened: RestrictionLists, argument: string): MaybePromise<Answer> {
  const table = opened.tables.get(argument)
  if (table === undefined) return 'invalid'
  return whenReady(table.maps.find(evaluation.facts.client.address), ({ kind }) =>
    kind === 'error' ? 'retry' : kind === 'found')
}

function matches(evaluation: Evaluation, item: string): MaybePromise<Answer> {
  const { facts: { client }, tables, tools } = evaluation
  switch (asciiLower(item)) {
    case 'permit_inet_interfaces':
      return tools.router.context.ownAddresses.isOwn(client.address)
    case 'permit_mynetworks':
      return whenReady(tables.mynetworks.match(client.name, client.address), (listed) =>
        listed === 'error' ? 'retry' : listed)
    case 'permit_sasl_authenticated':
      return isLoggedIn(evaluation)
    case 'permit_tls_clientcerts':
      return whenReady(permitCertificate(evaluation, false), certificateAnswer)
    case 'permit_tls_all_clientcerts':
      return whenReady(permitCertificate(evaluation, true), certificateAnswer)
    default:
      return 'invalid'
  }
}

function certificateAnswer(result: 'ok' | 'dunno' | 'retry'): Answer {
  return result === 'retry' ? 'retry' : result === 'ok'
}

function refuse(evaluation: Evaluation): ContextResult {
  const reply = '451 4.3.0 Temporary lookup error'
  evaluation.logAction('reject', reply)
  return { kind: 'reject', reply, errorClass: 'resource', effects: evaluation.result('dunno').effects }
}
