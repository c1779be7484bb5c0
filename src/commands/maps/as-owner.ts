/**
 * The rights of root, given up while a table is made from somebody's source: what its owner could not write or replace
 * by a link, the command must not either.
 *
 * Source: postmap(1), postalias(1), -o.
 */
import type { FileTraits } from '#tables/store/store-file.ts'
import type { MapSettings } from './settings.ts'

/** Runs `work` with the rights of the owner of the source, when this process is root's, and the owner is not root. */
export function asOwnerOf<T>(source: FileTraits | undefined, { asOwner }: MapSettings, work: () => T): T {
  const { seteuid, setegid, setgroups, getgroups, geteuid, getegid } = process
  if (source === undefined || !asOwner || source.uid === 0 || geteuid?.() !== 0) return work()
  const groups = getgroups?.() ?? []
  const group = getegid?.() ?? 0
  setgroups?.([source.gid])
  setegid?.(source.gid)
  seteuid?.(source.uid)
  try {
    return work()
  } finally {
    seteuid?.(0)
    setegid?.(group)
    setgroups?.(groups)
  }
}
