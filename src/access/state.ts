/**
 * What is carried from one check of a session to the next.
 */
import type { AccessState, ErrorClass } from './types.ts'

/** A rejection before it becomes a reply: code, status and text are put together late. */
export type Rejection = {
  readonly errorClass: ErrorClass
  readonly code: number
  readonly status: string
  readonly text: string
}

/** A deferral that waits for the end: the first reason is kept, `active` comes and goes with the stages. */
export class PendingDeferral {
  active = false
  #reason: Rejection | undefined

  raise(reason: Rejection): void {
    if (this.active) return
    this.active = true
    this.#reason = reason
  }

  /** The reason, while active. */
  get reason(): Rejection | undefined {
    return this.active ? this.#reason : undefined
  }
}

/** The state of one session; only the restrictions look inside. */
export class SessionState implements AccessState {
  /** Turns a permission at the end into a deferral. */
  readonly deferIfPermit = new PendingDeferral()
  /** Whether the client, HELO or sender restrictions raised it: later stages start from there. */
  raisedBy = { client: false, helo: false, sender: false }
  senderChecked = false
  recipientChecked = false
  /** DISCARD was said: no more checks for this message. */
  discard = false
  hold = false

  reset(): void {
    this.raisedBy.sender = false
    this.senderChecked = false
    this.recipientChecked = false
    this.discard = false
    this.hold = false
  }
}
