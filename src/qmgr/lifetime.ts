/**
 * When a message is tried again, warned about, and given up: pure rules over its times.
 *
 * All times are seconds since 1970.
 * Source: RFC 5321 §4.5.4.1; qmgr(8); postconf(5) minimal_backoff_time, maximal_queue_lifetime, delay_warning_time.
 *
 * @module
 */

/** Bounds of the wait between two attempts, in seconds. */
export type Backoff = { readonly minimal: number; readonly maximal: number }

/** Longest stay in the queue, in seconds; 0 gives a message one attempt. */
export type Lifetimes = { readonly message: number; readonly bounce: number }

/**
 * Time of the next attempt: the wait is the age of the message, within the bounds, so that a dead
 * destination costs ever less.
 */
export function nextAttempt(now: number, createTime: number, backoff: Backoff): number {
  return Math.trunc(now + Math.min(Math.max(now - createTime, backoff.minimal), backoff.maximal))
}

/** Mail from the null sender (bounces) has its own lifetime. */
export function isExpired(now: number, createTime: number, sender: string, lifetimes: Lifetimes): boolean {
  return now >= createTime + (sender === '' ? lifetimes.bounce : lifetimes.message)
}

/**
 * Whether the sender is owed the delay warning now.
 *
 * @param warnTime Value of the W record: the time it is due; 0 or less when none was asked for or it was sent.
 */
export function isWarningDue(now: number, warnTime: number): boolean {
  // One second early, as the file time stamps that woke us are whole seconds.
  return warnTime > 0 && now >= warnTime - 1
}
