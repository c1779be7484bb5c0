/**
 * Lookup of an address whose result is a list of addresses.
 *
 * Results are completed like any address. `@domain` as result keeps the local
 * part. The extension that the key lacked can be put on every result.
 *
 * Source: canonical(5), virtual(5), generic(5); postconf(5) propagate_unmatched_extensions.
 */
import { externalAddress, internalAddress, splitAddress } from '#mail/address.ts'
import { addressesOf } from '#mail/address-list.ts'
import { log } from '#system/log.ts'
import type { Maps } from '#tables/maps.ts'
import type { AddressContext } from './address-context.ts'
import { findAddress } from './address-find.ts'
import type { KeyForm } from './address-find.ts'
import { rewriteAddress } from './rewrite.ts'

/** The results, at least one, in internal form. */
export type MapResult =
  | { readonly kind: 'found'; readonly addresses: readonly [string, ...string[]] }
  | { readonly kind: 'absent' }
  | { readonly kind: 'error'; readonly reason: string }

/** `propagate`: put the unmatched extension on results. `form`: default `external`. */
export type MapOptions = { readonly propagate: boolean; readonly form?: KeyForm }

/**
 * Maps one address.
 *
 * @param address Internal form, not empty.
 */
export async function mapAddress(
  maps: Maps,
  address: string,
  context: AddressContext,
  options: MapOptions,
): Promise<MapResult> {
  const found = await findAddress(maps, address, context, { form: options.form ?? 'external' })
  if (found.kind === 'absent') return found
  if (found.kind === 'error') return { kind: 'error', reason: found.reason }
  const text = found.value.startsWith('@') ? keepLocal(address, found.extension, found.value) : found.value
  const extension = options.propagate ? found.extension : undefined
  const [first, ...others] = parseAddresses(text, context, extension)
  if (first !== undefined) return { kind: 'found', addresses: [first, ...others] }
  log.warning(`${maps.title} lookup of ${address} returns non-address result "${text}"`)
  return { kind: 'error', reason: 'non-address result' }
}

function keepLocal(address: string, extension: string | undefined, atDomain: string): string {
  const { local } = splitAddress(address)
  const user = extension === undefined ? local : local.slice(0, local.length - extension.length)
  return externalAddress(user + atDomain)
}

/**
 * The addresses of a lookup result, rewritten in local context, in internal form.
 *
 * @param text External form; empty or `<>` is the null address.
 * @param extension What is added to each local part, with its delimiter.
 */
export function parseAddresses(text: string, context: AddressContext, extension?: string): string[] {
  const list = text === '' || text === '<>' ? '""' : text
  return addressesOf(list).map((external) => {
    const internal = internalAddress(rewriteAddress(context.rules, 'local', external))
    return extension === undefined ? internal : addExtension(internal, extension)
  })
}

function addExtension(address: string, extension: string): string {
  const { local, domain } = splitAddress(address)
  return domain === undefined ? local + extension : `${local}${extension}@${domain}`
}
