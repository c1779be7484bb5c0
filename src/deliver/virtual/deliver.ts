/**
 * Delivery to virtual mailboxes: one recipient after the other, each with its own end.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { errnoText } from '#system/errno.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { QueueFileError } from '#queue/record.ts'
import { DONE, LEFT, type Delivery } from '#service/agent.ts'
import type { DeliverReply } from '#service/deliver.ts'
import type { Delivered } from '#service/delivered.ts'
import { copyHead, copyMessage, MAILDIR_COPY, MBOX_COPY, type CopyOptions } from '#deliver/mailbox/copy.ts'
import { deliveredTo, isLoop } from '#deliver/mailbox/loop.ts'
import { deliverMaildir } from '#deliver/mailbox/maildir.ts'
import { MailboxError } from '#deliver/mailbox/error.ts'
import { deliverMbox, type LockSettings } from '#deliver/mailbox/mbox.ts'
import { lockSettings } from '#deliver/mailbox/settings.ts'
import { openMailboxFinder, type Mailbox, type MailboxFinder } from './mailbox.ts'

/** The end of one recipient: which, and why. */
type End = {
  readonly kind: keyof Delivered
  readonly status: string
  readonly reason: string
  /** For reports, where it is not the reason. */
  readonly diagnostic?: string
}

type Settings = {
  readonly find: MailboxFinder
  readonly sizeMax: number
  readonly locks: LockSettings
  readonly strictOwner: boolean
  readonly originalTo: boolean
}

const SENT_MAILDIR: End = { kind: 'sent', status: '2.0.0', reason: 'delivered to maildir' }
const SENT_MAILBOX: End = { kind: 'sent', status: '2.0.0', reason: 'delivered to mailbox' }
const MISCONFIGURED: End = { kind: 'deferred', status: '4.3.5', reason: 'mail system configuration error' }

/** Opens tables and reads parameters; returns what carries out a request. */
export function virtualDelivery(config: Config): (delivery: Delivery) => Promise<DeliverReply> {
  const settings: Settings = {
    find: openMailboxFinder(config),
    sizeMax: config.int('virtual_mailbox_limit'),
    locks: lockSettings(config, config.list('virtual_mailbox_lock')),
    strictOwner: config.bool('strict_mailbox_ownership'),
    originalTo: config.bool('enable_original_recipient'),
  }
  return async (delivery) => {
    const seen = deliveredTo(delivery.message, delivery.request.dataOffset)
    let left = false
    for (const recipient of delivery.request.recipients) {
      if (await endRecipient(delivery, recipient, await deliverOne(delivery, recipient, seen, settings))) left = true
    }
    return left ? LEFT : DONE
  }
}

async function endRecipient(
  { request, message, tools, handoff }: Delivery, recipient: EnvelopeRecipient, end: End,
): Promise<boolean> {
  const { kind, status, reason, diagnostic } = end
  const diagnosed = diagnostic === undefined ? {} : { diagType: 'x-unix', diagText: diagnostic }
  return tools.delivered[kind](
    request, recipient, { status, reason, relay: 'virtual', handoff, action: 'delivered', ...diagnosed }, message.fd,
  )
}

async function deliverOne(
  delivery: Delivery, recipient: EnvelopeRecipient, seen: ReadonlySet<string>, settings: Settings,
): Promise<End> {
  if (isLoop(seen, recipient.address)) {
    return { kind: 'bounced', status: '5.4.6', reason: `mail forwarding loop for ${recipient.address}` }
  }
  const mailbox = await settings.find(recipient.address)
  switch (mailbox.kind) {
    case 'unknown': return { kind: 'bounced', status: '5.1.1', reason: `unknown user: "${recipient.address}"` }
    case 'unavailable':
    case 'misconfigured': return MISCONFIGURED
    case 'mailbox': return write(delivery, recipient, mailbox, settings)
    default: return mailbox satisfies never
  }
}

async function write(
  { request, message }: Delivery, recipient: EnvelopeRecipient, { path, owner }: Extract<Mailbox, { kind: 'mailbox' }>,
  settings: Settings,
): Promise<End> {
  const { flags, sender, dataOffset } = request
  const isMaildir = path.endsWith('/')
  if (flags.verify || flags.userVerify) {
    return {
      kind: 'sent', status: '2.0.0', reason: `delivers to ${isMaildir ? 'maildir' : 'mailbox'}`,
    }
  }
  const options: CopyOptions = {
    ...(isMaildir ? MAILDIR_COPY : MBOX_COPY), originalTo: settings.originalTo, deliveredTo: recipient.address,
  }
  const chunks = copyMessage(message, dataOffset, copyHead(sender, recipient, options, new Date()), options)
  try {
    if (isMaildir) await deliverMaildir(path, chunks, owner, { sizeMax: settings.sizeMax, status: '4.2.0' })
    else await deliverMbox(
      path, chunks,
      { owner, locks: settings.locks, sizeMax: settings.sizeMax, strictOwner: settings.strictOwner, status: '4.2.0' },
    )
    return isMaildir ? SENT_MAILDIR : SENT_MAILBOX
  } catch (error) {
    return failure(error, path, isMaildir)
  }
}

function failure(error: unknown, path: string, isMaildir: boolean): End {
  // The message is damaged, and not the mailbox.
  if (error instanceof QueueFileError) throw error
  const what = isMaildir ? 'maildir delivery failed: ' : `delivery failed to mailbox ${path}: `
  if (!(error instanceof MailboxError)) return { kind: 'deferred', status: '4.2.0', reason: `${what}${errnoText(error)}` }
  const kind = error.status.startsWith('4') ? 'deferred' : 'bounced'
  const { diagnostic } = error
  return { kind, status: error.status, reason: `${what}${error.message}`, ...(diagnostic === undefined ? {} : { diagnostic }) }
}
