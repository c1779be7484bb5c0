/**
 * Which recipients a message has already.
 *
 * Source: postconf(5) duplicate_filter_limit, enable_original_recipient.
 */
import { foldCase } from '#util/ascii.ts'

/** Remembers keys up to a limit; beyond it nothing new is remembered, so that memory has a bound. */
export class DuplicateFilter {
  readonly #keys = new Set<string>()
  readonly #max: number

  /** @param max Number of keys; 0 for no limit. */
  constructor(max: number) {
    this.#max = max
  }

  /** Whether `key` was seen, ignoring case; remembers it. */
  seen(key: string): boolean {
    const folded = foldCase(key)
    if (this.#keys.has(folded)) return true
    if (this.#max === 0 || this.#keys.size < this.#max) this.#keys.add(folded)
    return false
  }

  /** Whether `key` was seen, without remembering it. */
  has(key: string): boolean {
    return this.#keys.has(foldCase(key))
  }
}
