/**
 * What is due when a message stays in the queue: it is returned when it is too old, or its sender is told of the delay.
 *
 * Source: postconf(5) maximal_queue_lifetime, bounce_queue_lifetime, delay_warning_time; postsuper(1), -e.
 *
 * @module
 */
import { externalAddress } from '#mail/address.ts'
import type { Clock } from '#system/clock.ts'
import type { Logger } from '#system/log.ts'
import type { Spool } from '#queue/spool.ts'
import { markWarned } from './active-file.ts'
import type { ActiveMessage, NoticeTools } from './active-message.ts'
import { isExpired, isWarningDue, type Lifetimes } from './lifetime.ts'

export type EndingTools = {
  readonly spool: Spool
  readonly clock: Clock
  readonly log: Logger
  readonly lifetimes: Lifetimes
  /** Asks for a notice. When that fails the message has been deferred as it is, and the answer is false. */
  readonly notice: (message: ActiveMessage, kind: keyof NoticeTools, failure: string) => Promise<boolean>
}

/** `stays`: the message is to be deferred. `done`: it was returned, or a notice failed and has deferred it. */
export async function expireOrWarn(message: ActiveMessage, tools: EndingTools): Promise<'stays' | 'done'> {
  const { envelope } = message
  const now = tools.clock.now() / 1000
  if (message.forceExpired || isExpired(now, envelope.createTime, envelope.sender, tools.lifetimes)) {
    logExpired(message, tools.log)
    await tools.notice(message, 'expire', 'bounce failed')
    return 'done'
  }
  if (envelope.warnTime !== undefined && isWarningDue(now, envelope.warnTime)) {
    if (!(await tools.notice(message, 'warn', 'delay warning failed'))) return 'done'
    markWarned(tools.spool, message.id, envelope)
  }
  return 'stays'
}

function logExpired({ id, envelope, forceExpired }: ActiveMessage, log: Logger): void {
  const status = forceExpired ? 'force-expired' : 'expired'
  const from = externalAddress(envelope.sender)
  log.info(`${id}: from=<${from}>, status=${status}, returned to sender`, { queue_id: id, from, status })
}
