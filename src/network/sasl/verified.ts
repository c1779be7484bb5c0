/**
 * Passwords that were right a moment ago, so that a user who logs in for each message does not cost milliseconds of a
 * hash each time, in which no other session of the process goes on.
 *
 * Kept is neither the password nor its hash, but a keyed digest of both: the key is random, of this process, and never
 * leaves it. A changed password has another hash, so that what was verified with the old one counts no more. Wrong
 * passwords are not kept: guessing costs what it did.
 *
 * @module
 */
import { createHmac, randomBytes } from 'node:crypto'
import { monotonicClock, type Clock } from '#system/clock.ts'
import { verifyPassword } from './passwords.ts'

const KEPT_MS = 5 * 60_000
const KEPT_MAX = 10_000
const KEY_BYTES = 32

/** Verifies passwords, and knows those of the last minutes again. */
export class VerifiedPasswords {
  readonly #key = randomBytes(KEY_BYTES)
  readonly #clock: Clock
  readonly #verify: typeof verifyPassword
  /** Until when, by digest; the oldest is the first. */
  readonly #known = new Map<string, number>()

  /** @param verify Default: the real one. */
  constructor(verify = verifyPassword, clock: Clock = monotonicClock) {
    this.#verify = verify
    this.#clock = clock
  }

  /** Whether this very password was verified against this very hash within the last minutes. */
  knows(password: string, hash: string): boolean {
    return (this.#known.get(this.#digest(password, hash)) ?? -Infinity) > this.#clock.now()
  }

  /** Whether `password` is the one behind `hash`. */
  async verify(password: string, hash: string): Promise<boolean> {
    if (!await this.#verify(password, hash)) return false
    const digest = this.#digest(password, hash)
    this.#known.delete(digest)
    this.#known.set(digest, this.#clock.now() + KEPT_MS)
    this.#forget()
    return true
  }

  #forget(): void {
    for (const [digest, until] of this.#known) {
      if (this.#known.size <= KEPT_MAX && until > this.#clock.now()) return
      this.#known.delete(digest)
    }
  }

  /** A hash has no NUL: no other pair has the same text. */
  #digest(password: string, hash: string): string {
    return createHmac('sha256', this.#key).update(`${hash}\0${password}`).digest('base64')
  }
}
