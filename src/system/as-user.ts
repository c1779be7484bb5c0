/**
 * File operations with the rights of another user.
 *
 * A delivery agent that runs as root becomes the recipient before it touches a file. The file system identity of
 * Linux belongs to one thread and is changed by a cheap call, so it is put on for a few synchronous operations
 * (open, link, rename) and taken off again; what waits (fsync) works on open descriptors and needs no identity.
 *
 * @module
 */
import { clib } from './ffi.ts'
import { isRoot } from './users.ts'

export type Identity = { readonly uid: number; readonly gid: number }

/** The id that no user has: asking for it changes nothing and tells the present one. */
const NO_ID = 0xffff_ffff

/**
 * Runs `work`, which must not wait, as `user`. A process that is not root runs it as itself.
 *
 * The supplementary groups of the process must have been given up before: see `dropGroups()`.
 *
 * @throws {Error} When the identity can't be taken; `work` is not run then.
 */
export function asUser<T>({ uid, gid }: Identity, work: () => T): T {
  if (!isRoot()) return work()
  try {
    become(uid, gid)
    return work()
  } finally {
    becomeRoot()
  }
}

function become(uid: number, gid: number): void {
  const { setfsuid, setfsgid } = clib()
  // Group first: without the rights of root it could not be changed any more.
  setfsgid(gid)
  setfsuid(uid)
  // Neither call reports failure; the second question does.
  if (setfsuid(NO_ID) !== uid || setfsgid(NO_ID) !== gid) throw new Error(`Cannot take the identity of user ${uid}:${gid}`)
}

/** What root gives up it can always take again: nothing can fail, and what could would only lack rights. */
function becomeRoot(): void {
  const { setfsuid, setfsgid } = clib()
  setfsuid(0)
  setfsgid(0)
}

/** Gives up the supplementary groups of root, which every identity would have besides its own. */
export function dropGroups(): void {
  if (isRoot()) process.setgroups?.([0])
}
