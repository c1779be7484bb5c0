/**
 * Mappings of one address to one address (canonical), repeated until nothing
 * changes, and of one address to many (virtual aliases), all the way down.
 *
 * Source: canonical(5), virtual(5); postconf(5) virtual_alias_expansion_limit,
 * virtual_alias_recursion_limit, virtual_alias_address_length_limit.
 */
import { equalsIgnoreCase, foldCase } from '#util/ascii.ts'
import { externalAddress } from '#mail/address.ts'
import type { Maps } from '#tables/maps.ts'
import type { AddressContext } from './address-context.ts'
import { mapAddress } from './address-map.ts'

/** More rounds than this mean a loop in the tables. */
const CANONICAL_ROUNDS_MAX = 10

/** Gets the texts of warnings; the caller puts its queue id before them. */
export type Warn = (text: string) => void

const shown = (address: string): string => (address === '' ? '""' : externalAddress(address))

/** The result of a mapping; after an error `address` is as far as it came. */
export type CanonicalResult = { readonly address: string; readonly failed: boolean }

/** How a table is used: `propagate` is whether `canonical` (or `virtual`) is in propagate_unmatched_extensions. */
export type MappingOptions = { readonly propagate: boolean; readonly warn: Warn }

/**
 * Maps an address one to one.
 *
 * @param address Internal form. The null address is looked up as `""`.
 */
export async function mapCanonical(
  maps: Maps,
  address: string,
  context: AddressContext,
  { propagate, warn }: MappingOptions,
): Promise<CanonicalResult> {
  let current = address
  for (let round = 0; round < CANONICAL_ROUNDS_MAX; round++) {
    if (maps.empty) return { address: current, failed: false }
    const mapped = await mapAddress(maps, current, context, { propagate })
    if (mapped.kind === 'absent') return { address: current, failed: false }
    if (mapped.kind === 'error') {
      warn(`${maps.title} map lookup problem for ${shown(current)} -- message not accepted, try again later`)
      return { address: current, failed: true }
    }
    if (mapped.addresses.length > 1) warn(`multi-valued ${maps.title} entry for ${shown(current)}`)
    const previous = current
    current = mapped.addresses[0]
    if (equalsIgnoreCase(previous, current)) return { address: current, failed: false }
  }
  warn(`unreasonable ${maps.title} map nesting for ${shown(address)} -- message not accepted, try again later`)
  return { address: current, failed: false }
}

/** Bounds of an expansion: results of one recipient, steps down, octets of one result. */
export type ExpansionLimits = {
  readonly resultsMax: number
  readonly levelsMax: number
  readonly addressOctetsMax: number
}

/**
 * The addresses that a recipient stands for. `limit`: a bound was reached, `error`: a table could not
 * be read; both are temporary, and the recipient is not to be accepted now (`4.6.0 Alias expansion error`).
 */
export type ExpansionResult =
  | { readonly kind: 'ok'; readonly addresses: readonly string[] }
  | { readonly kind: 'limit' | 'error' }

/**
 * Expands an address. One that is among its own results stays, once. A loop of several
 * addresses runs into the bound of levels.
 *
 * @param address Internal form.
 */
export async function expandAliases(
  maps: Maps,
  address: string,
  context: AddressContext,
  limits: ExpansionLimits,
  options: MappingOptions,
): Promise<ExpansionResult> {
  if (maps.empty || address === '') return { kind: 'ok', addresses: [address] }
  return new Expansion(maps, address, context, limits, options).run()
}

/** The work list of one expansion. */
class Expansion {
  readonly #maps: Maps
  readonly #origin: string
  readonly #context: AddressContext
  readonly #limits: ExpansionLimits
  readonly #options: MappingOptions
  /** Results so far; those behind the current one are still to be expanded. */
  readonly #addresses: string[]
  /** Addresses that mapped to themselves, case folded: they are not mapped again. */
  readonly #mapToSelf = new Set<string>()

  constructor(maps: Maps, address: string, context: AddressContext, limits: ExpansionLimits, options: MappingOptions) {
    this.#maps = maps
    this.#origin = address
    this.#context = context
    this.#limits = limits
    this.#options = options
    this.#addresses = [address]
  }

  async run(): Promise<ExpansionResult> {
    for (let i = 0; i < this.#addresses.length; i++) {
      if (this.#addresses.length > this.#limits.resultsMax) {
        return this.#refuse(`unreasonable ${this.#maps.title} map expansion size for ${this.#origin}`)
      }
      const refused = await this.#expand(i)
      if (refused !== undefined) return refused
    }
    return { kind: 'ok', addresses: this.#addresses }
  }

  /** Replaces address `i` by its mapping, again and again; further results go to the end of the list. */
  async #expand(i: number): Promise<ExpansionResult | undefined> {
    for (let level = 0; ; level++) {
      const current = this.#addresses[i] ?? ''
      if (current === '' || this.#mapToSelf.has(foldCase(current))) return undefined
      if (level >= this.#limits.levelsMax) {
        return this.#refuse(`unreasonable ${this.#maps.title} map nesting for ${this.#origin}`)
      }
      const mapped = await mapAddress(this.#maps, current, this.#context, { propagate: this.#options.propagate })
      if (mapped.kind === 'absent') return undefined
      if (mapped.kind === 'error') {
        this.#options.warn(`${this.#maps.title} map lookup problem for ${this.#origin} -- ${TRY_AGAIN}`)
        return { kind: 'error' }
      }
      const tooLong = mapped.addresses.find((result) => result.length > this.#limits.addressOctetsMax)
      if (tooLong !== undefined) {
        return this.#refuse(`unreasonable ${this.#maps.title} result ${tooLong.slice(0, 300)}...`)
      }
      if (mapped.addresses.some((result) => equalsIgnoreCase(result, current))) this.#mapToSelf.add(foldCase(current))
      this.#replace(i, mapped.addresses)
    }
  }

  #replace(i: number, [first, ...others]: readonly [string, ...string[]]): void {
    this.#addresses[i] = first
    this.#addresses.push(...others)
  }

  #refuse(text: string): ExpansionResult {
    this.#options.warn(`${text} -- ${TRY_AGAIN}`)
    return { kind: 'limit' }
  }
}

const TRY_AGAIN = 'message not accepted, try again later'
