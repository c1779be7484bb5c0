/**
 * Notices to postmaster about sessions that went wrong: the transcript of what was said (notify_classes).
 *
 * They are sent from the double-bounce address, so that one that cannot be delivered ends there, and they are made
 * beside the session: neither the client nor a message ever waits for a notice, or fails because of one.
 *
 * Source: postconf(5) notify_classes, error_notice_recipient, bounce_notice_recipient, header_from_format.
 *
 * @module
 */
import type { Cleanup } from '#cleanup/cleanup.ts'
import type { Config } from '#config/config.ts'
import { rfc5322Date } from '#mail/date.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { internalMail, MailDraft } from './submit.ts'

/** What an error is about, one bit each, so that a session's errors are one number. */
export const FAULT = { bounce: 1, data: 2, policy: 4, protocol: 8, resource: 16, software: 32 } as const

/** The name of a class of errors. */
export type Fault = keyof typeof FAULT

/** Classes of notify_classes that are about messages, not sessions: the bounce service knows them. */
const OF_MESSAGES: ReadonlySet<string> = new Set(['2bounce', 'delay'])

/**
 * The errors of sessions that postmaster is told of, as a sum of bits.
 *
 * @throws {Error} When notify_classes has a word that is no class.
 */
export function faultsToReport(config: Config): number {
  const classes = config.list('notify_classes')
  let mask = 0
  for (const name of classes) {
    if (isFault(name)) mask |= FAULT[name]
    else if (!OF_MESSAGES.has(name)) {
      throw new Error(`unknown notify_classes value "${name}" in "${config.str('notify_classes')}"`)
    }
  }
  return mask
}

function isFault(name: string): name is Fault {
  return Object.hasOwn(FAULT, name)
}

/** One notice. */
export type ErrorNotice = {
  /** `SMTP server: errors from host[192.0.2.1]` */
  readonly subject: string
  /** The errors of the session. */
  readonly faults: number
  /** Lines of the body. */
  readonly body: readonly string[]
}

/** Sends notices; they are in the queue once `idle()` resolves. */
export class ErrorNotices {
  readonly #cleanup: Cleanup
  readonly #settings: ReturnType<typeof readSettings>
  readonly #pending = new Set<Promise<void>>()

  constructor(config: Config, cleanup: Cleanup) {
    this.#cleanup = cleanup
    this.#settings = readSettings(config)
  }

  /** Sends one, by and by. */
  send(notice: ErrorNotice): void {
    const sent = this.#send(notice).catch((error: unknown) => log.warning(`postmaster notify: ${errnoText(error)}`))
    this.#pending.add(sent)
    void sent.then(() => this.#pending.delete(sent))
  }

  /** Settles when all notices are in the queue, or given up. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  async #send({ subject, faults, body }: ErrorNotice): Promise<void> {
    const { myhostname, mailName, doubleBounceSender, errorRecipient, bounceRecipient } = this.#settings
    // The notices of one class go to people of their own; the header still names the others, as with Postfix.
    const recipient = (faults & FAULT.bounce) === 0 ? errorRecipient : bounceRecipient
    const start = {
      records: internalMail(`${doubleBounceSender}@${myhostname}`), recipients: [recipient], flags: { map: true },
    }
    const draft = new MailDraft(this.#cleanup, this.#settings, start)
    draft.line(`Date: ${rfc5322Date(new Date())}`)
    for (const line of this.#addresses()) draft.line(line)
    draft.line(`Subject: ${mailName} ${subject}`)
    draft.line('')
    for (const line of body) draft.line(line)
    const { status, reason } = await draft.finish()
    if (status !== 0) throw new Error(reason === '' ? `cleanup status ${status}` : reason)
  }

  #addresses(): string[] {
    const { myhostname, errorRecipient, standardFrom } = this.#settings
    const from = `MAILER-DAEMON@${myhostname}`
    if (standardFrom) return [`From: Mail Delivery System <${from}>`, `To: Postmaster <${errorRecipient}>`]
    return [`From: ${from} (Mail Delivery System)`, `To: ${errorRecipient} (Postmaster)`]
  }
}

function readSettings(config: Config) {
  return {
    myhostname: config.str('myhostname'),
    mailName: config.str('mail_name'),
    doubleBounceSender: config.str('double_bounce_sender'),
    errorRecipient: config.str('error_notice_recipient'),
    bounceRecipient: config.str('bounce_notice_recipient'),
    standardFrom: config.str('header_from_format') === 'standard',
    queueService: config.str('queue_service_name'),
  }
}
