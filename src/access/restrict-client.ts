/**
 * Restrictions by the client's name, address, login and certificate.
 *
 * Source: postconf(5), smtpd_client_restrictions; RFC 7372 §3.3 (status of a missing name).
 */
import { equalsIgnoreCase } from '#util/ascii.ts'
import { whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { permitCertificate } from './certificates.ts'
import { askAboutAddress, askAboutDomain } from './dns-list.ts'
import type { ListAnswer } from './dns-list.ts'
import { rejectListed } from './dns-list-reply.ts'
import type { Evaluation, Status } from './evaluation.ts'
import { destinationOf } from './relay.ts'
import { plain, withDomain, type Call, type RestrictionTable } from './restriction.ts'
import { REPLY_CLASS, type ReplyClass } from './status-class.ts'

const isUnknown = (name: string): boolean => equalsIgnoreCase(name, 'unknown')

/** Permits in the name of the client. */
function permitClient({ evaluation, name }: Call): MaybePromise<Status> {
  return evaluation.permit(name, { name: evaluation.facts.client.nameAndAddress, about: REPLY_CLASS.client })
}

async function permitOwnAddress(call: Call): Promise<Status> {
  const { facts, tools } = call.evaluation
  const own = await tools.router.context.ownAddresses.isOwn(facts.client.address)
  return own ? permitClient(call) : 'dunno'
}

function permitMynetworks(call: Call): MaybePromise<Status> {
  const { facts: { client }, tables } = call.evaluation
  return whenReady(tables.mynetworks.match(client.name, client.address), (listed) => {
    if (listed === 'error') return call.evaluation.retryLater(call.list.name)
    return listed ? permitClient(call) : 'dunno'
  })
}

async function permitByCertificate(call: Call, all: boolean): Promise<Status> {
  const result = await permitCertificate(call.evaluation, all)
  if (result === 'retry') return call.evaluation.retryLater(call.list.name)
  return result === 'ok' ? permitClient(call) : 'dunno'
}

/** Whether the client has logged in, or an XCLIENT proxy says so; to log in as anybody does not count. */
export function isLoggedIn({ facts: { sasl } }: Evaluation): boolean {
  return sasl.method !== undefined && !equalsIgnoreCase(sasl.method, 'anonymous')
}

/** Rejects what is on a list; a list that cannot be asked counts as empty, with a warning. */
export async function rejectIfListed(
  evaluation: Evaluation, answer: ListAnswer,
  listing: { readonly list: string; readonly what: string; readonly about: ReplyClass },
): Promise<Status> {
  if (answer.kind === 'listed') return rejectListed(evaluation, { ...listing, reason: answer.text })
  if (answer.kind === 'malformed') return evaluation.configurationError(answer.reason)
  if (answer.kind === 'unknown') evaluation.warning(answer.warning)
  return 'dunno'
}

/** A good reputation does not make a relay: at RCPT, only mail for our own domains is permitted. */
async function mayPermit({ evaluation }: Call): Promise<boolean | 'retry'> {
  const { where, recipient } = evaluation.facts
  if (where !== 'RCPT' || recipient === undefined) return true
  const destination = await destinationOf(evaluation, recipient)
  return destination === 'retry' ? 'retry' : destination === 'authorized'
}

async function permitIfListed(call: Call, what: string, ask: () => Promise<ListAnswer>): Promise<Status> {
  const { evaluation } = call
  const allowed = await mayPermit(call)
  if (allowed === 'retry') return evaluation.retryLater(evaluation.facts.recipient ?? '')
  if (!allowed) return 'dunno'
  const answer = await ask()
  if (answer.kind === 'listed') return permitClient(call)
  if (answer.kind === 'malformed') return evaluation.configurationError(answer.reason)
  if (answer.kind === 'unknown') {
    evaluation.warning(answer.warning)
    const text = `<${what}>: ${REPLY_CLASS.client} rejected: Service unavailable`
    evaluation.deferWhenRejected({ errorClass: 'policy', code: 450, status: '4.7.1', text })
  }
  return 'dunno'
}

async function rejectListedAddress({ evaluation, argument }: Call): Promise<Status> {
  const { address } = evaluation.facts.client
  const answer = await askAboutAddress(evaluation.tools.resolver, argument, address)
  return rejectIfListed(evaluation, answer, { list: argument, what: address, about: REPLY_CLASS.client })
}

async function rejectListedName({ evaluation, argument }: Call, name: string, about: ReplyClass): Promise<Status> {
  if (isUnknown(name)) return 'dunno'
  const answer = await askAboutDomain(evaluation.tools.resolver, argument, name)
  return rejectIfListed(evaluation, answer, { list: argument, what: name, about })
}

/** A name that cannot be looked up now is a reason to wait: access by name depends on it. */
function rejectUnknownName({ evaluation }: Call): Status {
  const { nameStatus, address } = evaluation.facts.client
  if (nameStatus === 'ok') return 'dunno'
  const code = nameStatus === 'temporary' ? 450 : evaluation.settings.codes.unknownClient
  const text = `Client host rejected: cannot find your hostname, [${address}]`
  return evaluation.reject({ errorClass: 'policy', code, status: '4.7.25', text })
}

function rejectUnknownReverseName({ evaluation }: Call): Status {
  const { reverseNameStatus, address } = evaluation.facts.client
  if (reverseNameStatus === 'ok') return 'dunno'
  const code = reverseNameStatus === 'permanent' ? evaluation.settings.codes.unknownClient : 450
  const text = `Client host rejected: cannot find your reverse hostname, [${address}]`
  return evaluation.reject({ errorClass: 'policy', code, status: '4.7.1', text })
}

/** By name. */
export const CLIENT_RESTRICTIONS: RestrictionTable = {
  permit_inet_interfaces: plain(permitOwnAddress),
  permit_mynetworks: plain(permitMynetworks),
  permit_sasl_authenticated: plain((call) => (isLoggedIn(call.evaluation) ? permitClient(call) : 'dunno')),
  permit_tls_clientcerts: plain((call) => permitByCertificate(call, false)),
  permit_tls_all_clientcerts: plain((call) => permitByCertificate(call, true)),
  reject_unknown_client_hostname: plain(rejectUnknownName),
  reject_unknown_client: plain(rejectUnknownName),
  reject_unknown_reverse_client_hostname: plain(rejectUnknownReverseName),
  reject_rbl_client: withDomain(rejectListedAddress),
  reject_rbl: withDomain(rejectListedAddress),
  reject_rhsbl_client: withDomain(
    (call) => rejectListedName(call, call.evaluation.facts.client.name, REPLY_CLASS.client),
  ),
  reject_rhsbl_reverse_client: withDomain((call) =>
    rejectListedName(call, call.evaluation.facts.client.reverseName, REPLY_CLASS.reverseClient)),
  permit_dnswl_client: withDomain((call) => {
    const { facts: { client }, tools } = call.evaluation
    return permitIfListed(call, client.address, () => askAboutAddress(tools.resolver, call.argument, client.address))
  }),
  permit_rhswl_client: withDomain((call) => {
    const { facts: { client }, tools } = call.evaluation
    if (isUnknown(client.name)) return 'dunno'
    return permitIfListed(call, client.name, () => askAboutDomain(tools.resolver, call.argument, client.name))
  }),
}
