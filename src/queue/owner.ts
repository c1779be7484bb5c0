/**
 * Who owns what a process leaves in the queue that runs as root (local): whoever owns the folder it stands in,
 * so that the rest of the mail system, which has no such rights, can read and remove it.
 *
 * @module
 */
import { files } from '#system/files.ts'
import type { Identity } from '#system/as-user.ts'
import { isRoot } from '#system/users.ts'

/** Gives an open file to the owner of `folder`. Without the rights of root it already is the owner's. */
export function giveFile(fd: number, folder: string): void {
  const owner = isRoot() ? files.lstat(folder) : undefined
  if (owner) files.fchown(fd, owner.uid, owner.gid)
}

/** Gives a new directory to the owner of `folder`, in which it is. */
export function giveFolder(path: string, folder: string): void {
  const owner = isRoot() ? files.lstat(folder) : undefined
  if (owner) files.chown(path, owner.uid, owner.gid)
}

const PRIVATE_MODE = 0o700

/** Makes a directory that only the owner of the queue may enter, unless it is there. */
export function makePrivateFolder(path: string, owner: Identity): void {
  if (files.mkdir(path, PRIVATE_MODE) && isRoot()) files.chown(path, owner.uid, owner.gid)
}
