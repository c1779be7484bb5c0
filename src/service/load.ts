/**
 * How much of its time a process works: whether it has any left for more clients.
 *
 * @module
 */

/** How often, and above what share of its time, a process counts as busy. */
const INTERVAL_MS = 500
const BUSY_UTILIZATION = 0.6

/** Looks at the load of this process while it has clients. */
export class LoadWatch {
  readonly #onBusy: () => void
  #timer: NodeJS.Timeout | undefined

  /** @param onBusy Called at each look that finds the process busy. */
  constructor(onBusy: () => void) {
    this.#onBusy = onBusy
  }

  /** Looks regularly, until `hasClients` says that there is nothing to look at. */
  measure(hasClients: () => boolean): void {
    if (this.#timer !== undefined) return
    let before = performance.eventLoopUtilization()
    this.#timer = setInterval(() => {
      const { utilization } = performance.eventLoopUtilization(before)
      before = performance.eventLoopUtilization()
      if (utilization > BUSY_UTILIZATION) this.#onBusy()
      if (hasClients()) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }, INTERVAL_MS)
  }
}
