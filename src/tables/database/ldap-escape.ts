/**
 * Keys made safe to stand in a search filter or in the name of an entry.
 *
 * Source: RFC 4515 §3 (filters); RFC 4514 §2.4 (names); ldap_table(5).
 */

// RFC 4515 §3: these are never in a value as they are.
const IN_FILTER_REGEXP = /[*()\\\0]/g
// RFC 4514 §2.4: besides what has to be escaped, white space and the number sign anywhere, which need it at the ends.
const IN_NAME_REGEXP = /[ \t"#+,;<=>\\\0]/g

function escaped(character: string): string {
  return `\\${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

/** A key as a part of a filter: `*` cannot match, `)` cannot end it. */
export function escapeFilter(key: string): string {
  return key.replaceAll(IN_FILTER_REGEXP, escaped)
}

/** A key as a part of a distinguished name. */
export function escapeDn(key: string): string {
  return key.replaceAll(IN_NAME_REGEXP, escaped)
}
