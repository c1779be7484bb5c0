/**
 * smtp_generic_maps: local addresses in a form that the world can answer.
 *
 * Source: generic(5); propagate_unmatched_extensions in postconf(5).
 */
import type { Config } from '#config/config.ts'
import { openAddressContext } from '#rewrite/address-context.ts'
import { mapAddress } from '#rewrite/address-map.ts'
import { openMaps } from '#tables/maps.ts'
import { LocalDataError } from './failure.ts'

/** Maps addresses in internal form. */
export type GenericAddresses = {
  /** There is no table: addresses stay as they are. */
  readonly empty: boolean
  /** @throws {LocalDataError} When a table cannot be asked. */
  map(address: string): Promise<string>
}

/** Opens the table of a service. */
export function openGeneric(config: Config, lmtp: boolean): GenericAddresses {
  const name = lmtp ? 'lmtp_generic_maps' : 'smtp_generic_maps'
  const maps = openMaps(name, config.str(name), { config })
  const context = openAddressContext(config)
  const propagate = config.list('propagate_unmatched_extensions').includes('generic')
  return {
    empty: maps.empty,
    map: async (address) => {
      if (maps.empty || address === '') return address
      const result = await mapAddress(maps, address, context, { propagate })
      if (result.kind === 'error') throw new LocalDataError(`${name} lookup of ${address}: ${result.reason}`)
      return result.kind === 'found' ? result.addresses[0] : address
    },
  }
}
