/**
 * Addresses in headers: completed and mapped. A header is written anew only when
 * one of its addresses changed; otherwise it stays byte for byte.
 *
 * @module
 */
import { externalAddress, internalAddress } from '#mail/address.ts'
import { addressText, formatAddressHeader, parseAddressList, replaceAddress, type AddressNode } from '#mail/address-list.ts'
import { headerValue, parseHeaderName } from '#mail/header.ts'
import { rewriteAddress } from '#rewrite/rewrite.ts'
import { log } from '#system/log.ts'
import { whenReady, type MaybePromise } from '#util/maybe.ts'
import { mapped, mapsFor } from './addresses.ts'
import { outputHeader } from './output.ts'
import type { MessageState } from './state.ts'

const cleanupLog = log.as('cleanup')

/** @param keep Whether the header is written, rather than only looked at. */
export function rewriteHeader(
  state: MessageState,
  context: 'local' | 'remote',
  side: 'sender' | 'recipient',
  header: string,
  keep: boolean,
): MaybePromise<void> {
  if (!keep) return undefined
  const list = parseAddressList(headerValue(header), state.settings.addressTokensMax)
  const kind = side === 'sender' ? 'header_sender' : 'header_recipient'
  let changed = false
  for (const node of list.addresses) changed = complete(state, context, node) || changed
  const write = (mappedToo: boolean): void => {
    if (!changed && !mappedToo) return outputHeader(state, header)
    outputHeader(state, formatAddressHeader(parseHeaderName(header) ?? '', list, { onStripped: warnStripped }))
  }
  if (!state.map || !mapsFor(state, kind)) return write(false)
  return whenReady(mapAll(state, kind, list.addresses), write)
}

function warnStripped(start: string): void {
  cleanupLog.warning(`stripping too many comments from address: ${start}...`)
}

/** Completes one address. @returns Whether it changed. */
function complete(state: MessageState, context: 'local' | 'remote', node: AddressNode): boolean {
  const before = addressText(node)
  const after = rewriteAddress(state.settings.addresses.rules, context, before)
  if (after === before) return false
  replaceAddress(node, after)
  return true
}

async function mapAll(
  state: MessageState,
  kind: 'header_sender' | 'header_recipient',
  nodes: readonly AddressNode[],
): Promise<boolean> {
  let changed = false
  for (const node of nodes) {
    const before = internalAddress(addressText(node))
    const after = await mapped(state, before, kind)
    if (after === before) continue
    replaceAddress(node, externalAddress(after))
    changed = true
  }
  return changed
}
