/**
 * What `postfix check` looks at: problems that keep the mail system from starting, and
 * owners, rights and files that are worth a warning.
 *
 * @module
 */
import { existsSync, lstatSync, readdirSync, readFileSync, statSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { readConfigFile } from '#config/load.ts'
import { parseMasterCf } from '#config/master-cf.ts'
import { log } from '#system/log.ts'
import { errnoText } from '#system/errno.ts'
import { createMissing, ownersOf } from './directories.ts'

/** Group or others may write. */
const FOREIGN_WRITE = 0o022
/** set-gid, and executable by everyone. */
const SET_GID_EXECUTABLE = 0o2111

/** Directories whose whole content belongs to the mail owner. */
const OWNED_QUEUES = [
  'active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'private', 'public', 'saved', 'trace',
] as const

/** What keeps the mail system from starting, or `undefined`. Creates missing directories. */
export function fatalProblem(config: Config): string | undefined {
  try {
    createMissing(config)
  } catch (error) {
    log.error(errnoText(error))
    return 'unable to create missing queue directories'
  }
  const file = join(config.directory, 'master.cf')
  if (!existsSync(file)) return `no ${file} file found`
  if (config.str('maillog_file') === '') return undefined
  const entries = parseMasterCf(readConfigFile(file), file)
  if (entries.some(({ name, type }) => name === 'postlog' && type === 'unix-dgram')) return undefined
  return 'missing \'postlog\' service in master.cf - run \'postfix upgrade-configuration\''
}

type Visit = (path: string, facts: Stats) => void

/** Visits a path, and with `deep` all below it; what vanishes meanwhile is left out. */
function visit(path: string, deep: boolean, onEach: Visit): void {
  const facts = lstatSync(path, { throwIfNoEntry: false })
  if (facts === undefined) return
  onEach(path, facts)
  if (!deep || !facts.isDirectory()) return
  for (const name of readdirSync(path)) visit(join(path, name), true, onEach)
}

function warnOwner(uids: readonly number[], words: string): Visit {
  return (path, facts) => {
    if (!uids.includes(facts.uid)) log.warning(`${words}: ${path}`)
  }
}

function warnWritable(path: string, facts: Stats): void {
  if (!facts.isSymbolicLink() && (facts.mode & FOREIGN_WRITE) !== 0) log.warning(`group or other writable: ${path}`)
}

/** Owners and rights of the configuration, the programs and the queue; differing copies for a chroot; damaged messages. */
export function warnAboutFiles(config: Config): void {
  const owners = ownersOf(config)
  const queue = config.str('queue_directory')
  const owner = config.str('mail_owner')
  // An ordinary user's own instance still uses what root installed.
  const byRoot = warnOwner([0, owners.root], 'not owned by root')
  const byOwner = warnOwner([owners.mailOwner], `not owned by ${owner}`)
  for (const check of [byRoot, warnWritable]) for (const name of ['', 'pid']) visit(join(queue, name), false, check)
  const trees = new Set([config.directory, config.str('daemon_directory'), config.str('meta_directory')])
  for (const check of [byRoot, warnWritable]) for (const tree of [...trees].toSorted()) visit(tree, true, check)
  for (const check of [byOwner, warnWritable]) visit(config.str('data_directory'), true, check)
  for (const name of OWNED_QUEUES) {
    visit(join(queue, name), true, (path, facts) => {
      if (!facts.isSocket() && !facts.isFIFO()) byOwner(path, facts)
    })
  }
  // Everyone may write to maildrop: its content is not looked at.
  visit(join(queue, 'maildrop'), false, byOwner)
  if (owners.setgidGroup !== undefined) warnGroup(config, owners.setgidGroup)
  for (const name of ['bin', 'etc', 'lib', 'sbin', 'usr']) warnCopies(queue, name, owners.root)
  visit(join(queue, 'corrupt'), true, (path, facts) => {
    if (facts.isFile()) log.warning(`damaged message: ${path.slice(queue.length + 1)}`)
  })
}

function warnGroup(config: Config, gid: number): void {
  const group = config.str('setgid_group')
  const commands = ['postqueue', 'postdrop'].map((name) => join(config.str('command_directory'), name))
  const directories = ['public', 'maildrop'].map((name) => join(config.str('queue_directory'), name))
  for (const path of [...commands, ...directories]) {
    visit(path, false, (_, facts) => {
      if (facts.gid !== gid) log.warning(`not owned by group ${group}: ${path}`)
    })
  }
  for (const path of commands) {
    visit(path, false, (_, facts) => {
      if ((facts.mode & SET_GID_EXECUTABLE) !== SET_GID_EXECUTABLE) {
        log.warning(`not set-gid or not owner+group+world executable: ${path}`)
      }
    })
  }
}

/** Files below the queue directory that a chroot service sees in place of those of the system. */
function warnCopies(queue: string, name: string, root: number): void {
  visit(join(queue, name), true, (path, facts) => {
    if (facts.uid !== root) log.warning(`not owned by root: ${path}`)
    const original = path.slice(queue.length)
    if (facts.isFile() && isFile(original) && !readFileSync(path).equals(readFileSync(original))) {
      log.warning(`${path} and ${original} differ`)
    }
  })
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}
