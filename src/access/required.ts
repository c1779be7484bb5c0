/**
 * The closed door: a configuration without any restriction that rejects foreign
 * recipients is not started with.
 *
 * Source: postconf(5), smtpd_relay_restrictions, smtpd_recipient_restrictions.
 */
import { ConfigError } from '#config/error.ts'
import { log } from '#system/log.ts'
import { asciiLower } from '#util/ascii.ts'

/** One of these has to be in the relay or the recipient restrictions. */
export const PROTECTIONS = [
  'reject_unauth_destination', 'defer_unauth_destination', 'reject', 'defer', 'defer_if_permit', 'check_relay_domains',
] as const

const isProtection = (word: string): boolean => PROTECTIONS.some((name) => name === asciiLower(word))

/**
 * Whether a list, or a restriction class in it, holds a protection that can be
 * reached and that is not only a warning.
 */
export function isProtected(words: readonly string[], classes: ReadonlyMap<string, readonly string[]>): boolean {
  return search(words, classes, new Set())
}

function search(
  words: readonly string[], classes: ReadonlyMap<string, readonly string[]>, visited: ReadonlySet<string>,
): boolean {
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    const next = words[i + 1]
    if (asciiLower(word) === 'warn_if_reject' && next !== undefined) {
      i++
    } else if (asciiLower(word) === 'permit') {
      if (next !== undefined) log.warning(`restriction \`${next}' after \`${word}' is ignored`)
      return false
    } else if (isProtection(word)) {
      return true
    } else {
      const inner = visited.has(word) ? undefined : classes.get(word)
      if (inner !== undefined && search(inner, classes, new Set([...visited, word]))) return true
    }
  }
  return false
}

/** @throws {ConfigError} When neither list protects. */
export function requireProtection(
  lists: readonly (readonly string[])[],
  classes: ReadonlyMap<string, readonly string[]>,
): void {
  if (lists.some((words) => isProtected(words, classes))) return
  const names = `${PROTECTIONS.slice(0, -1).join(', ')} or ${PROTECTIONS.at(-1)}`
  throw new ConfigError('in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions,'
    + ` specify at least one working instance of: ${names}`)
}
