/**
 * Addresses of MAIL, RCPT and VRFY, as clients write them.
 *
 * RFC 5321 §4.1.2 asks for `<local@domain>`; forms of RFC 5322, with comments or
 * without brackets, are taken too, unless strict_rfc821_envelopes.
 */
import { addressText, parseAddressList } from '#mail/address-list.ts'
import type { Token } from '#mail/address-tokens.ts'
import { internalAddress } from '#mail/address.ts'
import { printable } from '#util/printable.ts'
import type { Session } from './session.ts'
import { wait, type Work } from './work.ts'

/** What is taken. */
export type AddressRules = {
  /** `<>` is the null sender. */
  readonly allowEmpty: boolean
  /** strict_rfc821_envelopes */
  readonly strict: boolean
  /** The client declared SMTPUTF8. */
  readonly smtputf8: boolean
}

/** A plain address in brackets: nothing that has to be parsed. */
const PLAIN_REGEXP = /^<([\w#$&'*+/=?^`{|}~-]+(?:\.[\w#$&'*+/=?^`{|}~-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)>$/

/** The address in internal form; `undefined`, with a line in the log, when it is none. */
export function* extractAddress(session: Session, text: string, rules: AddressRules): Work<string | undefined> {
  const address = addressOf(text, rules.strict)
  const sender = session.transaction.sender ?? ''
  const possible = address !== undefined && (address === ''
    ? rules.allowEmpty
    : yield* wait(session.ports.access.isPossibleAddress(sender, address, rules.smtputf8)))
  if (possible) return address
  session.ports.log.warning(
    `Illegal address syntax from ${session.clientLabel} in ${session.where} command: ${printable(text)}`,
  )
  return undefined
}

/** The one address of `text`, empty for `<>`; `undefined` when there are several, or other words in strict mode. */
export function addressOf(text: string, strict: boolean): string | undefined {
  const plain = PLAIN_REGEXP.exec(text)
  if (plain?.[1] !== undefined) return plain[1]
  const { nodes, addresses } = parseAddressList(text)
  const others = nodes.some(
    (node) => node.kind !== 'address' && !(node.kind === 'operator' && '<>'.includes(node.text)),
  )
  if (addresses.length > 1 || (strict && (others || !text.startsWith('<')))) return undefined
  const [only] = addresses
  if (only === undefined) return ''
  return hasLooseWords(only.tokens) ? undefined : internalAddress(addressText(only))
}

/** Two words with nothing between them: a mailbox name with a blank has to be in quotes. */
function hasLooseWords(tokens: readonly Token[]): boolean {
  return tokens.some((token, i) => isWord(token) && isWord(tokens[i + 1]))
}

function isWord(token: Token | undefined): boolean {
  return token !== undefined && token.kind !== 'operator' && token.kind !== 'comment'
}
