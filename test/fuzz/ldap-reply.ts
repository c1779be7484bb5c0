/** Fuzz target: replies of LDAP servers, whole and in pieces; filters and URLs. */
import { BER, BerError, BerReader } from '#network/database/ber.ts'
import { encodeFilter, FilterError } from '#network/database/ldap-filter.ts'
import { takeReply } from '#network/database/ldap-message.ts'
import { parseLdapUrl, parseServers } from '#network/database/ldap-url.ts'
import { escapeFilter } from '#tables/database/ldap-escape.ts'
import { decodeRaw } from '#util/raw-text.ts'

type Taken = ReturnType<typeof takeReply> | 'malformed'

function take(bytes: Uint8Array): Taken {
  try {
    return takeReply(bytes)
  } catch (error) {
    if (error instanceof BerError) return 'malformed'
    throw error
  }
}

/** @throws {Error} A part of a message is taken for a whole one, or a key changes the form of a filter. */
export function target(bytes: Uint8Array): void {
  const whole = take(bytes)
  for (let end = 0; end < Math.min(bytes.length, 200); end++) {
    const part = take(bytes.subarray(0, end))
    if (typeof part === 'object' && (typeof whole !== 'object' || whole.length !== part.length)) throw new Error('a message ends in two places')
    if (typeof part === 'object' && part.length > end) throw new Error('more is taken than there is')
  }
  const text = decodeRaw(bytes)
  parseLdapUrl(text)
  parseServers(text, 389)
  try {
    encodeFilter(text)
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
  }
  // One equality match, whatever the key: [3] { "mail", key }.
  const match = new BerReader(encodeFilter(`(mail=${escapeFilter(text)})`)).inside(0xa3)
  match.bytes(BER.octets)
  if (!Buffer.from(bytes).equals(match.bytes(BER.octets)) || match.tag !== undefined) throw new Error('a key is more than a value')
}
