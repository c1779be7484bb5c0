/**
 * Concurrency feedback: how the number of parallel deliveries to one destination grows and shrinks.
 *
 * A destination starts with a small window. A delivery that reached the site adds positive feedback, one
 * that failed as a whole (connection, greeting) adds negative feedback and a share of a "cohort": once
 * enough cohorts failed in a row, the destination is dead until `minimal_backoff_time` has passed.
 *
 * Source: postconf(5) default_destination_concurrency_positive_feedback and its kin.
 *
 * @module
 */

/** One parsed feedback parameter: `numerator / 1`, `/ concurrency` or `/ sqrt_concurrency`. */
export type Feedback = { readonly base: number; readonly divisor: 'none' | 'concurrency' | 'sqrt_concurrency' }

/** Limits of one transport that steer the windows of its destinations. */
export type FeedbackRules = {
  /** Window of a destination that is new or has come back; at least 1. */
  readonly initial: number
  /** Largest window; 0 is no limit. */
  readonly limit: number
  readonly positive: Feedback
  readonly negative: Feedback
  /** Cohorts that may fail in a row; 0 never declares a destination dead. */
  readonly failedCohortLimit: number
}

/** The window of one destination. `size` 0 is a dead destination. */
export type Window = { size: number; success: number; failure: number; failedCohorts: number }

/** What counts for a parameter that cannot be read. */
const WHOLE_STEP: Feedback = { base: 1, divisor: 'none' }

/**
 * Reads a feedback parameter: `1`, `0.5`, `1/5`, `1/concurrency`, `1/sqrt_concurrency`.
 *
 * @param warn Gets the text of a warning when the text has another form or lies outside 0..1; `1` counts then.
 */
export function parseFeedback(name: string, text: string, warn: (text: string) => void = () => undefined): Feedback {
  const match = /^\s*(\d+(?:\.\d*)?|\.\d+)\s*(?:\/\s*(\d+(?:\.\d*)?|\.\d+|concurrency|sqrt_concurrency))?$/.exec(text)
  const base = Number(match?.[1])
  const below = match?.[2]
  const named = below === 'concurrency' || below === 'sqrt_concurrency'
  const value = below === undefined || named ? base : base / Number(below)
  if (match && value >= 0 && value <= 1) return { base: value, divisor: named ? below : 'none' }
  warn(`${name}: ignoring malformed or unreasonable feedback: ${text}`)
  return WHOLE_STEP
}

export function newWindow(rules: FeedbackRules): Window {
  return { size: initialSize(rules), success: 0, failure: 0, failedCohorts: 0 }
}

function initialSize(rules: FeedbackRules): number {
  return rules.limit > 0 ? Math.min(rules.initial, rules.limit) : rules.initial
}

function amount(feedback: Feedback, size: number): number {
  if (feedback.divisor === 'none') return feedback.base
  return feedback.base / (feedback.divisor === 'concurrency' ? size : Math.sqrt(size))
}

/**
 * A delivery reached the destination, whatever became of its recipients.
 *
 * @param busy Deliveries to this destination under way, this one included: the window only grows while it is used.
 */
export function succeeded(window: Window, busy: number, rules: FeedbackRules): void {
  window.failedCohorts = 0
  if (window.size === 0) {
    // Back from the dead: what is under way has shown how many the site bears.
    window.size = busy > 0 ? busy : initialSize(rules)
    window.success = window.failure = 0
    return
  }
  if (rules.limit > 0 && window.size >= rules.limit) return
  if (window.size >= busy + rules.initial) return
  const step = amount(rules.positive, window.size)
  window.success += step
  // Half a step early: sums of fractions are rarely whole, and the next one would be too late.
  while (window.success + step / 2 >= 1) {
    window.success -= 1
    window.size += 1
    window.failure = 0
  }
  if (rules.limit > 0) window.size = Math.min(window.size, rules.limit)
}

/**
 * A delivery failed before it reached any recipient.
 *
 * @returns True when the destination is dead from now on.
 */
export function failed(window: Window, rules: FeedbackRules): boolean {
  if (window.size === 0) return false
  window.failedCohorts += 1 / window.size
  if (rules.failedCohortLimit > 0 && window.failedCohorts >= rules.failedCohortLimit) {
    window.size = 0
    return true
  }
  const step = amount(rules.negative, window.size)
  window.failure -= step
  // At the start of a round, where success counts at its end: the first failure after a step up weighs more.
  while (window.failure - step / 2 < 0) {
    window.failure += 1
    window.size -= 1
    window.success = 0
  }
  window.size = Math.max(1, window.size)
  return false
}

/** The destination may be tried again: it starts as new. */
export function revive(window: Window, rules: FeedbackRules): void {
  Object.assign(window, newWindow(rules))
}
