/**
 * Which notices a message's log gives rise to, and to whom: pure rules.
 *
 * Mail from the null sender is a notice itself, so its failure goes to postmaster from a special sender,
 * double-bounce; what fails from that sender ends there. That is what keeps notices from going round.
 *
 * Source: RFC 5321 §4.5.5 (null sender), RFC 3461 §4.1 (NOTIFY); bounce(8); postconf(5) notify_classes.
 *
 * @module
 */
import { NOTIFY } from '#mail/dsn-parameters.ts'
import type { ReportKind } from '#mail/report.ts'
import type { StatusRecord } from '#queue/logs.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'

/** What a log is turned into notices for: refusal for good, delay, or a report that was asked for. */
export type Occasion = 'failure' | 'delay' | 'trace'

/** One notice to make. Addresses are in internal form. */
export type Notice = {
  readonly kind: ReportKind
  readonly sender: string
  readonly recipient: string
  readonly forPostmaster: boolean
  readonly headersOnly: boolean
  readonly records: readonly StatusRecord[]
  /** `sender non-delivery notification`, for the log. */
  readonly title: string
}

/** Parameters that decide who is told. Addresses are in internal form. */
export type PlanSettings = {
  readonly notifyClasses: ReadonlySet<string>
  /** `double-bounce@$myhostname`. */
  readonly doubleBounceAddress: string
  readonly bounceRecipient: string
  readonly doubleBounceRecipient: string
  readonly delayRecipient: string
  /** Bytes of content up to which the whole original goes back. */
  readonly sizeLimit: number
}

/** Facts of the original message. `contentSize` undefined: unknown, the file is gone. */
export type PlanMessage = {
  readonly sender: string
  readonly retFlags: number
  readonly contentSize: number | undefined
  /** The report was asked for with sendmail -v or -bv. */
  readonly verify: boolean
}

/** `silent`: nothing is sent and the log is removed; `line` says why, where that is worth a line. */
export type Plan = {
  readonly notices: readonly Notice[]
  readonly silent?: { readonly level: 'info' | 'warning'; readonly line: string }
}

const RET_HEADERS = 2
const TITLES: Readonly<Record<Occasion, string>> = {
  failure: 'non-delivery notification', delay: 'delay notification', trace: 'delivery status notification',
}

/** Decides what is sent for the records of a log. */
export function planNotices(
  occasion: Occasion, message: PlanMessage, records: readonly StatusRecord[], settings: PlanSettings,
): Plan {
  const { sender } = message
  if (equalsIgnoreCase(sender, settings.doubleBounceAddress)) return discarded(occasion)
  if (sender === '') return postmasterOnly(occasion, message, records, settings)
  const own = records.filter(({ notify }) => wants(occasion, notify ?? 0))
  const notices: Notice[] = []
  // A log that has vanished still gives rise to a notice: the sender must learn of the failure.
  if (own.length > 0 || records.length === 0) {
    notices.push(notice(occasion, message, own, settings, { forPostmaster: false, to: sender }))
  }
  if (occasion !== 'trace' && settings.notifyClasses.has(occasion === 'failure' ? 'bounce' : 'delay')) {
    const to = occasion === 'failure' ? settings.bounceRecipient : settings.delayRecipient
    notices.push(notice(occasion, message, records, settings, { forPostmaster: true, to }))
  }
  return { notices }
}

/** RFC 3461 §4.1: without NOTIFY failures and delays are reported. Trace logs hold only what was asked for. */
function wants(occasion: Occasion, notify: number): boolean {
  if (notify === 0 || occasion === 'trace') return true
  return (notify & (occasion === 'failure' ? NOTIFY.failure : NOTIFY.delay)) !== 0
}

function discarded(occasion: Occasion): Plan {
  if (occasion === 'trace') {
    return {
      notices: [], silent: { level: 'info', line: 'not sending trace/success notification for double-bounce message' },
    }
  }
  return { notices: [], silent: { level: 'warning', line: 'undeliverable postmaster notification discarded' } }
}

function postmasterOnly(
  occasion: Occasion, message: PlanMessage, records: readonly StatusRecord[], settings: PlanSettings,
): Plan {
  const { notifyClasses } = settings
  if (occasion === 'delay') {
    if (!notifyClasses.has('delay')) return { notices: [] }
    return {
      notices: [notice(occasion, message, records, settings, { forPostmaster: true, to: settings.delayRecipient })]
    }
  }
  const wanted = notifyClasses.has('2bounce') || (occasion === 'failure' && notifyClasses.has('bounce'))
  if (wanted) {
    const to = settings.doubleBounceRecipient
    return { notices: [notice(occasion, message, records, settings, { forPostmaster: true, to })] }
  }
  if (occasion === 'failure') return { notices: [] }
  return {
    notices: [], silent: { level: 'info', line: 'not sending trace/success notification for single-bounce message' },
  }
}

function notice(
  occasion: Occasion, message: PlanMessage, records: readonly StatusRecord[], settings: PlanSettings,
  { forPostmaster, to }: { forPostmaster: boolean; to: string },
): Notice {
  const kind = occasion === 'trace' ? (message.verify ? 'verify' : 'success') : occasion
  const tooLarge = message.contentSize === undefined || message.contentSize > settings.sizeLimit
  const copyOfSingleBounce = forPostmaster && message.sender !== ''
  return {
    kind, forPostmaster, recipient: to, records,
    // RFC 5321 §4.5.5: a notice has the null sender; one to postmaster has a sender that ends the chain.
    sender: forPostmaster ? settings.doubleBounceAddress : '',
    headersOnly: occasion !== 'failure' || message.retFlags === RET_HEADERS || copyOfSingleBounce || tooLarge,
    title: `${forPostmaster ? 'postmaster' : 'sender'} ${TITLES[occasion]}`,
  }
}
