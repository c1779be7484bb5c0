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
import type { Evaluation, Status } from './evaluation.ts'
import { REPLY_CLASS } from './status-class.ts'

/** Checks the recipient, once per RCPT: what a list has checked is not checked again at the end. */
export async function checkListedRecipient(evaluation: Evaluation, recipient: string): Promise<Status> {
  const { state, settings } = evaluation
  if (settings.skipUnlisted || state.recipientChecked) return 'dunno'
  // A check that only warns is none.
  if (evaluation.warnDepth === 0) state.recipientChecked = true
  return checkListed(evaluation, recipient, 'recipient')
}

/** Checks the sender, once per evaluation of the sender restrictions. */
export async function checkListedSender(evaluation: Evaluation, sender: string): Promise<Status> {
  const { state, settings } = evaluation
  if (settings.skipUnlisted || state.senderChecked) return 'dunno'
  if (evaluation.warnDepth === 0) state.senderChecked = true
  return checkListed(evaluation, sender, 'sender')
}

async function checkListed(evaluation: Evaluation, address: string, who: 'sender' | 'recipient'): Promise<Status> {
  const about = REPLY_CLASS[who]
  const resolved = await evaluation.resolveFor(about, address)
  if (resolved.problem === 'fail') return evaluation.retryLater(address)
  const known = await isMapped(evaluation, resolved.recipient, who)
  if (known === 'retry') return evaluation.retryLater(address)
  if (known || resolved.problem !== undefined) return 'dunno'
  const subject = { name: address, about }
  const detail = who === 'sender' ? '1.0' : '1.1'
  if (resolved.transport === 'error' || resolved.transport === 'retry') {
    return rejectUndeliverable(evaluation, resolved, subject, detail)
  }
  const table = recipientTable(evaluation, resolved)
  if (table === undefined || table.maps.empty) return 'dunno'
  const listed = await isIn(evaluation, table.maps, resolved.recipient)
  if (listed === 'retry') return evaluation.retryLater(address)
  if (listed) return 'dunno'
  const where = evaluation.settings.showTableName ? ` in ${table.name} table` : ''
  return evaluation.reject({
    errorClass: 'bounce', code: table.code, status: `5.${detail}`,
    text: `<${address}>: ${about} rejected: User unknown${where}`,
  })
}

async function isIn(evaluation: Evaluation, maps: Maps, recipient: string): Promise<boolean | 'retry'> {
  const found = await findAddress(maps, recipient, evaluation.tools.router.context)
  return found.kind === 'error' ? 'retry' : found.kind === 'found'
}

/** An address that is rewritten to another is taken as known. */
async function isMapped(
  evaluation: Evaluation, recipient: string, who: 'sender' | 'recipient',
): Promise<boolean | 'retry'> {
  const { recipientCanonical, senderCanonical, canonical, virtualAliases } = evaluation.tables
  const tables = [recipientCanonical, ...(who === 'sender' ? [senderCanonical] : []), canonical, virtualAliases]
  for (const maps of tables) {
    const found = await isIn(evaluation, maps, recipient)
    if (found !== false) return found
  }
  return false
}

/** What resolves to the error or retry transport is known to be undeliverable; the next hop says why. */
function rejectUndeliverable(
  evaluation: Evaluation,
  resolved: Resolved,
  subject: { readonly name: string; readonly about: typeof REPLY_CLASS.sender | typeof REPLY_CLASS.recipient },
  detail: string,
): Status {
  const temporary = resolved.transport === 'retry'
  const { status, rest } = splitStatus(`${temporary ? 4 : 5}.${detail}`, resolved.nexthop)
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
