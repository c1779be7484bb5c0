/**
 * Counts of what clients do: connections now, and events within the last unit of time.
 *
 * A unit begins with a client's first event, and anew with the first one after its end,
 * so that a client of which nothing is heard costs no memory for longer than that.
 *
 * @module
 */
import type { AnvilCount, AnvilEvent } from '#service/anvil.ts'

/** Events that are counted within a unit of time. */
export const RATED_EVENTS = ['connect', 'message', 'recipient', 'tls', 'auth'] as const

export type RatedEvent = (typeof RATED_EVENTS)[number]

type Entry = { connections: number; startedAt: number; rates: Record<RatedEvent, number> }

/** The largest count of one kind since the last report. */
export type Extreme = { readonly value: number; readonly client: string; readonly at: number }

/** Names in reports; `count` is for connections at a time. */
export type ExtremeName = RatedEvent | 'count'

const NONE: AnvilCount = { count: 0, rate: 0 }
/** How often entries that nothing is heard of are looked for, in units of time. */
const SWEEP_UNITS = 2

/** What was the most; `largest` is the number of clients that were known at once. */
export type Report = {
  readonly extremes: ReadonlyMap<ExtremeName, Extreme>
  readonly largest: { readonly size: number; readonly at: number }
}

/** All clients of all services. */
export class ClientCounts {
  readonly #unitMs: number
  readonly #entries = new Map<string, Entry>()
  readonly #extremes = new Map<ExtremeName, Extreme>()
  #largest: { size: number; at: number } = { size: 0, at: 0 }
  #sweptAt = 0

  /** @param unitMs anvil_rate_time_unit */
  constructor(unitMs: number) {
    this.#unitMs = unitMs
  }

  /** Clients that are known. */
  get size(): number {
    return this.#entries.size
  }

  /** Takes one event of `client`, and tells what there is of it. @param now Milliseconds. */
  take(event: AnvilEvent, client: string, now: number): AnvilCount {
    if (event === 'disconnect') return this.#disconnect(client, now)
    if (event === 'tls_so_far') {
      const known = this.#entries.get(client)
      return known === undefined || this.#isOver(known, now)
        ? NONE
        : { count: known.connections, rate: known.rates.tls }
    }
    const entry = this.#entry(client, now)
    entry.rates[event]++
    if (event === 'connect') entry.connections++
    this.#note(event, entry.rates[event], client, now)
    if (event === 'connect') this.#note('count', entry.connections, client, now)
    return { count: entry.connections, rate: entry.rates[event] }
  }

  /** The extremes since the last call; they start anew. */
  report(): Report {
    const result = { extremes: new Map(this.#extremes), largest: this.#largest }
    this.#extremes.clear()
    this.#largest = { size: 0, at: 0 }
    return result
  }

  #disconnect(client: string, now: number): AnvilCount {
    const entry = this.#entries.get(client)
    if (entry === undefined) return NONE
    entry.connections = Math.max(0, entry.connections - 1)
    if (entry.connections === 0 && this.#isOver(entry, now)) this.#entries.delete(client)
    return { count: entry.connections, rate: entry.rates.connect }
  }

  #entry(client: string, now: number): Entry {
    this.#sweep(now)
    let entry = this.#entries.get(client)
    if (entry === undefined) {
      entry = { connections: 0, startedAt: now, rates: noRates() }
      this.#entries.set(client, entry)
      if (this.#entries.size > this.#largest.size) this.#largest = { size: this.#entries.size, at: now }
    } else if (this.#isOver(entry, now)) {
      entry.startedAt = now
      entry.rates = noRates()
    }
    return entry
  }

  #isOver(entry: Entry, now: number): boolean {
    // A clock that was set back must not make a unit last for ever.
    return now < entry.startedAt || now - entry.startedAt > this.#unitMs
  }

  #note(name: ExtremeName, value: number, client: string, at: number): void {
    const known = this.#extremes.get(name)
    if (known === undefined || value > known.value) this.#extremes.set(name, { value, client, at })
  }

  #sweep(now: number): void {
    if (now >= this.#sweptAt && now - this.#sweptAt < SWEEP_UNITS * this.#unitMs) return
    this.#sweptAt = now
    for (const [client, entry] of this.#entries) {
      if (entry.connections === 0 && this.#isOver(entry, now)) this.#entries.delete(client)
    }
  }
}

function noRates(): Record<RatedEvent, number> {
  return { connect: 0, message: 0, recipient: 0, tls: 0, auth: 0 }
}
