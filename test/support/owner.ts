/** Who owns the queue of a test. */
import { userInfo } from 'node:os'
import { getgrgid, getpwnam, isRoot } from '#system/users.ts'

/** Whose rights a system of a test takes: those of who runs the test, but for root an unprivileged user's. */
export function testOwner(): { name: string; group: string; uid: number; gid: number } {
  const user = isRoot() ? getpwnam('nobody') : undefined
  const { username, uid, gid } = userInfo()
  const found = user ?? { name: username, uid, gid }
  return { name: found.name, group: getgrgid(found.gid)?.name ?? String(found.gid), uid: found.uid, gid: found.gid }
}
