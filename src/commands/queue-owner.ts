/**
 * Commands that work on the queue do so as its owner.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { loadConfig } from '#config/load.ts'
import { errnoText } from '#system/errno.ts'
import { getpwnam, isRoot } from '#system/users.ts'

/**
 * Whether the caller may control the mail system: root, or the mail_owner of an instance that runs without root.
 * Nobody else is told what is wrong with the configuration.
 *
 * @param directory Of the configuration, as for loadConfig().
 */
export function mayControl(directory: string | undefined): boolean {
  if (isRoot()) return true
  try {
    return getpwnam(loadConfig(directory).str('mail_owner'))?.uid === process.geteuid?.()
  } catch (error) {
    if (error instanceof ConfigError) return false
    throw error
  }
}

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

/** Goes to the queue directory, as every command that names files there. @param fail Ends the command with this text. */
export function enterQueue(config: Config, fail: (text: string) => never): void {
  const directory = config.str('queue_directory')
  try {
    process.chdir(directory)
  } catch (error) {
    fail(`chdir ${directory}: ${errnoText(error)}`)
  }
}
