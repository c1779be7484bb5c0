/**
 * Which envelope senders a user may give: local_login_sender_maps.
 *
 * Source: postconf(5) local_login_sender_maps, empty_address_local_login_sender_maps_lookup_key.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { splitAddress, stripExtension } from '#mail/address.ts'
import { openMaps } from '#tables/maps.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'
import { splitAtChars } from '#util/split.ts'

/** `error`: a table could not be read. */
export type SenderAnswer = 'yes' | 'no' | 'error'

/**
 * Whether a login may use a sender.
 *
 * @param login Login name, or `uid:N` for a user without one.
 * @param sender Internal form; empty for the null sender.
 */
export async function maySend(config: Config, login: string, sender: string): Promise<SenderAnswer> {
  const specs = config.str('local_login_sender_maps')
  // The default, without opening a table for each message.
  if (specs === 'static:*') return 'yes'
  const maps = openMaps('local_login_sender_maps', specs, { config })
  try {
    const found = await maps.find(login)
    if (found.kind === 'error') return 'error'
    if (found.kind === 'absent') return 'no'
    const nullKey = config.str('empty_address_local_login_sender_maps_lookup_key')
    const matches = splitAtChars(found.value).some((pattern) => fits(config, pattern, sender, nullKey))
    return matches ? 'yes' : 'no'
  } finally {
    maps.close()
  }
}

/** `*` is any sender, `@domain` any of a domain; otherwise the address, also with an extension. */
function fits(config: Config, pattern: string, sender: string, nullKey: string): boolean {
  if (pattern === '*') return true
  if (sender === '') return pattern === nullKey
  if (pattern.startsWith('@')) return equalsIgnoreCase(pattern.slice(1), splitAddress(sender).domain ?? '')
  const bare = stripExtension(sender, config.str('recipient_delimiter')).address
  return equalsIgnoreCase(pattern, sender) || equalsIgnoreCase(pattern, bare)
}
