/**
 * Mail loops: a message that already carries a Delivered-To: of this recipient has been here before.
 *
 * Source: RFC 9228; local(8), virtual(8), pipe(8).
 *
 * @module
 */
import { externalAddress } from '#mail/address.ts'
import { isHeaderLine, parseHeaderName } from '#mail/header.ts'
import type { OpenMessage } from '#queue/content.ts'
import { foldCase } from '#util/ascii.ts'

/** More than so many are not looked at. */
const HEADERS_MAX = 1000

/** The addresses of the Delivered-To: lines of the primary header, folded. */
export function deliveredTo(message: OpenMessage, dataOffset: number): ReadonlySet<string> {
  const found = new Set<string>()
  let seen = 0
  for (const { data } of message.headers(dataOffset)) {
    if (data[0] === 0x20 || data[0] === 0x09) continue
    const line = Buffer.from(data).toString('utf8')
    if (!isHeaderLine(line)) break
    if (parseHeaderName(line)?.toLowerCase() !== 'delivered-to') continue
    found.add(foldCase(line.slice(line.indexOf(':') + 1).trim()))
    seen += 1
    if (seen >= HEADERS_MAX) break
  }
  return found
}

/** @param address Internal form. */
export function isLoop(seen: ReadonlySet<string>, address: string): boolean {
  return seen.has(foldCase(externalAddress(address)))
}
