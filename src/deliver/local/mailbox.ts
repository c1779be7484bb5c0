/**
 * The last stop of a local user's mail: another transport, a command, a file below home, or the mail spool; and what
 * happens to mail for users that do not exist.
 *
 * Source: local(8) "MAILBOX DELIVERY"; postconf(5) mailbox_transport, mailbox_command, home_mailbox,
 * mail_spool_directory, fallback_transport, luser_relay.
 *
 * @module
 */
import { statSync } from 'node:fs'
import type { Identity } from '#system/as-user.ts'
import { log } from '#system/log.ts'
import type { User } from '#system/users.ts'
import type { Maps } from '#tables/maps.ts'
import { filtered, userMacros } from './forward.ts'
import { runFor, writeTo } from './direct.ts'
import type { LocalSettings } from './settings.ts'
import { endBranch, isFirst, MISCONFIGURED, type Branch, type Expansion } from './state.ts'

export type MailboxTools = {
  /** Hands a recipient to another transport, which reports it; true when it stays in the queue. */
  readonly pass: (expansion: Expansion, branch: Branch, transport: string) => Promise<boolean>
}

const MODE_GROUP_WRITE = 0o020

/** Delivers to a user's mailbox; undefined when there is no such user and no transport for all. */
export async function deliverMailbox(
  expansion: Expansion, branch: Branch, name: string, user: User | undefined, tools: MailboxTools,
): Promise<boolean | undefined> {
  const { settings } = expansion
  const transport = await choose(settings.mailboxTransportMaps, name, settings.config.str('mailbox_transport'))
  if (transport === 'error') return endBranch(expansion, branch, MISCONFIGURED)
  if (transport !== '') return tools.pass(expansion, branch, transport)
  if (!user) return undefined
  if (!isFirst(expansion, `mailbox ${user.name}`)) return false
  if (settings.requireHome && !statSync(user.home, { throwIfNoEntry: false })) {
    return endBranch(expansion, branch, { kind: 'deferred', status: '4.3.0', reason: `cannot access home directory ${user.home}` })
  }
  const command = await choose(settings.mailboxCommandMaps, name, settings.config.raw('mailbox_command'))
  if (command === 'error') return endBranch(expansion, branch, MISCONFIGURED)
  const owner: Identity = { uid: user.uid, gid: user.gid }
  if (command !== '') {
    if (user.uid === 0) return endBranch(expansion, branch, MISCONFIGURED)
    return endBranch(expansion, branch, await runFor(expansion, branch, expandFor(settings, branch, user, command), owner))
  }
  const home = settings.config.str('home_mailbox')
  if (home !== '') {
    return endBranch(expansion, branch, await writeTo(expansion, branch, `${user.home}/${home}`, { owner, strictOwner: settings.strictOwner, file: false }))
  }
  const spool = settings.config.str('mail_spool_directory').replace(/\/+$/, '')
  const asMaildir = settings.config.str('mail_spool_directory').endsWith('/') && spool.endsWith('/maildir')
  const path = `${spool}/${user.name}${asMaildir ? '/' : ''}`
  const identity = spoolIdentity(spool, owner)
  return endBranch(expansion, branch, await writeTo(expansion, branch, path, { owner: identity, strictOwner: settings.strictOwner, file: false }))
}

/** A spool that a group may write to (mail on many systems) needs that group for the lock file. */
function spoolIdentity(spool: string, owner: Identity): Identity {
  const stats = statSync(spool, { throwIfNoEntry: false })
  return stats && (stats.mode & MODE_GROUP_WRITE) !== 0 ? { uid: owner.uid, gid: stats.gid } : owner
}

async function choose(maps: Maps, name: string, otherwise: string): Promise<string> {
  const found = await maps.find(name)
  if (found.kind === 'error') return 'error'
  return found.kind === 'found' ? found.value : otherwise
}

/** `$name` of user facts in mailbox_command, made safe for the shell. */
function expandFor({ config }: LocalSettings, branch: Branch, user: User, command: string): string {
  const filter = config.str('command_expansion_filter')
  const facts = userMacros(branch, user)
  const upper = Object.entries(facts).map(([name, value]) => [name.toUpperCase(), value] as const)
  const safe = Object.fromEntries([...Object.entries(facts), ...upper].map(([name, value]) => [name, filtered(value, filter)]))
  return config.expand(command, safe)
}

/**
 * Mail for a user that does not exist.
 *
 * @returns True or false as for other ends; `relay`: the address that gets such mail.
 */
export async function deliverUnknown(
  expansion: Expansion, branch: Branch, name: string, tools: MailboxTools,
): Promise<boolean | { readonly relay: string }> {
  const { settings } = expansion
  const transport = await choose(settings.fallbackTransportMaps, name, settings.config.str('fallback_transport'))
  if (transport === 'error') return endBranch(expansion, branch, MISCONFIGURED)
  if (transport !== '') return tools.pass(expansion, branch, transport)
  const relay = settings.config.expand(settings.config.raw('luser_relay'), userMacros(branch, undefined))
  if (relay !== '' && branch.level === 0) return { relay }
  // RFC 5321 §4.5.1: mail to postmaster may not be refused. Without an alias it has nowhere to go.
  if (/^(?:postmaster|mailer-daemon)$/i.test(name)) {
    log.warning(`required alias not found: ${name}`)
    return endBranch(expansion, branch, { kind: 'sent', status: '2.0.0', reason: 'discarded' })
  }
  return endBranch(expansion, branch, { kind: 'bounced', status: '5.1.1', reason: `unknown user: "${name}"` })
}
