/**
 * Parameters and tables of local.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import type { Identity } from '#system/as-user.ts'
import { getpwnam, isRoot, type User } from '#system/users.ts'
import { openMaps, type Maps } from '#tables/maps.ts'
import { exportedEnvironment } from '#deliver/command/environment.ts'
import type { LockSettings } from '#deliver/mailbox/mbox.ts'
import { lockSettings } from '#deliver/mailbox/settings.ts'

/** The parameters of local(8), read once per process. */
export type LocalSettings = {
  readonly config: Config
  readonly aliases: Maps
  readonly mailboxTransportMaps: Maps
  readonly mailboxCommandMaps: Maps
  readonly fallbackTransportMaps: Maps
  readonly delimiters: string
  readonly allowCommands: ReadonlySet<string>
  readonly allowFiles: ReadonlySet<string>
  readonly prependDelivered: ReadonlySet<string>
  readonly propagateExtensions: ReadonlySet<string>
  readonly locks: LockSettings
  readonly sizeMax: number
  readonly strictOwner: boolean
  readonly originalTo: boolean
  readonly timeLimitMs: number
  readonly shell: string
  readonly environment: Readonly<Record<string, string>>
  /** Rights of commands and files in aliases that root owns. */
  readonly defaultPrivileges: Identity
  readonly duplicatesMax: number
  readonly frozenDeliveredTo: boolean
  readonly expandOwner: boolean
  readonly resetOwner: boolean
  readonly requireHome: boolean
  readonly findUser: (name: string) => User | undefined
}

/** @throws {Error} When default_privs names no usable user. */
export function readSettings(config: Config): LocalSettings {
  const maps = (
    name: 'alias_maps' | 'mailbox_transport_maps' | 'mailbox_command_maps' | 'fallback_transport_maps'
  ): Maps => {
    // No $number substitution: mail addresses must not choose commands. Nor may proxymap, which is not trusted with it,
    // nor whoever can write to a cache.
    const guarded = name === 'alias_maps' || name === 'mailbox_command_maps'
    return openMaps(name, config.str(name), { config, regsub: false, direct: guarded, sensitive: guarded })
  }
  return {
    config,
    aliases: maps('alias_maps'),
    mailboxTransportMaps: maps('mailbox_transport_maps'),
    mailboxCommandMaps: maps('mailbox_command_maps'),
    fallbackTransportMaps: maps('fallback_transport_maps'),
    delimiters: config.str('recipient_delimiter'),
    allowCommands: new Set(config.list('allow_mail_to_commands')),
    allowFiles: new Set(config.list('allow_mail_to_files')),
    prependDelivered: new Set(config.list('prepend_delivered_header')),
    propagateExtensions: new Set(config.list('propagate_unmatched_extensions')),
    locks: lockSettings(config, config.list('mailbox_delivery_lock')),
    sizeMax: config.int('mailbox_size_limit'),
    strictOwner: config.bool('strict_mailbox_ownership'),
    originalTo: config.bool('enable_original_recipient'),
    timeLimitMs: config.time('command_time_limit') * 1000,
    shell: config.str('local_command_shell'),
    environment: exportedEnvironment(config),
    defaultPrivileges: defaultPrivileges(config),
    duplicatesMax: config.int('duplicate_filter_limit'),
    frozenDeliveredTo: config.bool('frozen_delivered_to'),
    expandOwner: config.bool('expand_owner_alias'),
    resetOwner: config.bool('reset_owner_alias'),
    requireHome: config.bool('require_home_directory'),
    findUser: getpwnam,
  }
}

function defaultPrivileges(config: Config): Identity {
  if (!isRoot()) return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  const name = config.str('default_privs')
  const user = getpwnam(name)
  if (!user) throw new Error(`unknown default_privs user: ${name}`)
  if (user.uid === 0) throw new Error(`default_privs: ${name}: privileged user`)
  return { uid: user.uid, gid: user.gid }
}
