/**
 * Addresses in their final form: completed, then through the canonical maps and
 * the masquerade, as far as their class takes part.
 *
 * Source: ADDRESS_REWRITING_README; postconf(5) canonical_classes, sender_canonical_classes,
 * recipient_canonical_classes, masquerade_classes.
 *
 * @module
 */
import { findAddress } from '#rewrite/address-find.ts'
import { mapCanonical } from '#rewrite/canonical.ts'
import { rewriteInternal } from '#rewrite/rewrite.ts'
import type { Maps } from '#tables/maps.ts'
import { log } from '#system/log.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { AddressClass, CanonicalMap } from './settings.ts'
import type { MessageState } from './state.ts'
import { STATUS } from './status.ts'

const cleanupLog = log.as('cleanup')

/** Writes a warning about the message. */
export function warn(state: MessageState, text: string): void {
  cleanupLog.warning(`${state.id}: ${text}`, { queue_id: state.id })
}

/** An address of the envelope, internal form. What has no domain is local, whoever sent it. */
export function envelopeAddress(state: MessageState, address: string, kind: AddressClass): MaybePromise<string> {
  return mapped(state, rewriteInternal(state.settings.addresses.rules, 'local', address), kind)
}

/** Through the maps that take part for `kind`; internal form. */
export function mapped(state: MessageState, address: string, kind: AddressClass): MaybePromise<string> {
  return state.map && mapsFor(state, kind) ? applyMaps(state, address, kind) : address
}

/** Whether any map takes part for `kind`. */
export function mapsFor(state: MessageState, kind: AddressClass): boolean {
  const { masquerade, masqueradeClasses } = state.settings
  return canonicalMaps(state, kind).length > 0 || (!masquerade.empty && masqueradeClasses.has(kind))
}

/** The map for its side first, then the one for both. */
function canonicalMaps(state: MessageState, kind: AddressClass): CanonicalMap[] {
  const { senderCanonical, recipientCanonical, canonical } = state.settings
  const own = kind === 'envelope_sender' || kind === 'header_sender' ? senderCanonical : recipientCanonical
  return [own, canonical].filter(({ maps, classes }) => !maps.empty && classes.has(kind))
}

async function applyMaps(state: MessageState, address: string, kind: AddressClass): Promise<string> {
  const { addresses, masquerade, masqueradeClasses, propagated } = state.settings
  const options = { propagate: propagated.has('canonical'), warn: (text: string) => warn(state, text) }
  let current = address
  for (const { maps } of canonicalMaps(state, kind)) {
    const result = await mapCanonical(maps, current, addresses, options)
    if (result.failed) state.fail(STATUS.write)
    current = result.address
  }
  if (masquerade.empty || !masqueradeClasses.has(kind)) return current
  const masked = await masquerade.apply(current)
  if (masked.kind === 'ok') return masked.address
  warn(state, 'masquerade_exceptions map lookup problem -- message not accepted, try again later')
  state.fail(STATUS.write)
  return current
}

/** What an address map such as sender_bcc_maps says; `undefined` for nothing, or after an error. */
export async function lookUpAddress(state: MessageState, maps: Maps, address: string): Promise<string | undefined> {
  const found = await findAddress(maps, address, state.settings.addresses)
  if (found.kind === 'found') return found.value
  if (found.kind === 'error') {
    warn(state, `${maps.title} map lookup problem -- message not accepted, try again later`)
    state.fail(STATUS.write)
  }
  return undefined
}
