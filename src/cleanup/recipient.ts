/**
 * Envelope recipients: rewriting, virtual aliases, duplicates, automatic copies.
 *
 * @module
 */
import { externalAddress } from '#mail/address.ts'
import { NOTIFY } from '#mail/dsn-parameters.ts'
import { appendLog } from '#queue/logs.ts'
import { RECORD } from '#queue/record.ts'
import { expandAliases } from '#rewrite/canonical.ts'
import { isAscii } from '#util/ascii.ts'
import { whenReady, type MaybePromise } from '#util/maybe.ts'
import { envelopeAddress, lookUpAddress, warn } from './addresses.ts'
import { outputRecord } from './output.ts'
import { SEND_OPTION, TRACE_FLAG, type MessageState } from './state.ts'
import { STATUS } from './status.ts'

/** What goes with a recipient. `original` is what the client gave; `dsnRecipient` is `type;address`. */
export type RecipientFacts = {
  readonly original: string
  readonly dsnRecipient: string | undefined
  readonly notify: number
}

/** A recipient as the queue file has it; an empty `dsnRecipient` is not stored. */
type Group = { readonly original: string; readonly dsnRecipient: string; readonly notify: number }

/** Rewrites and stores a recipient, with all that it stands for and the copies that go with it. */
export function addRecipient(state: MessageState, address: string, facts: RecipientFacts): MaybePromise<void> {
  const named = address === '' ? state.settings.emptyAddressRecipient : address
  return whenReady(envelopeAddress(state, named, 'envelope_recipient'), (clean) => storeRecipient(state, clean, facts))
}

function storeRecipient(state: MessageState, clean: string, facts: RecipientFacts): MaybePromise<void> {
  if (state.settings.smtputf8 && !isAscii(clean)) state.noteUnicode('recipient')
  const dsnRecipient = facts.dsnRecipient ?? `${addressType(state, clean)};${clean}`
  return whenReady(outputRecipient(state, clean, { ...facts, dsnRecipient }), () => {
    state.recipient = clean
    if (!state.bcc || clean === '' || state.settings.recipientBcc.empty) return undefined
    return copyRecipient(state, clean)
  })
}

/** RFC 6533 §3: the type of an address that is not ASCII, which only SMTPUTF8 mail may have. */
function addressType(state: MessageState, address: string): string {
  return !isAscii(address) && (state.sendOptions & SEND_OPTION.smtputf8Requested) !== 0 ? 'utf-8' : 'rfc822'
}

async function copyRecipient(state: MessageState, recipient: string): Promise<void> {
  const copy = await lookUpAddress(state, state.settings.recipientBcc, recipient)
  if (copy !== undefined) await addBcc(state, copy)
}

/** Adds a recipient that the client did not name. Nobody hears of its fate: RFC 3461 §4.1, NOTIFY=NEVER. */
export async function addBcc(state: MessageState, address: string): Promise<void> {
  const clean = await envelopeAddress(state, address, 'envelope_recipient')
  await outputRecipient(state, clean, { original: clean, dsnRecipient: '', notify: NOTIFY.never })
}

function outputRecipient(state: MessageState, address: string, group: Group): MaybePromise<void> {
  if (state.map && !state.settings.virtualAlias.empty) return expand(state, address, group)
  outputGroup(state, address, group)
}

function outputGroup(state: MessageState, address: string, { original, dsnRecipient, notify }: Group): void {
  const key = state.settings.originalRecipients
    ? `${dsnRecipient}\n${notify}\n${original}\n${address}`
    : address
  if (state.duplicates.seen(key)) return
  if (notify !== 0) outputRecord(state, RECORD.attribute, `notify_flags=${notify}`)
  if (dsnRecipient !== '') outputRecord(state, RECORD.attribute, `dsn_orig_rcpt=${dsnRecipient}`)
  outputRecord(state, RECORD.originalRecipient, original)
  outputRecord(state, RECORD.recipient, address)
  state.recipientCount++
}

async function expand(state: MessageState, address: string, group: Group): Promise<void> {
  const addresses = await aliasesOf(state, address)
  if (addresses.length > 1 && (state.traceFlags & TRACE_FLAG.verifyProbe) !== 0) {
    // A probe wants one answer for one address; several aliases are an answer by themselves.
    answerProbe(state, address, group)
    return
  }
  const changed = addresses.length > 1 || addresses[0] !== address
  const asked = changed && (group.notify & NOTIFY.success) !== 0
  const notify = asked ? await noteExpansion(state, address, group) : group.notify
  for (const result of addresses) outputGroup(state, result, { ...group, notify })
}

function answerProbe(state: MessageState, address: string, { original }: Group): void {
  const { id, file, arrival = { seconds: file.seconds, microseconds: file.microseconds } } = state
  state.tools.verified?.({ id, address, original, arrival, status: '2.0.0', reason: 'aliased to multiple recipients' })
}

async function aliasesOf(state: MessageState, address: string): Promise<readonly string[]> {
  const { virtualAlias, addresses, virtualLimits, propagated } = state.settings
  const options = { propagate: propagated.has('virtual'), warn: (text: string) => warn(state, text) }
  const result = await expandAliases(virtualAlias, address, addresses, virtualLimits, options)
  if (result.kind === 'ok') return result.addresses
  state.fail(result.kind === 'limit' ? STATUS.defer : STATUS.write, '4.6.0 Alias expansion error')
  return [address]
}

/**
 * RFC 3461 §5.2.7 (b): who asked to hear of success hears that the address was
 * expanded, and the addresses it became are not asked for it again.
 *
 * @returns NOTIFY of the results.
 */
async function noteExpansion(state: MessageState, address: string, group: Group): Promise<number> {
  const original = group.original === address ? {} : { original: externalAddress(group.original) }
  try {
    await appendLog(state.file.spool, 'trace', state.id, {
      recipient: externalAddress(address),
      ...original,
      dsnOrcpt: group.dsnRecipient,
      notify: group.notify,
      status: '2.0.0',
      action: 'expanded',
      reason: 'alias expanded',
    })
  } catch {
    warn(state, 'trace logfile update error')
    state.fail(STATUS.write)
    return group.notify
  }
  state.traced = true
  const left = group.notify & ~NOTIFY.success
  return left === 0 ? NOTIFY.never : left
}
