/**
 * Mail that goes on to other addresses: a new message, one for each sender, with the old content and a
 * Delivered-To: line that lets a loop be seen.
 *
 * @module
 */
import type { Cleanup } from '#cleanup/cleanup.ts'
import { externalAddress } from '#mail/address.ts'
import { QueueFileError, RECORD } from '#queue/record.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { asUser, type Identity } from '#system/as-user.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { DeliverRequest } from '#service/deliver.ts'
import { MailDraft, type EnvelopeRecord, type MailOrigin } from '#service/submit.ts'
import { endBranch, withoutSuccess } from './ending.ts'
import type { Branch, Expansion, Forwarded } from './state.ts'

/** Where mail that is sent on enters the queue, and as whose. */
export type ResendTools = {
  readonly cleanup: Cleanup
  readonly origin: MailOrigin
  /** Who owns queue files. */
  readonly queueOwner: Identity
}

/** Sends on all that the expansion collected; true when something failed and the recipient stays in the queue. */
export async function resendAll(expansion: Expansion, branch: Branch, tools: ResendTools): Promise<boolean> {
  let left = false
  for (const forwarded of expansion.forwards.values()) {
    const recipient = withoutSuccess(branch.recipient)
    if (await resend(expansion, { ...branch, recipient, sender: forwarded.branch.sender }, forwarded, tools)) left = true
  }
  return left
}

async function resend(
  expansion: Expansion, branch: Branch, forwarded: Forwarded, tools: ResendTools,
): Promise<boolean> {
  const { request } = expansion.delivery
  if (request.flags.verify || request.flags.userVerify) {
    return endBranch(expansion, branch, { kind: 'sent', status: '2.0.0', reason: 'aliased to another address' })
  }
  try {
    const id = await queue(expansion, branch, forwarded, tools)
    return await endBranch(expansion, branch, { kind: 'sent', status: '2.0.0', reason: `forwarded as ${id}` })
  } catch (error) {
    if (error instanceof QueueFileError) throw error
    log.warning(`${request.queueId}: cannot forward: ${errnoText(error)}`, { queue_id: request.queueId })
    return endBranch(expansion, branch, { kind: 'deferred', status: '4.3.0', reason: 'unable to forward message' })
  }
}

async function queue(
  expansion: Expansion, branch: Branch, { recipients, deliveredTo }: Forwarded,
  { cleanup, origin, queueOwner }: ResendTools,
): Promise<string> {
  const { delivery: { request, message }, settings } = expansion
  const records = [...messageRecords(request, branch.sender), ...recipients.flatMap(recipientRecords)]
  // The queue file must belong to who reads the queue, though this process is root.
  const draft = asUser(
    queueOwner, () => new MailDraft(cleanup, origin, { records, recipients: [], flags: { map: true } }),
  )
  try {
    if (settings.prependDelivered.has('forward')) {
      draft.line(
        `Delivered-To: ${externalAddress(deliveredTo).toLowerCase()}`
      )
    }
    for (const piece of message.contentRecords(request.dataOffset)) {
      draft.piece(piece)
      const full = draft.writable()
      if (full) await full
    }
  } catch (error) {
    draft.cancel()
    throw error
  }
  const { status, reason } = await draft.finish()
  if (status !== 0) throw new Error(reason)
  return draft.id
}

function messageRecords(request: DeliverRequest, sender: string): EnvelopeRecord[] {
  // RFC 3461 §5.2.7.2: a mailing list asks for nothing in the name of the sender.
  const isList = sender !== request.sender
  const attributes: [string, string][] = [
    ['ret_flags', request.retFlags === 0 || isList ? '' : String(request.retFlags)],
    ['envelope_id', isList ? '' : request.envelopeId],
    ['log_client_name', request.clientName], ['log_client_address', request.clientAddress],
    ['log_protocol_name', request.protocolName], ['log_helo_name', request.heloName],
    ['sasl_method', request.saslMethod], ['sasl_username', request.saslUsername], ['sasl_sender', request.saslSender],
    ['log_ident', request.queueId], ['rewrite_context', request.rewriteContext],
  ]
  const given = attributes.filter(([, value]) => value !== '')
  return [
    [RECORD.sender, sender], ...given.map(([name, value]): EnvelopeRecord => [RECORD.attribute, `${name}=${value}`]),
  ]
}

function recipientRecords(recipient: EnvelopeRecipient): EnvelopeRecord[] {
  return [
    ...(recipient.dsnOrcpt === '' ? [] : [[RECORD.attribute, `dsn_orig_rcpt=${recipient.dsnOrcpt}`] as const]),
    ...(recipient.notify === 0 ? [] : [[RECORD.attribute, `notify_flags=${recipient.notify}`] as const]),
    [RECORD.originalRecipient, recipient.original],
    [RECORD.recipient, recipient.address],
  ]
}
