/**
 * Waiting for the first client of a listener without accepting it.
 *
 * The kernel sends SIGIO when something comes in on a descriptor that asked for
 * it; then poll(2) tells which ones. An idle process needs no thread for this
 * and wakes up for nothing else.
 *
 * The wish for a signal belongs to the open socket, not to the descriptor: it is
 * taken back before another process accepts from the same socket.
 *
 * @module
 */
import { readable, setSignalDriven } from './posix.ts'

/** Descriptors that someone waits for. There is one per process. */
export class ReadinessWatch {
  readonly #waiting = new Map<number, () => void>()
  readonly #onSignal = (): void => this.#look()
  #scheduled = false

  /** Calls `callback` once, in a later turn, when `fd` is readable. Replaces an earlier wait for it. */
  watch(fd: number, callback: () => void): void {
    if (this.#waiting.size === 0) process.on('SIGIO', this.#onSignal)
    this.#waiting.set(fd, callback)
    setSignalDriven(fd, true)
    this.#schedule()
  }

  /** Waits for `fd` no more. */
  unwatch(fd: number): void {
    if (!this.#waiting.delete(fd)) return
    setSignalDriven(fd, false)
    if (this.#waiting.size === 0) process.off('SIGIO', this.#onSignal)
  }

  /** What came before the signal was asked for raises none. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#look()
    })
  }

  #look(): void {
    if (this.#waiting.size === 0) return
    for (const fd of readable([...this.#waiting.keys()])) {
      const callback = this.#waiting.get(fd)
      this.unwatch(fd)
      callback?.()
    }
  }
}
