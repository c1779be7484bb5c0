/**
 * A table that could not be opened: every answer is an error, until it can be.
 *
 * Postfix's processes end now and then, and the next one tries again. Ours stay, so a lookup tries by itself, once in
 * a few seconds at most.
 *
 * Diagnostics: the reason as an error when it is opened, and again when it is another one; a warning at each lookup.
 */
import { log } from '#system/log.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { isPatternSpec } from './pattern-type.ts'
import { failed, TableOpenError, type Lookup, type Table } from './table.ts'

const RETRY_MS = 2000

class UnavailableTable implements Table {
  readonly name: string
  readonly pattern: boolean
  readonly #open: () => Table
  #reason: string
  #inner: Table | undefined
  #triedAt = performance.now()

  constructor(spec: string, reason: string, open: () => Table) {
    this.name = spec
    this.pattern = isPatternSpec(spec)
    this.#reason = reason
    this.#open = open
  }

  lookup(key: string): MaybePromise<Lookup> {
    if (this.#inner === undefined && performance.now() - this.#triedAt > RETRY_MS) this.refresh()
    if (this.#inner !== undefined) return this.#inner.lookup(key)
    log.warning(`${this.name} is unavailable. ${this.#reason}`)
    return failed(this.#reason)
  }

  refresh(): void {
    if (this.#inner !== undefined) {
      this.#inner.refresh?.()
      return
    }
    this.#triedAt = performance.now()
    try {
      this.#inner = this.#open()
    } catch (error) {
      if (!(error instanceof TableOpenError)) throw error
      if (error.message !== this.#reason) log.error(error.message)
      this.#reason = error.message
    }
  }

  close(): void {
    this.#inner?.close()
  }
}

/**
 * Stands in for the table `spec`, which cannot be opened because of `reason`.
 *
 * @param open Tries again. Throws `TableOpenError`.
 */
export function unavailableTable(spec: string, reason: string, open: () => Table): Table {
  log.error(reason)
  return new UnavailableTable(spec, reason, open)
}
