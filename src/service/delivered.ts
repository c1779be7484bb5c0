/**
 * The common end of a recipient in every delivery agent: the delivery line in the log, the record for bounce,
 * defer or trace, and the mark in the queue file.
 *
 * The order makes a crash harmless: what must be reported is with the bounce service before the recipient is
 * marked as done; a crash between the two repeats the attempt.
 *
 * Source: RFC 3461 §6 (which ends are reported); bounce(8); maillog lines as log readers know them.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { externalAddress, splitAddress } from '#mail/address.ts'
import { NOTIFY } from '#mail/dsn-parameters.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import type { StatusRecord } from '#queue/logs.ts'
import { markDone } from '#queue/mark.ts'
import type { LogName } from '#queue/spool.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { BounceClient } from './bounce-client.ts'
import { delaysText, type DeliveryTimes } from './delay-text.ts'
import type { DeliverRequest } from './deliver.ts'
import { FlushClient } from './flush-client.ts'

/** What an agent says of one recipient. */
export type RecipientReport = {
  /** Enhanced status code, `2.0.0`. */
  readonly status: string
  /** The text in parentheses; line breaks become blanks. */
  readonly reason: string
  /** `host[address]:port`, `local`, `none` … */
  readonly relay: string
  /** Messages carried by this connection, this one included; shown from 2 on. */
  readonly connectionUse?: number
  /** What `tls=` says; left out where the log is written for readers of older lines. */
  readonly tls?: string
  /** When the connection was ready or had failed, milliseconds since 1970. */
  readonly setupDone?: number
  /** When the agent got the request. */
  readonly handoff: number
  /** Default: now. */
  readonly done?: number
  /** RFC 3464 §2.3.3: `delivered`, `relayed`, `expanded`; default `delivered`. */
  readonly action?: string
  /** The next hop reports successes itself (it offers DSN). */
  readonly successReportedElsewhere?: boolean
  readonly diagType?: string
  readonly diagText?: string
  readonly mtaType?: string
  readonly mtaName?: string
  /** Who is told when the recipient bounces, where that is not the sender of the message: at once, and alone. */
  readonly bounceTo?: BounceTo
}

/** Another sender for one recipient. Internal form; what the original sender asked for may not be that one's concern. */
export type BounceTo = { readonly sender: string; readonly envelopeId: string; readonly retFlags: number }

/** Ends recipients. Each call resolves to true when the recipient stays in the queue. */
export type Delivered = {
  /** @param fd The queue file, open for writing, under a shared lock; undefined: nothing to mark. */
  sent(
    request: DeliverRequest, recipient: EnvelopeRecipient, report: RecipientReport, fd?: number,
  ): MaybePromise<boolean>
  deferred(
    request: DeliverRequest, recipient: EnvelopeRecipient, report: RecipientReport, fd?: number,
  ): Promise<boolean>
  bounced(request: DeliverRequest, recipient: EnvelopeRecipient, report: RecipientReport, fd?: number): Promise<boolean>
}

type Ending = {
  readonly request: DeliverRequest
  readonly recipient: EnvelopeRecipient
  readonly report: RecipientReport
  readonly fd: number | undefined
}

/** @param bounces Where what is not simply delivered is recorded. */
export function openDelivered(config: Config, bounces: BounceClient): Delivered {
  const ends = new Ends(config, bounces)
  return {
    sent: (request, recipient, report, fd) => ends.sent({ request, recipient, report, fd }),
    deferred: (request, recipient, report, fd) => ends.deferred({ request, recipient, report, fd }, 'deferred'),
    bounced: (request, recipient, report, fd) => ends.bounced({ request, recipient, report, fd }),
  }
}

class Ends {
  readonly #bounces: BounceClient
  readonly #flush: FlushClient
  readonly #softBounce: boolean
  readonly #decimalsMax: number
  readonly #showTls: boolean

  constructor(config: Config, bounces: BounceClient) {
    this.#bounces = bounces
    this.#flush = new FlushClient(config, '.')
    this.#softBounce = config.bool('soft_bounce')
    this.#decimalsMax = config.int('delay_logging_resolution_limit')
    this.#showTls = config.str('maillog_compatibility') !== '3.7'
  }

  sent(ending: Ending): MaybePromise<boolean> {
    const { request, recipient, report } = ending
    if (request.flags.verify || request.flags.userVerify) return this.#verified(ending, 'deliverable')
    const notify = (recipient.notify & NOTIFY.success) !== 0 && report.successReportedElsewhere !== true
    if (request.flags.trace || notify || isDelayCleared(ending)) return this.#sentAndReported(ending)
    this.#line(ending, 'sent')
    return this.#mark(ending)
  }

  async #sentAndReported(ending: Ending): Promise<boolean> {
    try {
      await this.#append('trace', ending, ending.report.action ?? 'delivered', `delivery via ${ending.report.relay}: `)
    } catch {
      return this.deferred(replaced(ending, '4.3.0', 'trace service failure'), 'deferred')
    }
    this.#line(ending, 'sent')
    return this.#mark(ending)
  }

  /** @param word `deferred`, or `SOFTBOUNCE` for what would have bounced. */
  async deferred(ending: Ending, word: 'deferred' | 'SOFTBOUNCE'): Promise<boolean> {
    const { flags, queueId } = ending.request
    if (flags.verify || flags.userVerify) return this.#verified(ending, 'undeliverable')
    try {
      await this.#append('defer', ending, 'delayed')
      if (flags.trace) await this.#append('trace', ending, 'delayed', `delivery via ${ending.report.relay}: `)
    } catch (error) {
      // The recipient stays in the queue all the same; only the reason is not on record.
      log.warning(`${queueId}: defer service failure: ${errnoText(error)}`, { queue_id: queueId })
    }
    this.#line(ending, word)
    this.#listForFlush(ending)
    return true
  }

  /** ETRN and `postqueue -s` deliver what waits for a site; a failure costs no more than an earlier attempt. */
  #listForFlush({ request, recipient }: Ending): void {
    const { domain } = splitAddress(recipient.address)
    if (domain === undefined) return
    this.#flush.add(domain, request.queueId).catch(
      (error: unknown) => log.warning(`flush service: ${errnoText(error)}`)
    )
  }

  async bounced(ending: Ending): Promise<boolean> {
    const { flags } = ending.request
    if (flags.verify || flags.userVerify) return this.#verified(ending, 'undeliverable')
    if (this.#softBounce) return this.deferred(softened(ending), 'SOFTBOUNCE')
    try {
      await this.#recordBounce(ending)
      if (flags.trace) await this.#append('trace', ending, 'failed', `delivery via ${ending.report.relay}: `)
    } catch {
      return this.deferred(replaced(ending, '4.3.0', 'bounce or trace service failure'), 'deferred')
    }
    this.#line(ending, 'bounced')
    return this.#mark(ending)
  }

  #recordBounce(ending: Ending): Promise<void> {
    const { request, recipient, report } = ending
    const { bounceTo } = report
    if (bounceTo === undefined) return this.#append('bounce', ending, 'failed')
    const { queueName, queueId, encoding, sendOptions } = request
    return this.#bounces.one(
      { queueName, queueId, encoding, sendOptions, ...bounceTo }, statusRecord(recipient, report, 'failed', ''),
    )
  }

  /** A probe: nothing was delivered, the answer goes to who asked. */
  async #verified(ending: Ending, answer: 'deliverable' | 'undeliverable'): Promise<boolean> {
    const { flags, queueId } = ending.request
    if (flags.userVerify) {
      try {
        await this.#append('trace', ending, answer)
      } catch (error) {
        log.warning(`${queueId}: trace service failure: ${errnoText(error)}`, { queue_id: queueId })
        return true
      }
    }
    this.#line(ending, answer)
    return this.#mark(ending)
  }

  /** Traces of successes name the relay, in front of the reason. */
  async #append(logName: LogName, ending: Ending, action: string, prefix = ''): Promise<void> {
    const { request, recipient, report } = ending
    const shown = report.relay === 'none' ? '' : prefix
    await this.#bounces.append(logName, request.queueId, statusRecord(recipient, report, action, shown))
  }

  #line(ending: Ending, word: string): void {
    const { request, recipient, report } = ending
    const to = externalAddress(recipient.address)
    const original = externalAddress(recipient.original)
    const originally = original === '' || equalsIgnoreCase(original, to) ? '' : `, orig_to=<${original}>`
    const uses = report.connectionUse ?? 1
    const reused = uses > 1 ? `, conn_use=${uses}` : ''
    const tls = report.tls !== undefined && this.#showTls ? `, tls=${report.tls}` : ''
    const delays = delaysText(times(request, report), this.#decimalsMax)
    const reason = report.reason.replaceAll(/\r?\n/g, ' ')
    log.info(
      `${request.queueId}: to=<${to}>${originally}, relay=${report.relay}${reused}, ${delays}${tls}, `
        + `dsn=${report.status}, status=${word} (${reason})`,
      { queue_id: request.queueId, to, relay: report.relay, dsn: report.status, status: word },
    )
  }

  /** @returns False: the recipient is done. */
  #mark({ request, recipient, fd }: Ending): boolean {
    // A recipient that is marked, here or by the caller, is never tried again: its line must be out before.
    log.flush()
    if (fd === undefined || recipient.offset <= 0) return false
    try {
      markDone(fd, recipient.offset)
      return false
    } catch (error) {
      log.warning(`${request.queueId}: cannot mark recipient at ${recipient.offset}: ${errnoText(error)}`)
      return true
    }
  }
}

/** Who heard of the delay, and did not ask to be spared that news, hears of its end. */
function isDelayCleared({ request, recipient }: Ending): boolean {
  return request.flags.delayWarned === true && (recipient.notify === 0 || (recipient.notify & NOTIFY.delay) !== 0)
}

function times(request: DeliverRequest, report: RecipientReport): DeliveryTimes {
  const { seconds, microseconds } = request.arrival
  const base = {
    arrival: seconds * 1000 + microseconds / 1000, active: request.activeArrival, handoff: report.handoff,
    done: report.done ?? Date.now(),
  }
  return report.setupDone === undefined ? base : { ...base, setupDone: report.setupDone }
}

function statusRecord(
  recipient: EnvelopeRecipient, report: RecipientReport, action: string, prefix: string,
): StatusRecord {
  const { diagType, diagText, mtaType, mtaName } = report
  return {
    recipient: externalAddress(recipient.address), original: externalAddress(recipient.original),
    offset: recipient.offset,
    dsnOrcpt: recipient.dsnOrcpt, notify: recipient.notify, status: report.status, action,
    reason: prefix + report.reason,
    ...(diagType === undefined || diagText === undefined ? {} : { diagType, diagText }),
    ...(mtaType === undefined || mtaName === undefined ? {} : { mtaType, mtaName }),
  }
}

/** The same recipient with another end, one of our own making. */
function replaced(ending: Ending, status: string, reason: string): Ending {
  const { relay, handoff } = ending.report
  return { ...ending, report: { status, reason, relay, handoff } }
}

/** soft_bounce: the same words, but the mail stays. */
function softened(ending: Ending): Ending {
  return { ...ending, report: { ...ending.report, status: ending.report.status.replace(/^5/, '4') } }
}
