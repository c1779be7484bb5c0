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
import { splitAddress } from '#mail/address.ts'
import { asUser, type Identity } from '#system/as-user.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { isRoot, type User } from '#system/users.ts'
import type { Maps } from '#tables/maps.ts'
import { foldCase } from '#util/ascii.ts'
import { rightsOf, runFor, writeTo } from './direct.ts'
import { expandMacros } from './macros.ts'
import { endBranch } from './ending.ts'
import { isFirst, type Branch, type End, type Expansion } from './state.ts'

/** What delivery to a mailbox asks of the rest of the agent. */
export type MailboxTools = {
  /** Hands a recipient to another transport, which reports it; true when it stays in the queue. */
  readonly pass: (expansion: Expansion, branch: Branch, transport: string) => Promise<boolean>
}

const MODE_GROUP_WRITE = 0o020
const MODE_OTHERS_WRITE = 0o002
const UNAVAILABLE: End = { kind: 'deferred', status: '4.3.0', reason: 'table lookup failure' }

/** Delivers to a user's mailbox; undefined when there is no such user and no transport for all. */
export async function deliverMailbox(
  expansion: Expansion, branch: Branch, name: string, user: User | undefined, tools: MailboxTools,
): Promise<boolean | undefined> {
  const { settings } = expansion
  const { local } = splitAddress(branch.recipient.address)
  if (!isFirst(expansion, `mailbox ${foldCase(local)}`)) return false
  const transport = await choose(settings.mailboxTransportMaps, name, settings.config.str('mailbox_transport'))
  if (transport === undefined) return endBranch(expansion, branch, UNAVAILABLE)
  if (transport !== '') return tools.pass(expansion, branch, transport)
  return user && endBranch(expansion, branch, await deliverOwn(expansion, branch, name, user))
}

/** By mailbox_command, into the home, or into the spool: the first that is set. */
async function deliverOwn(expansion: Expansion, branch: Branch, name: string, user: User): Promise<End> {
  const { settings } = expansion
  const { config, strictOwner } = settings
  const missing = settings.requireHome ? homeProblem(user) : undefined
  if (missing) return missing
  // As it stands: the shell knows the names, from the environment.
  const command = await choose(settings.mailboxCommandMaps, name, config.raw('mailbox_command'))
  if (command === undefined) return UNAVAILABLE
  if (command !== '') return runFor(expansion, branch, command, rightsOf(settings, user))
  const home = config.str('home_mailbox')
  if (home !== '') return writeTo(expansion, branch, `${user.home}/${home}`, { owner: user, strictOwner, file: false })
  const spool = config.str('mail_spool_directory')
  const path = spool.endsWith('/') ? `${spool}${user.name}/` : `${spool}/${user.name}`
  return writeTo(expansion, branch, path, { ...spoolIdentities(spool, user), strictOwner, file: false })
}

function homeProblem({ home, uid, gid }: User): End | undefined {
  try {
    asUser({ uid, gid }, () => statSync(home))
    return undefined
  } catch (error) {
    return { kind: 'deferred', status: '4.3.0', reason: `cannot access home directory ${home}: ${errnoText(error)}` }
  }
}

/** A spool that a group may write to (mail on many systems) needs that group for the lock file; another one needs root. */
function spoolIdentities(spool: string, { uid, gid }: User): { owner: Identity; maker?: Identity } {
  const mode = statSync(spool, { throwIfNoEntry: false })
  if (!mode || (mode.mode & MODE_OTHERS_WRITE) !== 0) return { owner: { uid, gid } }
  if ((mode.mode & MODE_GROUP_WRITE) !== 0) return { owner: { uid, gid: mode.gid } }
  return { owner: { uid, gid }, ...(isRoot() ? { maker: { uid: 0, gid: 0 } } : {}) }
}

/** Undefined: the table can't be asked. */
async function choose(maps: Maps, name: string, otherwise: string): Promise<string | undefined> {
  const found = await maps.find(name)
  if (found.kind === 'error') return undefined
  return found.kind === 'found' ? found.value : otherwise
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
  if (transport === undefined) return endBranch(expansion, branch, UNAVAILABLE)
  if (transport !== '') return tools.pass(expansion, branch, transport)
  const relay = branch.relayed ? '' : expandMacros(settings.config.raw('luser_relay'), branch, undefined)
  if (relay !== '') return { relay }
  // RFC 5321 §4.5.1: mail to postmaster may not be refused. Without an alias it has nowhere to go.
  if (/^(?:postmaster|mailer-daemon)$/i.test(name)) {
    log.warning(`required alias not found: ${name}`)
    return endBranch(expansion, branch, { kind: 'sent', status: '2.0.0', reason: 'discarded' })
  }
  return endBranch(expansion, branch, { kind: 'bounced', status: '5.1.1', reason: `unknown user: "${name}"` })
}
