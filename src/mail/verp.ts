/**
 * Variable envelope return paths: the recipient as part of the sender's address, so that a bounce tells who it is about.
 *
 * Source: VERP_README of Postfix.
 */
import { splitAddress } from './address.ts'

/**
 * `list@example.org` and `bob@example.net` with `+=` make `list+bob=example.net@example.org`.
 *
 * @param sender Internal form, with a domain. @param recipient Internal form.
 * @param delimiters Two characters; the second is unused for a recipient without domain.
 */
export function verpAddress(sender: string, recipient: string, delimiters: string): string {
  const { local, domain } = splitAddress(sender)
  const to = splitAddress(recipient)
  const tail = to.domain === undefined ? '' : `${delimiters.charAt(1)}${to.domain}`
  return `${local}${delimiters.charAt(0)}${to.local}${tail}${domain === undefined ? '' : `@${domain}`}`
}
