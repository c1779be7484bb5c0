/**
 * What cleanup needs from the program around it; each part can be replaced in tests.
 *
 * @module
 */
import type { Committer } from '#queue/commit.ts'
import type { Spool } from '#queue/spool.ts'
import type { Clock } from '#system/clock.ts'

/** One recipient of refused mail, as the bounce service wants it. */
export type RefusedRecipient = {
  /** Offset of its record in the queue file; 0 for none. */
  readonly offset: number
  readonly address: string
  readonly original: string
  readonly dsnOrcpt: string
  readonly notify: number
}

/** Refused mail that is to be returned. The queue file still exists, incomplete, with its content. */
export type RefusedMessage = {
  readonly queueName: 'incoming'
  readonly id: string
  readonly sender: string
  readonly encoding: string
  readonly envelopeId: string
  /** RET bits: 0 none given, 1 full, 2 headers. */
  readonly returnFlags: number
  readonly sendOptions: number
  /** Two characters; `undefined` without VERP. */
  readonly verp: string | undefined
  readonly arrival: { readonly seconds: number; readonly microseconds: number }
  /** Enhanced status code and text that all recipients get. */
  readonly status: string
  readonly reason: string
  readonly recipients: readonly RefusedRecipient[]
}

/** A recipient of an address probe that needs no delivery attempt to be known as deliverable. */
export type AnsweredProbe = {
  readonly id: string
  readonly address: string
  readonly original: string
  readonly status: string
  readonly reason: string
  readonly arrival: { readonly seconds: number; readonly microseconds: number }
}

/** Tools of a cleanup; those of `openCleanup()` default to the real ones. */
export type CleanupTools = {
  readonly spool: Spool
  readonly committer: Committer
  readonly clock: Clock
  /**
   * Logs the refused recipients as bounced and sends the notice. Rejects when that
   * fails: the message then stays with the client. Without it refused mail goes back to the client.
   */
  readonly bounceRejected?: (message: RefusedMessage) => Promise<void>
  /** Logs, and tells the verify service about, a probe whose address has several aliases. */
  readonly verified?: (probe: AnsweredProbe) => void
}
