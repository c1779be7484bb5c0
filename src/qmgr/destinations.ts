/**
 * What the scheduler keeps of transports and destinations.
 *
 * @module
 */
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { newWindow, revive, type FeedbackRules, type Window } from './feedback.ts'

/** What main.cf says of one transport. */
export type TransportRules = FeedbackRules & {
  /** Recipients in one request; 0 is no limit. */
  readonly recipientLimit: number
  /** Least time between two deliveries to a destination, or by the whole transport, in milliseconds. */
  readonly rateDelayMs: number
  readonly transportRateDelayMs: number
  /** How long a dead destination, or a transport without agent, is left alone, in milliseconds. */
  readonly deadMs: number
  readonly transportRetryMs: number
  /** Deliveries that its agent carries out at once, as master.cf has it; 0 is no limit. */
  readonly processLimit: number
}

/** Status code and reason of a failure, as they will be reported for each recipient. */
export type Reason = { readonly status: string; readonly text: string }

/** Recipients of one message that travel together. `M` is the caller's message. */
export type Entry<M> = {
  readonly message: M
  readonly transport: string
  readonly nexthop: string
  readonly recipients: EnvelopeRecipient[]
}

/** One next hop of a transport. */
export type Destination<M> = {
  readonly key: string
  readonly nexthop: string
  readonly window: Window
  busy: number
  todo: Entry<M>[]
  notBefore: number
  deadUntil: number
  lastDone: number
  /** Stands in the transport's ring of ready destinations. */
  ready: boolean
}

/** One delivery service. */
export type Transport<M> = {
  readonly name: string
  readonly rules: TransportRules
  readonly destinations: Map<string, Destination<M>>
  /** Destinations that may have work, in turn. */
  ready: Destination<M>[]
  /** Destinations that a delivery to has ended since the last start, the latest last. */
  justServed: Destination<M>[]
  /** Deliveries under way. */
  busy: number
  notBefore: number
  deadUntil: number
  reason: Reason
}

const UNAVAILABLE: Reason = { status: '4.3.0', text: 'mail transport unavailable' }

/** Without destinations, and free to deliver. */
export function newTransport<M>(name: string, rules: TransportRules): Transport<M> {
  return {
    name, rules, destinations: new Map(), ready: [], justServed: [], busy: 0, notBefore: 0, deadUntil: 0, reason: UNAVAILABLE,
  }
}

/** With the window of a site that nothing is known of. */
export function newDestination<M>(key: string, nexthop: string, rules: TransportRules): Destination<M> {
  return { key, nexthop, window: newWindow(rules), busy: 0, todo: [], notBefore: 0, deadUntil: 0, lastDone: 0, ready: false }
}

/** Nothing waits for it, and nothing is under way. */
export function isIdle<M>({ todo, busy }: Destination<M>): boolean {
  return todo.length === 0 && busy === 0
}

/** Whether no more deliveries to it may start. One whose death is over is tried as a new one. */
export function isFull<M>(destination: Destination<M>, { rules }: Transport<M>, nowMs: number): boolean {
  if (destination.window.size === 0 && destination.deadUntil <= nowMs) revive(destination.window, rules)
  // A rate delay means one delivery at a time, postconf(5) default_destination_rate_delay.
  const width = rules.rateDelayMs > 0 ? Math.min(1, destination.window.size) : destination.window.size
  return destination.busy >= width
}
