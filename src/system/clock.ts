/** The time of day, behind an interface that a test replaces. */

/** `now()`: milliseconds since 1970, with fractions where the system has them. */
export type Clock = { now(): number }

/** The clock of the system. */
export const systemClock: Clock = { now: () => Date.now() }

/** Runs on whatever happens to the time of day: for how long something lasts. Starts near the time of day. */
export const monotonicClock: Clock = { now: () => performance.timeOrigin + performance.now() }

/** A clock that stands still until it is set, for tests. */
export class FixedClock implements Clock {
  #now: number

  constructor(now: number | string) {
    this.#now = typeof now === 'string' ? Date.parse(now) : now
  }

  now(): number {
    return this.#now
  }

  /** Moves the clock by `milliseconds`, which may be negative. */
  advance(milliseconds: number): void {
    this.#now += milliseconds
  }
}
