/** Address headers of any sort: parsed, rewritten and written again. */
import {
  addressText, formatAddressHeader, formatAddressList, parseAddressList, replaceAddress,
} from '#mail/address-list.ts'
import { externalAddress, internalAddress } from '#mail/address.ts'
import { rewriteAddress } from '#rewrite/rewrite.ts'
import type { RewriteRules } from '#rewrite/rewrite.ts'
import { decodeRaw } from '#util/raw-text.ts'

const RULES: RewriteRules = {
  swapBangpath: true, allowPercentHack: true, appendAtMyorigin: true, appendDotMydomain: true,
  myorigin: 'example.org', mydomain: 'example.org', remoteHeaderRewriteDomain: 'remote.invalid',
}

/** @throws {Error} When a list grows out of proportion, or rewriting loses an address. */
export function target(bytes: Uint8Array): void {
  const text = decodeRaw(bytes)
  // Quotes, escapes, commas and blanks come in; a character of input makes five of output at most.
  const formatted = formatAddressList(parseAddressList(text))
  if (formatted.length > 5 * text.length + 5) throw new Error('Cannot keep an address list in proportion')
  const list = parseAddressList(text, 10_240)
  for (const node of list.addresses) {
    const rewritten = rewriteAddress(RULES, 'local', addressText(node))
    if (rewritten === '') throw new Error('Cannot rewrite an address to nothing')
    externalAddress(internalAddress(rewritten))
    replaceAddress(node, rewritten)
  }
  for (const line of formatAddressHeader('To', list).split('\n').slice(1)) {
    if (!/^[ \t]/.test(line)) throw new Error('Cannot fold a header as a line does not start with white space')
  }
}
