/**
 * Whether an address in one of our domains exists: reject_unlisted_sender and
 * reject_unlisted_recipient, also where they are implied.
 *
 * Source: LOCAL_RECIPIENT_README, ADDRESS_CLASS_README; postconf(5) smtpd_reject_unlisted_recipient.
 */
import { splitAddress } from '#mail/address.ts'
import { splitStatus } from '#mail/status.ts'
import { findAddress } from '#rewrite/address-find.ts'
import type { Resolved } from '#rewrite/resolve.ts'
import type { Maps } from '#tables/maps.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'
import { isPromise, whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { Evaluation, Status } from './evaluation.ts'
import { REPLY_CLASS } from './status-class.ts'

/** Checks the recipient, once per RCPT: what a list has checked is not checked again at the end. */
export function checkListedRecipient(evaluation: Evaluation, recipient: string): MaybePromise<Status> {
  const { state, settings } = evaluation
  if (settings.skipUnlisted || state.recipientChecked) return 'dunno'
  // A check that only warns is none.
  if (evaluation.warnDepth === 0) state.recipientChecked = true
  return checkListed(evaluation, recipient, 'recipient')
}

/** Checks the sender, once per evaluation of the sender restrictions. */
export function checkListedSender(evaluation: Evaluation, sender: string): MaybePromise<Status> {
  const { state, settings } = evaluation
  if (settings.skipUnlisted || state.senderChecked) return 'dunno'
  if (evaluation.warnDepth === 0) state.senderChecked = true
  return checkListed(evaluation, sender, 'sender')
}

/** An address, and in which role it is checked. */
type Subject = {
  readonly name: string
  readonly about: typeof REPLY_CLASS.sender | typeof REPLY_CLASS.recipient
  /** The second and third part of the status of an unknown one. */
  readonly detail: '1.0' | '1.1'
}

function checkListed(evaluation: Evaluation, name: string, who: 'sender' | 'recipient'): MaybePromise<Status> {
  const subject: Subject = { name, about: REPLY_CLASS[who], detail: who === 'sender' ? '1.0' : '1.1' }
  return whenReady(evaluation.resolveFor(subject.about, name), (resolved) => {
    if (resolved.problem === 'fail') return evaluation.retryLater(name)
    return whenReady(isMapped(evaluation, resolved.recipient, who), (known) => {
      if (known === 'retry') return evaluation.retryLater(name)
      return known || resolved.problem !== undefined ? 'dunno' : checkUser(evaluation, resolved, subject)
    })
  })
}

function checkUser(evaluation: Evaluation, resolved: Resolved, subject: Subject): MaybePromise<Status> {
  if (resolved.transport === 'error' || resolved.transport === 'retry') {
    return rejectUndeliverable(evaluation, resolved, subject)
  }
  const table = recipientTable(evaluation, resolved)
  if (table === undefined || table.maps.empty) return 'dunno'
  const { name, about, detail } = subject
  return whenReady(isIn(evaluation, table.maps, resolved.recipient), (listed) => {
    if (listed === 'retry') return evaluation.retryLater(name)
    if (listed) return 'dunno'
    const where = evaluation.settings.showTableName ? ` in ${table.name} table` : ''
    const text = `<${name}>: ${about} rejected: User unknown${where}`
    return evaluation.reject({ errorClass: 'bounce', code: table.code, status: `5.${detail}`, text })
  })
}

function isIn(evaluation: Evaluation, maps: Maps, recipient: string): MaybePromise<boolean | 'retry'> {
  if (maps.empty) return false
  return whenReady(findAddress(maps, recipient, evaluation.tools.router.context), ({ kind }) =>
    kind === 'error' ? 'retry' : kind === 'found')
}

/** An address that is rewritten to another is taken as known. */
function isMapped(
  evaluation: Evaluation, recipient: string, who: 'sender' | 'recipient',
): MaybePromise<boolean | 'retry'> {
  const { recipientCanonical, senderCanonical, canonical, virtualAliases } = evaluation.tables
  return who === 'sender'
    ? isInAny(evaluation, [recipientCanonical, senderCanonical, canonical, virtualAliases], recipient)
    : isInAny(evaluation, [recipientCanonical, canonical, virtualAliases], recipient)
}

function isInAny(
  evaluation: Evaluation, tables: readonly Maps[], recipient: string, start = 0,
): MaybePromise<boolean | 'retry'> {
  for (let i = start; i < tables.length; i++) {
    const maps = tables[i]
    if (maps === undefined) break
    const found = isIn(evaluation, maps, recipient)
    if (isPromise(found)) return found.then((later) => later || isInAny(evaluation, tables, recipient, i + 1))
    if (found !== false) return found
  }
  return false
}

/** What resolves to the error or retry transport is known to be undeliverable; the next hop says why. */
function rejectUndeliverable(evaluation: Evaluation, resolved: Resolved, subject: Subject): Status {
  const temporary = resolved.transport === 'retry'
  const { status, rest } = splitStatus(`${temporary ? 4 : 5}.${subject.detail}`, resolved.nexthop)
  const hard = resolved.class === 'alias' ? evaluation.settings.codes.unknownVirtualAlias : 550
  return evaluation.reject({
    errorClass: 'bounce',
    code: temporary ? 450 : hard,
    status: evaluation.fit(status, subject.about),
    text: `<${subject.name}>: ${subject.about} rejected: ${rest}`,
  })
}

type RecipientTable = { readonly maps: Maps; readonly code: number; readonly name: string }

/** The table of users of an address class, if it has one. */
function recipientTable(
  evaluation: Evaluation, { class: domainClass, recipient }: Resolved,
): RecipientTable | undefined {
  const { tables, settings: { codes, doubleBounceSender } } = evaluation
  switch (domainClass) {
    case 'local': {
      // These are answered by the mail system itself.
      const { local } = splitAddress(recipient)
      const isOurs = [doubleBounceSender, 'postmaster', 'MAILER-DAEMON'].some((name) => equalsIgnoreCase(name, local))
      return isOurs ? undefined : { maps: tables.localRecipients, code: codes.unknownLocal, name: 'local recipient' }
    }
    case 'virtual':
      return { maps: tables.virtualMailboxes, code: codes.unknownVirtualMailbox, name: 'virtual mailbox' }
    case 'relay':
      return { maps: tables.relayRecipients, code: codes.unknownRelay, name: 'relay recipient' }
    default:
      return undefined
  }
}
