/**
 * A loop and a clock of our own: timers fire in the order of their times, in no time at all, and the same in every run.
 *
 * Between two events all promises that can go on do so. Nothing real may be waited for meanwhile.
 */
import { microTime } from '#queue/id.ts'

type Event = { readonly at: number; readonly order: number; readonly run: () => void; cancelled: boolean; readonly every: number | undefined }

const RealDate = Date
const realTurn = setImmediate
const MICROSECOND = 0.001

/** The time of one simulated world; installed in place of the timers and clocks of the process by `use()`. */
export class VirtualTime {
  /** Milliseconds since 1970, whole microseconds. */
  now: number
  #order = 0
  #soon: Event[] = []
  #later: Event[] = []

  constructor(start: number) {
    this.now = start
  }

  /** What an operation costs. */
  pass(microseconds: number): void {
    this.now = Math.round(this.now * 1000 + microseconds) / 1000
  }

  /** Runs `call` at a time from now. */
  after(ms: number, call: () => void, every?: number): Event {
    const wait = Math.max(Number.isFinite(ms) ? ms : 0, MICROSECOND)
    const event: Event = { at: this.now + wait, order: this.#order++, run: call, cancelled: false, every }
    this.#insert(event)
    return event
  }

  #insert(event: Event): void {
    let at = this.#later.length
    // Later ones first, so that the next one is at the end.
    while (at > 0) {
      const other = this.#later[at - 1]
      if (!other || other.at > event.at || (other.at === event.at && other.order > event.order)) break
      at -= 1
    }
    this.#later.splice(at, 0, event)
  }

  /** Lets everything happen until `done`, or until nothing more comes before `limit` (default: within an hour). */
  async run(done: () => boolean, limit = this.now + 3_600_000): Promise<void> {
    for (;;) {
      await new Promise((resolve) => realTurn(resolve))
      if (done()) return
      if (!this.#step(limit)) return
    }
  }

  #step(limit: number): boolean {
    if (this.#soon.length > 0) {
      for (const event of this.#soon.splice(0)) if (!event.cancelled) event.run()
      return true
    }
    for (let event = this.#later.pop(); event; event = this.#later.pop()) {
      if (event.cancelled) continue
      if (event.at > limit) {
        this.#later.push(event)
        return false
      }
      this.now = Math.max(this.now, Math.ceil(event.at * 1000) / 1000)
      event.run()
      if (event.every !== undefined && !event.cancelled) this.#insert(Object.assign(event, { at: this.now + event.every }))
      return true
    }
    return false
  }

  /** Puts this time in place of the process's own until the result is disposed of. */
  use(): Disposable {
    const real = {
      Date: globalThis.Date, setTimeout: globalThis.setTimeout, setInterval: globalThis.setInterval,
      setImmediate: globalThis.setImmediate, clearTimeout: globalThis.clearTimeout, clearInterval: globalThis.clearInterval,
      clearImmediate: globalThis.clearImmediate,
    }
    const realNow = performance.now.bind(performance)
    Object.assign(globalThis, this.#substitutes())
    performance.now = () => this.now
    forgetMicroseconds(this)
    return {
      [Symbol.dispose]: () => {
        Object.assign(globalThis, real)
        performance.now = realNow
      },
    }
  }

  #substitutes(): Record<string, unknown> {
    const now = (): number => this.now
    class VirtualDate extends RealDate {
      constructor(value?: number | string) {
        super(value ?? now())
      }

      static override now(): number {
        return Math.floor(now())
      }
    }
    return {
      Date: VirtualDate,
      setTimeout: (call: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => handle(this.after(ms, () => call(...args))),
      setInterval: (call: () => void, ms = 0) => handle(this.after(ms, call, ms)),
      setImmediate: (call: () => void) => {
        const event: Event = { at: 0, order: 0, run: call, cancelled: false, every: undefined }
        this.#soon.push(event)
        return handle(event)
      },
      clearTimeout: clear, clearInterval: clear, clearImmediate: clear,
    }
  }
}

/** What `setTimeout()` gives. */
function handle(event: Event): object {
  return Object.assign(event, { unref: () => event, ref: () => event, hasRef: () => true })
}

function clear(event: Event | undefined): void {
  if (event) event.cancelled = true
}

/** Queue ids remember the last microsecond: at the start of time there was none. */
function forgetMicroseconds(time: VirtualTime): void {
  const { now } = time
  time.now = 0
  microTime()
  time.now = now
}
