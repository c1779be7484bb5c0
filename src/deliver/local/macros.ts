/**
 * `$user`, `$home` and kin in forward_path, luser_relay and command_execution_directory.
 *
 * What a name stands for is not expanded again: senders choose most of it.
 *
 * Source: postconf(5) forward_path, luser_relay, command_execution_directory.
 *
 * @module
 */
import { expandText } from '#config/expand.ts'
import { splitAddress } from '#mail/address.ts'
import { foldCase } from '#util/ascii.ts'
import type { Branch } from './state.ts'

/**
 * Expands the names of local(8); a name without a value is empty.
 *
 * @param user Where there is one.
 * @param allowed Characters that values may hold; others become `_`. Undefined: all.
 */
export function expandMacros(
  text: string, branch: Branch, user: { readonly home?: string; readonly shell?: string } | undefined, allowed?: string,
): string {
  const macros = userMacros(branch, user)
  const lookup = (name: string): string | undefined => (Object.hasOwn(macros, name) ? macros[name] : undefined)
  return expandText(text, lookup, allowed === undefined ? {} : { allowed })
}

function userMacros(
  { recipient, extension }: Branch, user: { readonly home?: string; readonly shell?: string } | undefined,
): Record<string, string> {
  const { local: given, domain = '' } = splitAddress(recipient.address)
  const local = foldCase(given)
  return {
    user: extension === '' ? local : local.slice(0, -extension.length),
    home: user?.home ?? '', shell: user?.shell ?? '', domain: foldCase(domain), local, mailbox: local,
    recipient: recipient.address, extension: extension.slice(1), recipient_delimiter: extension.slice(0, 1),
  }
}
