/**
 * The directories of an instance: who owns them and with which rights.
 *
 * @module
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { getgrnam, getpwnam, isRoot } from '#system/users.ts'

/** Who a directory belongs to. `keep`: the group stays as it is. */
export type DirectoryRule = {
  readonly path: string
  readonly owner: 'root' | 'mail_owner'
  readonly group: 'keep' | 'setgid_group'
  readonly mode: number
  /** Whether everything below belongs to the same user. */
  readonly recursive: boolean
}

const PRIVATE_QUEUES = [
  'active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'saved', 'trace',
] as const

/** The directories of a configuration, parents first. */
export function directoryRules(config: Config): DirectoryRule[] {
  const queue = config.str('queue_directory')
  const own = { owner: 'mail_owner', group: 'keep', mode: 0o700 } as const
  return [
    { path: config.str('data_directory'), ...own, recursive: false },
    { path: queue, owner: 'root', group: 'keep', mode: 0o755, recursive: false },
    ...PRIVATE_QUEUES.map((name) => ({ path: join(queue, name), ...own, recursive: true })),
    { path: join(queue, 'private'), ...own, recursive: false },
    { path: join(queue, 'maildrop'), owner: 'mail_owner', group: 'setgid_group', mode: 0o730, recursive: false },
    { path: join(queue, 'public'), owner: 'mail_owner', group: 'setgid_group', mode: 0o710, recursive: false },
    { path: join(queue, 'pid'), owner: 'root', group: 'keep', mode: 0o755, recursive: false },
  ]
}

/** The users and groups that the rules speak of. */
export type Owners = { readonly root: number; readonly mailOwner: number; readonly setgidGroup: number | undefined }

/**
 * Looks the names of the configuration up. Without root all belongs to the user who runs the instance.
 *
 * @throws {Error} For a user or group that does not exist.
 */
export function ownersOf(config: Config): Owners {
  const name = config.str('mail_owner')
  const owner = getpwnam(name)
  if (owner === undefined) throw new Error(`parameter mail_owner: unknown user name value: ${name}`)
  if (!isRoot()) return { root: owner.uid, mailOwner: owner.uid, setgidGroup: undefined }
  const groupName = config.str('setgid_group')
  const group = getgrnam(groupName)
  if (group === undefined) throw new Error(`parameter setgid_group: unknown group name value: ${groupName}`)
  return { root: 0, mailOwner: owner.uid, setgidGroup: group.gid }
}

/** Gives one directory its owner, group and mode. */
function applyRule(rule: DirectoryRule, owners: Owners): void {
  const facts = lstatSync(rule.path)
  const uid = rule.owner === 'root' ? owners.root : owners.mailOwner
  const gid = rule.group === 'setgid_group' ? (owners.setgidGroup ?? facts.gid) : facts.gid
  if (isRoot()) chownSync(rule.path, uid, gid)
  chmodSync(rule.path, rule.mode)
}

/** Creates the directories that are missing; the others stay as they are. @throws {NodeJS.ErrnoException} */
export function createMissing(config: Config): void {
  const owners = ownersOf(config)
  for (const rule of directoryRules(config)) {
    if (lstatSync(rule.path, { throwIfNoEntry: false }) !== undefined) continue
    mkdirSync(rule.path, { mode: rule.mode })
    applyRule(rule, owners)
  }
}

/** Gives all directories, and the files of the queues, their owners and modes. Creates what is missing. */
export function setPermissions(config: Config): void {
  createMissing(config)
  const owners = ownersOf(config)
  for (const rule of directoryRules(config)) {
    applyRule(rule, owners)
    if (rule.recursive && isRoot()) ownBelow(rule.path, owners.mailOwner)
  }
}

function ownBelow(path: string, uid: number): void {
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    const each = join(entry.parentPath, entry.name)
    const facts = lstatSync(each)
    // A link to a file elsewhere must not give that file away.
    if (!facts.isSymbolicLink() && facts.uid !== uid) chownSync(each, uid, facts.gid)
  }
}
