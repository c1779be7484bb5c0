/** Variable envelope return paths: the failing recipient as part of the sender's address. */
import { internalAddress, splitAddress } from '#mail/address.ts'

/**
 * `list@example.org` and `bob@example.net` with `+=` make `list+bob=example.net@example.org`.
 *
 * @param sender Internal form, with a domain. @param recipient External form.
 * @param delimiters Two characters; the second is unused for a recipient without domain.
 */
export function verpAddress(sender: string, recipient: string, delimiters: string): string {
  const { local, domain } = splitAddress(sender)
  const to = splitAddress(internalAddress(recipient))
  const tail = to.domain === undefined ? '' : `${delimiters.charAt(1)}${to.domain}`
  return `${local}${delimiters.charAt(0)}${to.local}${tail}${domain === undefined ? '' : `@${domain}`}`
}
