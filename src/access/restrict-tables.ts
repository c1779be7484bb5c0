/**
 * Lookups in tables as restrictions: `check_*_access type:table`.
 *
 * Source: access(5); postconf(5), check_client_access and kin.
 */
import { printable } from '#util/printable.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'
import { whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { Evaluation, Status } from './evaluation.ts'
import { checkCertificate } from './certificates.ts'
import { AccessLookup } from './lookup.ts'
import type { LookupStatus } from './lookup.ts'
import { withTable, type Call, type LookupRequest, type Restriction, type RestrictionTable } from './restriction.ts'
import { checkServers } from './server-access.ts'
import type { ServerType } from './server-access.ts'
import { REPLY_CLASS, type ReplyClass } from './status-class.ts'

/** What is looked up: the key, and how a reply names it. */
type Target = { readonly key: string; readonly name: string; readonly about: ReplyClass }

/** Runs a lookup in the table of a call. */
function lookWith(
  { evaluation, list, argument, interpreter }: Call,
  { key, name, about }: Target,
  how: (lookup: AccessLookup, request: LookupRequest) => MaybePromise<Status>,
): MaybePromise<Status> {
  const table = interpreter.tables(argument)
  if (table === undefined) return evaluation.configurationError(`See earlier parsing error messages for '${argument}`)
  const { tableRestriction } = list
  const lookup = new AccessLookup(evaluation, interpreter, table.maps)
  return how(lookup, { table: argument, key, list: { name, about, tableRestriction } })
}

/** The same where only the status matters. */
function look(
  call: Call, target: Target, how: (lookup: AccessLookup, request: LookupRequest) => MaybePromise<LookupStatus>,
): MaybePromise<Status> {
  return lookWith(call, target, (lookup, request) => whenReady(how(lookup, request), ({ status }) => status))
}

const isUnknown = (name: string): boolean => equalsIgnoreCase(name, 'unknown')

/** The things of a session that have servers; `undefined`: not known, nothing to check. */
const SERVED: Readonly<Record<string, (evaluation: Evaluation) => Target | undefined>> = {
  client: ({ facts: { client } }) =>
    isUnknown(client.name) ? undefined : { key: client.name, name: client.nameAndAddress, about: REPLY_CLASS.client },
  reverse_client_hostname: ({ facts: { client } }) =>
    isUnknown(client.reverseName)
      ? undefined
      : { key: client.reverseName, name: client.reverseName, about: REPLY_CLASS.reverseClient },
  helo: ({ facts: { helo } }) => (helo === undefined ? undefined : { key: helo, name: helo, about: REPLY_CLASS.helo }),
  sender: ({ facts: { sender } }) => (
    sender === undefined || sender === '' ? undefined : { key: sender, name: sender, about: REPLY_CLASS.sender }
  ),
  recipient: ({ facts: { recipient } }) =>
    recipient === undefined || recipient === ''
      ? undefined
      : { key: recipient, name: recipient, about: REPLY_CLASS.recipient },
}

function serverRestriction(find: (evaluation: Evaluation) => Target | undefined, type: ServerType): Restriction {
  return withTable(async (call) => {
    const target = find(call.evaluation)
    if (target === undefined) return 'dunno'
    const status = await lookWith(call, target, (lookup, request) => checkServers(call.evaluation, lookup, request, type))
    return forbidPermission(call, status, target.key)
  })
}

/** Names that a client chooses must not open doors. */
function forbidPermission({ evaluation, name }: Call, status: Status, target: string): Status {
  if (status !== 'ok' || evaluation.state.discard) return status
  return evaluation.configurationError(
    `restriction ${name} returns OK for ${target}`,
    'this is not allowed for security reasons',
    'use DUNNO instead of OK if you want to make an exception',
  )
}

const SERVER_TYPES: readonly ServerType[] = ['NS', 'MX', 'A']

const SERVER_RESTRICTIONS: RestrictionTable = Object.fromEntries(
  Object.entries(SERVED).flatMap(([what, find]) =>
    SERVER_TYPES.map((type) => [`check_${what}_${type.toLowerCase()}_access`, serverRestriction(find, type)] as const)),
)

/** By name. */
export const TABLE_RESTRICTIONS: RestrictionTable = {
  ...SERVER_RESTRICTIONS,
  check_client_access: withTable((call) => {
    const { name, address, nameAndAddress } = call.evaluation.facts.client
    const target = { key: name, name: nameAndAddress, about: REPLY_CLASS.client }
    return look(call, target, (lookup, request) => lookup.host(request, address))
  }),
  check_reverse_client_hostname_access: withTable(async (call) => {
    const { reverseName, address } = call.evaluation.facts.client
    const target = { key: reverseName, name: reverseName, about: REPLY_CLASS.reverseClient }
    const status = await look(call, target, (lookup, request) => lookup.host(request, address))
    return forbidPermission(call, status, reverseName)
  }),
  check_helo_access: withTable((call) => {
    const { helo } = call.evaluation.facts
    if (helo === undefined) return 'dunno'
    const target = { key: helo, name: helo, about: REPLY_CLASS.helo }
    return look(call, target, (lookup, request) => lookup.domain(request))
  }),
  check_sender_access: withTable((call) => {
    const { facts: { sender }, settings } = call.evaluation
    if (sender === undefined) return 'dunno'
    const target = { key: sender === '' ? settings.nullSenderKey : sender, name: sender, about: REPLY_CLASS.sender }
    return look(call, target, (lookup, request) => (sender === '' ? lookup.exact(request) : lookup.mail(request)))
  }),
  check_recipient_access: withTable((call) => {
    const { recipient } = call.evaluation.facts
    if (recipient === undefined) return 'dunno'
    const target = { key: recipient, name: recipient, about: REPLY_CLASS.recipient }
    return look(call, target, (lookup, request) => lookup.mail(request))
  }),
  check_etrn_access: withTable((call) => {
    const { etrnDomain } = call.evaluation.facts
    if (etrnDomain === undefined) return 'dunno'
    const target = { key: etrnDomain, name: etrnDomain, about: REPLY_CLASS.etrn }
    return look(call, target, (lookup, request) => lookup.domain(request))
  }),
  check_sasl_access: withTable((call) => {
    const { evaluation, name } = call
    const { username } = evaluation.facts.sasl
    if (!evaluation.settings.saslEnabled) {
      evaluation.warning(`restriction \`${name}' ignored: no SASL support`)
      return 'dunno'
    }
    if (username === undefined || username === '') return 'dunno'
    const target = { key: username, name: printable(username, '_'), about: REPLY_CLASS.login }
    return look(call, target, (lookup, request) => lookup.exact(request))
  }),
  check_ccert_access: withTable(checkCertificate),
}
