/**
 * Where a virtual recipient's mail goes: path, owner, and what is wrong with them.
 *
 * Source: virtual(8); postconf(5) virtual_mailbox_base, virtual_mailbox_maps, virtual_uid_maps, virtual_gid_maps,
 * virtual_minimum_uid.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { log } from '#system/log.ts'
import { findAddress } from '#rewrite/address-find.ts'
import { openAddressContext, type AddressContext } from '#rewrite/address-context.ts'
import { openMaps, type Maps } from '#tables/maps.ts'
import type { Identity } from '#system/as-user.ts'

/** The mailbox of a recipient; a path that ends in a slash is a Maildir. */
export type Mailbox =
  | { readonly kind: 'mailbox'; readonly path: string; readonly owner: Identity }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'misconfigured' }
  | { readonly kind: 'unavailable' }

export type MailboxFinder = (address: string) => Promise<Mailbox>

/** Opens the tables; call it before rights are given up. */
export function openMailboxFinder(config: Config): MailboxFinder {
  const context = openAddressContext(config)
  const open = (name: 'virtual_mailbox_maps' | 'virtual_uid_maps' | 'virtual_gid_maps'): Maps =>
    // No $number substitution: a recipient must not choose the path or the owner. And no proxymap between.
    openMaps(name, config.str(name), { config, regsub: false, direct: true, sensitive: true })
  const mailboxes = open('virtual_mailbox_maps')
  const uids = open('virtual_uid_maps')
  const gids = open('virtual_gid_maps')
  const base = config.str('virtual_mailbox_base')
  const minimumUid = config.int('virtual_minimum_uid')
  return async (address) => {
    const mailbox = await findAddress(mailboxes, address, context)
    if (mailbox.kind === 'error') return { kind: 'unavailable' }
    if (mailbox.kind === 'absent') return { kind: 'unknown' }
    const uid = await findId(uids, address, context, minimumUid)
    const gid = await findId(gids, address, context, 1)
    if (uid === 'unavailable' || gid === 'unavailable') return { kind: 'unavailable' }
    if (uid === undefined || gid === undefined) return { kind: 'misconfigured' }
    return { kind: 'mailbox', path: base === '' ? mailbox.value : `${base}/${mailbox.value}`, owner: { uid, gid } }
  }
}

async function findId(
  maps: Maps, address: string, context: AddressContext, minimum: number,
): Promise<number | 'unavailable' | undefined> {
  const found = await findAddress(maps, address, context)
  if (found.kind === 'error') return 'unavailable'
  if (found.kind === 'absent') {
    log.warning(`recipient ${address}: not found in ${maps.title}`)
    return undefined
  }
  const id = /^\d{1,10}$/.test(found.value) ? Number(found.value) : Number.NaN
  if (id >= minimum && id < 0xffff_ffff) return id
  const what = maps.title === 'virtual_gid_maps' ? 'gid' : 'uid'
  log.warning(`recipient ${address}: bad ${what} ${found.value} in ${maps.title}`)
  return undefined
}
