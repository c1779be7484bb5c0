/**
 * What the auditor of the queue takes for a violation: pure decisions about one message at a time.
 *
 * Every message in the queue has a next event, somebody who owns it, and an end. In deferred/ the next event is the time
 * stamp, and the scan that comes then; in incoming/ an announcement or the next scan; in active/ a delivery, or a notice
 * under way, in this queue manager's memory. Messages on hold belong to the admin and are not looked at.
 *
 * A rule may be broken for a moment by what happens just now, so that the caller looks again a minute later, and only
 * what is found twice is a violation.
 *
 * All times are seconds since 1970.
 * Source: qmgr(8); postconf(5) maximal_backoff_time, queue_run_delay, maximal_queue_lifetime.
 *
 * @module
 */
import type { Backoff, Lifetimes } from './lifetime.ts'

/** Queues that are audited. */
export type AuditedQueue = 'incoming' | 'active' | 'deferred'

/** One message file as the auditor sees it. */
export type Observed = {
  readonly queue: AuditedQueue
  /** A complete message: its owner may execute it. */
  readonly ready: boolean
  /** Time stamp of the file: not before then is it tried. */
  readonly wakeAt: number
  /** When it was created; undefined where that is not known. */
  readonly createTime: number | undefined
  /** The active queue has it in memory, or removes it, or will try again to move it. */
  readonly owned: boolean
}

/** What holds for the whole queue at this moment. */
export type AuditRules = {
  readonly backoff: Backoff
  readonly lifetimes: Lifetimes
  readonly queueRunDelay: number
  /** The active queue would take another message: nothing has to wait for room. */
  readonly hasRoom: boolean
  /** A scan of this queue is under way and may not have come to the message yet. */
  readonly scanning: boolean
}

/**
 * What is wrong, and what is done about it. `requeue`: from active/ to incoming/, to be taken up at once;
 * `wake`: its time stamp becomes now; `take`: it is announced again; `corrupt`: kept aside, as nothing can be sent.
 */
export type Violation = { readonly what: string; readonly repair: 'requeue' | 'wake' | 'take' | 'corrupt' }

/** Time stamps are whole seconds, and clocks of two machines that share a queue differ a little. */
const SLACK_SECONDS = 60

/** The rule that a message breaks, if it does. */
export function examine(message: Observed, now: number, rules: AuditRules): Violation | undefined {
  switch (message.queue) {
    case 'active': return examineActive(message)
    case 'incoming': return examineIncoming(message, now, rules)
    case 'deferred': return examineDeferred(message, now, rules)
    default: return message.queue satisfies never
  }
}

function examineActive({ owned, ready }: Observed): Violation | undefined {
  if (owned) return undefined
  if (!ready) return { what: 'nobody owns it, and it is not a whole message', repair: 'corrupt' }
  return { what: 'nobody owns it', repair: 'requeue' }
}

/** A file without the mark of a whole message is being written, or its writer died: nobody was told that it is accepted. */
function examineIncoming({ ready, wakeAt }: Observed, now: number, rules: AuditRules): Violation | undefined {
  if (!ready) return undefined
  if (wakeAt > now + rules.backoff.maximal + SLACK_SECONDS) return tooFar(wakeAt, now)
  if (wakeAt > now - SLACK_SECONDS || !rules.hasRoom || rules.scanning) return undefined
  return { what: `due for ${Math.trunc(now - wakeAt)} s, and nobody took it`, repair: 'take' }
}

function examineDeferred(message: Observed, now: number, rules: AuditRules): Violation | undefined {
  const { ready, wakeAt, createTime } = message
  if (!ready) return { what: 'it is not a whole message', repair: 'corrupt' }
  if (wakeAt > now + rules.backoff.maximal + SLACK_SECONDS) return tooFar(wakeAt, now)
  if (createTime !== undefined && wakeAt > now + rules.backoff.minimal && isPastItsEnd(createTime, now, rules)) {
    return { what: `past its lifetime, and the next attempt is ${Math.trunc(wakeAt - now)} s away`, repair: 'wake' }
  }
  if (wakeAt > now - 2 * rules.queueRunDelay - SLACK_SECONDS || !rules.hasRoom || rules.scanning) return undefined
  return { what: `due for ${Math.trunc(now - wakeAt)} s, and no scan took it`, repair: 'take' }
}

/** The clock was ahead when it was stamped, or somebody else stamped it. */
function tooFar(wakeAt: number, now: number): Violation {
  return { what: `the next attempt is ${Math.trunc(wakeAt - now)} s away, more than maximal_backoff_time`, repair: 'wake' }
}

/** Its last attempt was at most the longest wait ago, and should have ended it. */
function isPastItsEnd(createTime: number, now: number, { lifetimes, backoff }: AuditRules): boolean {
  return now > createTime + Math.max(lifetimes.message, lifetimes.bounce) + backoff.maximal + SLACK_SECONDS
}
