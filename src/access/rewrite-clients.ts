/**
 * local_header_rewrite_clients: whose headers are rewritten as if the mail were written here.
 *
 * Source: ADDRESS_REWRITING_README; postconf(5) local_header_rewrite_clients, remote_header_rewrite_domain.
 */
import { asciiLower } from '#util/ascii.ts'
import { permitCertificate } from './certificates.ts'
import type { Evaluation } from './evaluation.ts'
import type { RestrictionLists } from './lists.ts'
import { isLoggedIn } from './restrict-client.ts'
import type { ContextResult } from './types.ts'

/** Yes, no, an item that is not understood, or a table that cannot be read now. */
type Answer = boolean | 'invalid' | 'retry'

/** The rewrite context of mail from this client. The first item that fits makes it local. */
export async function rewriteContextOf(evaluation: Evaluation, opened: RestrictionLists): Promise<ContextResult> {
  for (let i = 0; i < opened.rewriteClients.length; i++) {
    const item = opened.rewriteClients[i] ?? ''
    const isTable = item.includes(':')
    const named = asciiLower(item) === 'check_address_map'
    const table = named ? opened.rewriteClients[++i] : isTable ? item : undefined
    const answer = named || isTable ? await isInTable(evaluation, opened, table ?? '') : await matches(evaluation, item)
    if (answer === true) return { kind: 'ok', context: 'local' }
    if (answer === 'retry') return refuse(evaluation)
    if (answer === 'invalid') evaluation.warning(`parameter local_header_rewrite_clients: invalid request: ${item}`)
  }
  return { kind: 'ok', context: 'remote' }
}

async function isInTable(evaluation: Evaluation, opened: RestrictionLists, argument: string): Promise<Answer> {
  const table = opened.tables.get(argument)
  if (table === undefined) return 'invalid'
  const found = await table.maps.find(evaluation.facts.client.address)
  return found.kind === 'error' ? 'retry' : found.kind === 'found'
}

async function matches(evaluation: Evaluation, item: string): Promise<Answer> {
  const { facts: { client }, tables, tools } = evaluation
  switch (asciiLower(item)) {
    case 'permit_inet_interfaces':
      return tools.router.context.ownAddresses.isOwn(client.address)
    case 'permit_mynetworks': {
      const listed = await tables.mynetworks.match(client.name, client.address)
      return listed === 'error' ? 'retry' : listed
    }
    case 'permit_sasl_authenticated':
      return isLoggedIn(evaluation)
    case 'permit_tls_clientcerts':
      return certificateAnswer(await permitCertificate(evaluation, false))
    case 'permit_tls_all_clientcerts':
      return certificateAnswer(await permitCertificate(evaluation, true))
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
