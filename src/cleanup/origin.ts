/**
 * Who a message came from, as log lines show it.
 *
 * @module
 */
import { externalAddress } from '#mail/address.ts'
import type { MessageState } from './state.ts'

/** `name[address]` of the client, `local`, or `unknown`. */
export function originOf(state: MessageState): string {
  return state.attributes.get('log_message_origin') ?? 'unknown'
}

/** An address as log lines show it: external form. */
export function shownAddress(address: string): string {
  return externalAddress(address)
}
