/**
 * The delivery scheduler: which recipients go to which delivery agent next.
 *
 * A *transport* is a delivery service; a *destination* is one next hop of a transport (or one recipient of
 * it, when it delivers to one recipient at a time); an *entry* is the recipients of one message for one
 * destination that travel in one delivery request. Entries of a destination are served in order of arrival,
 * destinations in turn, so that a message to many recipients, or a slow site, does not hold up the others.
 * Where the agent's places are what is short, one that becomes free goes to the destination that had it, whose
 * connection is still open, unless the one whose turn it is has no more places than that.
 *
 * Pure: no clock, no I/O. The caller asks for work with `next()`, and reports back with `done()`.
 * Source: qmgr(8); postconf(5) default_destination_concurrency_limit, default_destination_rate_delay and kin.
 *
 * @module
 */
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import {
  isFull, isIdle, newDestination, newTransport, type Destination, type Entry, type Reason, type Transport, type TransportRules,
} from './destinations.ts'
import { failed, revive, succeeded } from './feedback.ts'

/** One delivery to start. `store`: more for this destination is waiting or under way, so keep the session. */
export type Assignment<M> = { readonly entry: Entry<M>; readonly destinationKey: string; readonly store: boolean }

/** How a delivery went, for the destination: not what became of single recipients. */
export type Outcome =
  | { readonly kind: 'reached' }
  | { readonly kind: 'hop-failed'; readonly reason: Reason }
  | { readonly kind: 'transport-failed'; readonly reason: Reason }

/** `dead`: entries that must now be deferred for `reason`, as nobody will try them soon. */
export type Consequence<M> = { readonly dead: readonly Entry<M>[]; readonly reason: Reason }

const BACK_TO_BACK_MS = 1000

/** See the module header. One per queue manager. */
export class Scheduler<M> {
  readonly #transports = new Map<string, Transport<M>>()
  readonly #rulesOf: (transport: string) => TransportRules
  /** Why each dead destination is dead. */
  readonly #suspended = new Map<string, Reason>()
  #queued = 0

  constructor(rulesOf: (transport: string) => TransportRules) {
    this.#rulesOf = rulesOf
  }

  /** The messages of all entries that wait for a delivery to start; for the auditor. */
  * waitingMessages(): Generator<M, void> {
    for (const { destinations } of this.#transports.values()) {
      for (const { todo } of destinations.values()) for (const { message } of todo) yield message
    }
  }

  /** Entries that wait for a delivery to start. */
  get queued(): number {
    return this.#queued
  }

  /** Why mail for this destination would not be tried now; undefined when it would. */
  refusal(transport: string, key: string, nowMs: number): Reason | undefined {
    const found = this.#transports.get(transport)
    if (!found) return undefined
    if (found.deadUntil > nowMs) return found.reason
    const destination = found.destinations.get(key)
    if (!destination || destination.window.size > 0 || destination.deadUntil <= nowMs) return undefined
    return this.#suspended.get(`${transport}\n${key}`)
  }

  /**
   * Adds recipients of one message for one destination; large sets become several entries.
   *
   * @returns The number of entries made.
   */
  add(message: M, transport: string, key: string, nexthop: string, recipients: EnvelopeRecipient[]): number {
    const { rules } = this.#transport(transport)
    const size = rules.recipientLimit > 0 ? rules.recipientLimit : recipients.length
    const destination = this.#destination(transport, key, nexthop)
    let made = 0
    for (let at = 0; at < recipients.length; at += size) {
      destination.todo.push({ message, transport, nexthop, recipients: recipients.slice(at, at + size) })
      made += 1
    }
    this.#queued += made
    this.#wake(transport, destination)
    return made
  }

  /**
   * Takes the next delivery that may start now for one transport.
   *
   * @returns undefined when every destination is empty, full, dead or must wait.
   */
  next(transportName: string, nowMs: number): Assignment<M> | undefined {
    const transport = this.#transports.get(transportName)
    if (!transport || transport.deadUntil > nowMs || transport.notBefore > nowMs) return undefined
    // What is not started here waits here, and not in line at the agent: whose turn it is shows when a place is free.
    const { processLimit } = transport.rules
    if (processLimit > 0 && transport.busy >= processLimit) return undefined
    for (let turns = transport.ready.length; turns > 0; turns -= 1) {
      const destination = transport.ready.shift()
      if (!destination) return undefined
      // A full destination leaves the ring until one of its deliveries is done; one that waits for a time stays.
      const full = destination.todo.length === 0 || isFull(destination, transport, nowMs)
      destination.ready = !full
      if (full) continue
      transport.ready.push(destination)
      if (destination.notBefore <= nowMs) return this.#assign(transport, this.#preferred(transport, destination, nowMs), nowMs)
    }
    transport.justServed = []
    return undefined
  }

  /** Names of the transports that have work waiting. */
  waitingTransports(): string[] {
    return [...this.#transports.values()].filter(({ ready }) => ready.length > 0).map(({ name }) => name)
  }

  /** Earliest time at which a waiting entry may start for a reason of time alone; undefined when there is none. */
  nextWake(nowMs: number): number | undefined {
    let wake: number | undefined
    const consider = (at: number): void => {
      if (at > nowMs && (wake === undefined || at < wake)) wake = at
    }
    for (const transport of this.#transports.values()) {
      if (transport.ready.length === 0) continue
      consider(transport.notBefore)
      consider(transport.deadUntil)
      if (transport.rules.rateDelayMs === 0) continue
      for (const destination of transport.ready) if (destination.todo.length > 0) consider(destination.notBefore)
    }
    return wake
  }

  /** A delivery has ended. */
  done(assignment: Assignment<M>, outcome: Outcome, nowMs: number): Consequence<M> | undefined {
    const transport = this.#transport(assignment.entry.transport)
    transport.busy -= 1
    const destination = transport.destinations.get(assignment.destinationKey)
    if (!destination) return undefined
    destination.lastDone = nowMs
    const consequence = this.#feedback(transport, destination, outcome, nowMs)
    destination.busy -= 1
    if (destination.todo.length > 0) transport.justServed.push(destination)
    if (transport.rules.rateDelayMs > 0) destination.notBefore = nowMs + transport.rules.rateDelayMs
    if (isIdle(destination) && destination.window.size > 0 && destination.notBefore <= nowMs) {
      transport.destinations.delete(destination.key)
    } else {
      this.#wake(transport.name, destination)
    }
    return consequence
  }

  /** Forgets what is dead, for all or for one destination (`postqueue -f`, `-i`). */
  revive(transportName?: string, key?: string): void {
    for (const transport of this.#transports.values()) {
      if (transportName !== undefined && transport.name !== transportName) continue
      transport.deadUntil = 0
      for (const destination of transport.destinations.values()) {
        if (key !== undefined && destination.key !== key) continue
        this.#reviveDestination(transport, destination)
      }
    }
  }

  /** Drops the memory of destinations whose time of death, or rest, is over; called now and then. */
  expire(nowMs: number): void {
    for (const transport of this.#transports.values()) {
      for (const destination of transport.destinations.values()) {
        if (destination.window.size === 0) {
          if (destination.deadUntil <= nowMs) this.#reviveDestination(transport, destination)
        } else if (isIdle(destination) && destination.notBefore <= nowMs) {
          transport.destinations.delete(destination.key)
        }
      }
    }
  }

  #reviveDestination(transport: Transport<M>, destination: Destination<M>): void {
    if (destination.window.size === 0) revive(destination.window, transport.rules)
    destination.deadUntil = 0
    this.#suspended.delete(`${transport.name}\n${destination.key}`)
    if (isIdle(destination)) transport.destinations.delete(destination.key)
    else this.#wake(transport.name, destination)
  }

  #feedback(
    transport: Transport<M>, destination: Destination<M>, outcome: Outcome, nowMs: number,
  ): Consequence<M> | undefined {
    if (outcome.kind === 'reached') {
      if (destination.window.size === 0) this.#suspended.delete(`${transport.name}\n${destination.key}`)
      succeeded(destination.window, destination.busy, transport.rules)
      return undefined
    }
    if (outcome.kind === 'transport-failed') {
      transport.deadUntil = nowMs + transport.rules.transportRetryMs
      transport.reason = outcome.reason
      return { dead: this.#takeAll(transport), reason: outcome.reason }
    }
    if (!failed(destination.window, transport.rules)) return undefined
    destination.deadUntil = nowMs + transport.rules.deadMs
    const reason = { status: outcome.reason.status, text: `delivery temporarily suspended: ${outcome.reason.text}` }
    this.#suspended.set(`${transport.name}\n${destination.key}`, reason)
    return { dead: this.#take(destination), reason }
  }

  /** `inTurn`, or who was just served and has fewer deliveries under way: its connection waits, and the ring goes on. */
  #preferred(transport: Transport<M>, inTurn: Destination<M>, nowMs: number): Destination<M> {
    for (let served = transport.justServed.pop(); served; served = transport.justServed.pop()) {
      const mayStart = served.todo.length > 0 && served.notBefore <= nowMs && !isFull(served, transport, nowMs)
      if (mayStart && served.busy < inTurn.busy) return served
    }
    return inTurn
  }

  #assign(transport: Transport<M>, destination: Destination<M>, nowMs: number): Assignment<M> | undefined {
    const entry = destination.todo.shift()
    if (!entry) return undefined
    this.#queued -= 1
    destination.busy += 1
    transport.busy += 1
    const backToBack = nowMs - destination.lastDone <= BACK_TO_BACK_MS
    if (transport.rules.transportRateDelayMs > 0) transport.notBefore = nowMs + transport.rules.transportRateDelayMs
    const store = destination.todo.length > 0 || destination.busy > 1 || backToBack
    return { entry, destinationKey: destination.key, store }
  }

  #take(destination: Destination<M>): Entry<M>[] {
    const entries = destination.todo
    destination.todo = []
    this.#queued -= entries.length
    return entries
  }

  #takeAll(transport: Transport<M>): Entry<M>[] {
    for (const destination of transport.ready) destination.ready = false
    transport.ready = []
    return [...transport.destinations.values()].flatMap((destination) => this.#take(destination))
  }

  #wake(transportName: string, destination: Destination<M>): void {
    if (destination.todo.length === 0 || destination.ready) return
    destination.ready = true
    this.#transport(transportName).ready.push(destination)
  }

  #transport(name: string): Transport<M> {
    let transport = this.#transports.get(name)
    if (!transport) this.#transports.set(name, (transport = newTransport(name, this.#rulesOf(name))))
    return transport
  }

  #destination(transportName: string, key: string, nexthop: string): Destination<M> {
    const { destinations, rules } = this.#transport(transportName)
    let destination = destinations.get(key)
    if (!destination) destinations.set(key, (destination = newDestination(key, nexthop, rules)))
    return destination
  }
}
