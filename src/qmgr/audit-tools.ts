/**
 * What the auditor sees of a running queue manager: rules from main.cf, who owns a message, and what is under way.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import type { Clock } from '#system/clock.ts'
import { log } from '#system/log.ts'
import type { Spool } from '#queue/spool.ts'
import { isInUse } from './active-file.ts'
import type { ActiveMessage, ActiveQueue } from './active.ts'
import type { AuditedQueue, AuditRules } from './audit-rules.ts'
import type { AuditTools } from './auditor.ts'
import type { Intake } from './intake.ts'
import type { Assignment, Scheduler } from './scheduler.ts'

/** Deliveries under way, and since when, in milliseconds of `ticks`. */
export type Flights = Map<Assignment<ActiveMessage>, number>

export type AuditedParts = {
  readonly config: Config
  readonly spool: Spool
  readonly clock: Clock
  /** Not the time of day. */
  readonly ticks: Clock
  readonly active: ActiveQueue
  readonly intake: Intake
  readonly scheduler: Scheduler<ActiveMessage>
  readonly flights: Flights
  readonly stopped: () => boolean
  /** Takes a delivery for failed, whatever its agent may still say. */
  readonly giveUp: (assignment: Assignment<ActiveMessage>) => void
}

/** The auditor's tools for these parts. */
export function auditTools(parts: AuditedParts): AuditTools {
  const { spool, clock, active, intake } = parts
  return {
    spool, log, now: () => clock.now(), stopped: parts.stopped,
    rules: (queue) => rulesOf(parts, queue),
    owns: (id) => active.owns(id),
    take: (queue, id) => intake.take(queue, id),
    releaseStuck: () => [...releaseSilent(parts), ...releaseIdle(parts)],
  }
}

function rulesOf({ config, active, intake }: AuditedParts, queue: AuditedQueue): AuditRules {
  return {
    backoff: { minimal: config.time('minimal_backoff_time'), maximal: config.time('maximal_backoff_time') },
    lifetimes: { message: config.time('maximal_queue_lifetime'), bounce: config.time('bounce_queue_lifetime') },
    queueRunDelay: config.time('queue_run_delay'),
    hasRoom: active.size < config.int('qmgr_message_active_limit') / 2,
    scanning: queue !== 'active' && intake.isScanning(queue),
  }
}

/** Deliveries that last longer than any daemon may, of files that no agent has open any more. */
function releaseSilent({ config, spool, ticks, flights, giveUp }: AuditedParts): string[] {
  const oldest = ticks.now() - config.time('daemon_timeout') * 1000
  const silent = [...flights].filter(([{ entry }, since]) => since < oldest && !isInUse(spool, entry.message.id))
  for (const [assignment] of silent) giveUp(assignment)
  return silent.map(([{ entry }]) => `${entry.message.id}: active: its delivery has not ended, and nobody has it open; deferred`)
}

function releaseIdle({ active, scheduler, flights }: AuditedParts): string[] {
  const atWork = new Set([...scheduler.waitingMessages(), ...[...flights.keys()].map(({ entry }) => entry.message)])
  const idle = active.withoutWork(atWork)
  for (const message of idle) active.release(message)
  return idle.map(({ id }) => `${id}: active: nothing is under way; deferred`)
}
