/**
 * Commands that work on the queue do so as its owner.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { getpwnam } from '#system/users.ts'

/**
 * Becomes mail_owner when the caller is root. Does nothing when the caller is mail_owner already.
 *
 * @returns `false` when the caller is neither; nothing was changed then.
 */
export function becomeOwner(config: Config): boolean {
  const owner = getpwnam(config.str('mail_owner'))
  const caller = process.getuid?.()
  if (caller !== 0) return owner !== undefined && caller === owner.uid
  if (!owner) return false
  process.setgroups?.([owner.gid])
  process.setgid?.(owner.gid)
  process.setuid?.(owner.uid)
  return true
}
