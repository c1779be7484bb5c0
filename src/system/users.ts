/**
 * Users and groups of this machine, through the C library, so that every source
 * of names that the admin configured (files, LDAP, systemd) is asked.
 *
 * @module
 */
import { checked, clib, ffi } from './ffi.ts'

/** One row of the user database. */
export type User = {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly gecos: string
  readonly home: string
  readonly shell: string
}

/** One row of the group database. */
export type Group = { readonly name: string; readonly gid: number; readonly members: readonly string[] }

/** Limit for the members of one group, against a damaged structure. */
const MEMBERS_MAX = 65536

function text(pointer: bigint, offset: number): string {
  return ffi().toString(ffi().getUint64(pointer, offset)) ?? ''
}

/** struct passwd: name, passwd, u32 uid, u32 gid, gecos, dir, shell. */
function user(pointer: bigint): User | undefined {
  if (pointer === 0n) return undefined
  return {
    name: text(pointer, 0),
    uid: ffi().getUint32(pointer, 16),
    gid: ffi().getUint32(pointer, 20),
    gecos: text(pointer, 24),
    home: text(pointer, 32),
    shell: text(pointer, 40),
  }
}

/** struct group: name, passwd, u32 gid, 4 padding, list of members up to a null pointer. */
function group(pointer: bigint): Group | undefined {
  if (pointer === 0n) return undefined
  const list = ffi().getUint64(pointer, 24)
  const members: string[] = []
  for (let i = 0; i < MEMBERS_MAX; i++) {
    const member = ffi().getUint64(list, i * 8)
    if (member === 0n) break
    members.push(ffi().toString(member) ?? '')
  }
  return { name: text(pointer, 0), gid: ffi().getUint32(pointer, 16), members }
}

/** The user with this login name, or `undefined`. */
export function getpwnam(name: string): User | undefined {
  return user(clib().getpwnam(name))
}

/** The user with this number, or `undefined`. */
export function getpwuid(uid: number): User | undefined {
  return user(clib().getpwuid(uid))
}

/** The group with this name, or `undefined`. */
export function getgrnam(name: string): Group | undefined {
  return group(clib().getgrnam(name))
}

/** The group with this number, or `undefined`. */
export function getgrgid(gid: number): Group | undefined {
  return group(clib().getgrgid(gid))
}

/** Whether this process may change its user: a daemon started by an ordinary user stays that user. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0
}

/**
 * Gives up root for good: groups, group, user, in this order. Without root this
 * checks that the process runs as that user already.
 *
 * @throws {Error} When the process is neither root nor that user, or root could be got back.
 */
export function becomeUser(target: User): void {
  if (!isRoot()) {
    if (process.geteuid?.() === target.uid) return
    throw new Error(`Cannot become user ${target.name} as the process is not root`)
  }
  checked(clib().initgroups(target.name, target.gid), 'initgroups', target.name)
  process.setgid?.(target.gid)
  process.setuid?.(target.uid)
  if (target.uid !== 0 && canBecomeRoot()) throw new Error(`Cannot give up root for user ${target.name}`)
}

function canBecomeRoot(): boolean {
  try {
    process.setuid?.(0)
    return true
  } catch {
    return false
  }
}
