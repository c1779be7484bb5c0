/**
 * The expansion of one recipient: aliases, .forward, and what they name, down to mailboxes, commands, files and mail
 * that is sent on.
 *
 * Source: local(8); aliases(5).
 *
 * @module
 */
import { quoteLocal, splitAddress, splitExtension } from '#mail/address.ts'
import { NOTIFY } from '#mail/dsn-parameters.ts'
import { log } from '#system/log.ts'
import type { User } from '#system/users.ts'
import { foldCase } from '#util/ascii.ts'
import type { Router } from '#rewrite/resolve.ts'
import { isLoop } from '#deliver/mailbox/loop.ts'
import { findAlias, ownerOf, type Alias } from './alias.ts'
import { deliverCommand, deliverFile } from './direct.ts'
import { parseDestinations, type Destination } from './destination.ts'
import { readForward, type Forward } from './forward.ts'
import { readInclude } from './include.ts'
import { deliverMailbox, deliverUnknown, type MailboxTools } from './mailbox.ts'
import { endBranch, endOwned, withoutSuccess } from './ending.ts'
import { ALIASES_UNAVAILABLE, isFirst, MISCONFIGURED, type Branch, type Expansion } from './state.ts'

/** What the expansion of a recipient asks of the rest of the agent. */
export type ExpandTools = MailboxTools & {
  readonly router: Router
  /** The service this is: addresses that resolve to it are expanded here, others are sent on. */
  readonly serviceName: string
}

/** Addresses that lead to one another: what Postfix's limit of 100 steps comes to. */
const RECIPIENT_LEVELS_MAX = 25
const INCLUDE_LEVELS_MAX = 100

/** Expands one address of this machine; true when something stays in the queue. */
export async function deliverAddress(expansion: Expansion, branch: Branch, tools: ExpandTools): Promise<boolean> {
  const { address } = branch.recipient
  if (branch.level >= RECIPIENT_LEVELS_MAX) {
    log.warning(`recipient nesting limit exceeded for ${address}`)
    return endBranch(expansion, branch, { kind: 'bounced', status: '5.4.6', reason: 'recipient nesting limit exceeded' })
  }
  if (isLoop(expansion.seen, address)) {
    return endOwned(
      expansion, branch, { kind: 'bounced', status: '5.4.6', reason: `mail forwarding loop for ${address}` },
    )
  }
  const { local } = splitAddress(address)
  // The same address at the same depth ends in the same places; without this a list of lists could take for ever.
  const place = [branch.level, branch.alias ?? '', ...branch.forwardOf].join(' ')
  if (!isFirst(expansion, `recipient ${foldCase(address)} ${place}`)) return false
  if (local.startsWith('\\')) return deliverMarked(expansion, branch, local.slice(1), tools)
  const alias = await findAlias(expansion.settings, local, branch.alias)
  if (alias === 'error') {
    return endBranch(expansion, branch, ALIASES_UNAVAILABLE)
  }
  return alias ? deliverAlias(expansion, branch, alias, tools) : deliverUser(expansion, branch, local, tools)
}

/** A backslash in front of a user name says: the mailbox, whatever aliases and .forward say. */
function deliverMarked(expansion: Expansion, branch: Branch, name: string, tools: ExpandTools): Promise<boolean> {
  const recipient = { ...branch.recipient, address: branch.recipient.address.slice(1) }
  return deliverUser(expansion, { ...branch, recipient, forwardOf: new Set([foldCase(name)]) }, name, tools)
}

async function deliverAlias(expansion: Expansion, branch: Branch, alias: Alias, tools: ExpandTools): Promise<boolean> {
  const { settings, delivery: { request } } = expansion
  if (request.flags.verify) {
    return endBranch(expansion, branch, { kind: 'sent', status: '2.0.0', reason: `aliased to ${alias.value}` })
  }
  const inherited = settings.resetOwner ? request.sender : branch.sender
  const listOwner = await ownerOf(settings, alias.name)
  if (listOwner === 'error') return endBranch(expansion, branch, ALIASES_UNAVAILABLE)
  const destinations = parseDestinations(alias.value)
  if (destinations.length === 0) {
    // The mail must not vanish because someone has saved half a list.
    log.warning(`no recipient in alias lookup result for ${alias.name}`)
    return endBranch(expansion, branch, ALIASES_UNAVAILABLE)
  }
  const sender = listOwner?.address ?? inherited
  const owner = listOwner?.address ?? (settings.resetOwner ? undefined : branch.owner)
  const silent = withoutSuccess(branch.recipient)
  // RFC 3461 §5.2.7.2: what the sender asked for ends at a mailing list.
  const recipient = listOwner === undefined ? silent : { ...silent, original: '', dsnOrcpt: '' }
  const inner: Branch = {
    ...branch, recipient, sender, owner, level: branch.level + 1,
    deliveredTo: settings.frozenDeliveredTo ? branch.deliveredTo : branch.recipient.address, source: 'alias', privileges: alias.privileges,
    alias: foldCase(alias.name), extension: alias.unmatched,
    unmatched: settings.propagateExtensions.has('alias') ? alias.unmatched : '',
  }
  const left = await deliverAll(expansion, inner, destinations, tools)
  await reportExpansion(expansion, branch, listOwner === undefined ? 'expanded' : 'delivered')
  return left
}

/**
 * RFC 3461 §5.2.7.1, §5.2.7.2: who asked for news of success learns that the mail was given to an alias, or to a
 * list; what becomes of the members is the list's concern.
 */
async function reportExpansion(
  { delivery }: Expansion, { recipient }: Branch, action: 'expanded' | 'delivered',
): Promise<void> {
  if ((recipient.notify & NOTIFY.success) === 0) return
  await delivery.tools.bounces.append('trace', delivery.request.queueId, {
    recipient: recipient.address, original: recipient.original, dsnOrcpt: recipient.dsnOrcpt, notify: recipient.notify,
    status: '2.0.0', action, reason: 'delivery via local: alias expanded',
  })
}

async function deliverUser(expansion: Expansion, branch: Branch, local: string, tools: ExpandTools): Promise<boolean> {
  // What another user's list names is queued again, so that one slow mailbox does not hold up the list.
  const { settings } = expansion
  const parts = splitExtension(foldCase(local), settings.delimiters)
  const isAnothers = branch.owner !== undefined && foldCase(branch.owner) !== parts.user
  if (branch.source === 'include' || isAnothers) return sendOn(expansion, branch, branch.recipient.address)
  if (parts.user === '') {
    const reason = `null username in "${branch.recipient.address}"`
    return endBranch(expansion, branch, { kind: 'bounced', status: '5.1.3', reason })
  }
  const user = settings.findUser(parts.user)
  const extension = extensionOf(expansion, parts)
  const inner: Branch = { ...branch, extension, unmatched: extension }
  const forward = user && !branch.forwardOf.has(user.name) ? readForward(settings, inner, user) : undefined
  if (user && forward) return deliverForward(expansion, inner, user, forward, tools)
  const stays = await deliverMailbox(expansion, inner, parts.user, user, tools)
  return stays ?? deliverUnknownUser(expansion, inner, parts.user, tools)
}

/** With its delimiter. Extensions are parts of file names here and there, so none may have a slash. */
function extensionOf({ delivery }: Expansion, { user, extension, delimiter }: ReturnType<typeof splitExtension>): string {
  if (extension === undefined) return ''
  if (!extension.includes('/')) return `${delimiter}${extension}`
  const { queueId } = delivery.request
  log.warning(`${queueId}: address with illegal extension: ${user}${delimiter}${extension}`, { queue_id: queueId })
  return ''
}

async function deliverForward(
  expansion: Expansion, branch: Branch, user: User, forward: Forward, tools: ExpandTools,
): Promise<boolean> {
  const own: Branch = {
    ...branch, recipient: withoutSuccess(branch.recipient), level: branch.level + 1, source: 'forward', privileges: user, owner: user.name,
    forwardOf: new Set([...branch.forwardOf, user.name]),
    unmatched: expansion.settings.propagateExtensions.has('forward') && !forward.hasExtension ? branch.unmatched : '',
  }
  const left = await deliverLines(expansion, own, forward.lines, tools)
  if (!left) await reportExpansion(expansion, branch, 'expanded')
  return left
}

async function deliverUnknownUser(
  expansion: Expansion, branch: Branch, name: string, tools: ExpandTools,
): Promise<boolean> {
  const outcome = await deliverUnknown(expansion, branch, name, tools)
  if (typeof outcome === 'boolean') return outcome
  const relayed: Branch = { ...branch, level: branch.level + 1, relayed: true, unmatched: '' }
  return deliverDestination(expansion, relayed, { kind: 'address', address: outcome.relay }, tools)
}

/** The lines of a file. What follows a line of which something stays waits too: it would be delivered each time. */
async function deliverLines(
  expansion: Expansion, branch: Branch, lines: readonly (readonly Destination[])[], tools: ExpandTools,
): Promise<boolean> {
  for (const line of lines) if (await deliverAll(expansion, branch, line, tools)) return true
  return false
}

async function deliverAll(
  expansion: Expansion, branch: Branch, destinations: readonly Destination[], tools: ExpandTools,
): Promise<boolean> {
  let left = false
  for (const destination of destinations) {
    if (await deliverDestination(expansion, branch, destination, tools)) left = true
  }
  return left
}

async function deliverDestination(
  expansion: Expansion, branch: Branch, destination: Destination, tools: ExpandTools,
): Promise<boolean> {
  switch (destination.kind) {
    case 'address': return deliverNamed(expansion, branch, destination.address, tools)
    case 'command': return deliverCommand(expansion, branch, destination.command)
    case 'file': return deliverFile(expansion, branch, destination.path)
    case 'include': return deliverInclude(expansion, branch, destination.path, tools)
    default: return destination satisfies never
  }
}

async function deliverInclude(
  expansion: Expansion, branch: Branch, path: string, tools: ExpandTools,
): Promise<boolean> {
  if (branch.level > INCLUDE_LEVELS_MAX) {
    log.warning(`possible :include: loop for ${path}`)
    return endBranch(
      expansion, branch, { kind: 'bounced', status: '5.4.6', reason: ':include: nesting limit exceeded' },
    )
  }
  const included = readInclude(path, branch.privileges)
  if (included.kind === 'failed') return endBranch(expansion, branch, included.end)
  const inner: Branch = {
    ...branch, level: branch.level + 1, source: 'include', privileges: included.privileges,
    unmatched: expansion.settings.propagateExtensions.has('include') ? branch.unmatched : '',
  }
  return deliverLines(expansion, inner, included.lines, tools)
}

/** An address named by a list: expanded here when it is ours, otherwise sent on. */
async function deliverNamed(expansion: Expansion, branch: Branch, named: string, tools: ExpandTools): Promise<boolean> {
  const { router, serviceName } = tools
  const plain = named.startsWith('\\') ? named.slice(1) : named
  const address = withExtension(internalOf(router.rewrite('local', externalOf(plain))), branch.unmatched)
  const resolved = await router.resolve(branch.sender, address)
  if (resolved.problem === 'fail') return endBranch(expansion, branch, MISCONFIGURED)
  if (resolved.transport !== serviceName || resolved.class !== 'local') return sendOn(expansion, branch, address)
  const local = named.startsWith('\\') ? `\\${resolved.recipient}` : resolved.recipient
  return deliverAddress(expansion, { ...branch, recipient: { ...branch.recipient, address: local } }, tools)
}

function withExtension(address: string, extension: string): string {
  if (extension === '') return address
  const { local, domain } = splitAddress(address)
  return `${local}${extension}${domain === undefined ? '' : `@${domain}`}`
}

function externalOf(address: string): string {
  const { local, domain } = splitAddress(address)
  return `${quoteLocal(local)}${domain === undefined ? '' : `@${domain}`}`
}

function internalOf(external: string): string {
  const [whole, quoted = '', rest = ''] = /^"((?:[^"\\]|\\.)*)"(@|$)/.exec(external) ?? ['']
  return whole === '' ? external : quoted.replaceAll(/\\(.)/g, '$1') + rest + external.slice(whole.length)
}

/** Goes into a new message at the end, one for each sender. */
function sendOn(expansion: Expansion, branch: Branch, address: string): boolean {
  if (!isFirst(expansion, `indirect ${foldCase(address)}`)) return false
  const { deliveredTo, sender } = branch
  const key = `${deliveredTo}\n${sender}`
  const forwarded = expansion.forwards.get(key) ?? { branch, deliveredTo, recipients: [] }
  forwarded.recipients.push({ ...branch.recipient, address, offset: 0 })
  expansion.forwards.set(key, forwarded)
  return false
}
