/**
 * Commands and files that an alias, a .forward or an :include: names, and those that parameters name.
 *
 * @module
 */
import { externalAddress, splitAddress, splitExtension } from '#mail/address.ts'
import type { Identity } from '#system/as-user.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { getpwuid } from '#system/users.ts'
import { copyHead, copyMessage, MAILDIR_COPY, MBOX_COPY, type CopyOptions } from '#deliver/mailbox/copy.ts'
import { deliverMaildir } from '#deliver/mailbox/maildir.ts'
import { deliverMbox, MailboxError } from '#deliver/mailbox/mbox.ts'
import { commandOutcome, commandWords } from '#deliver/command/outcome.ts'
import { runCommand } from '#deliver/command/run.ts'
import { filtered, userMacros } from './forward.ts'
import { endBranch, isFirst, MISCONFIGURED, type Branch, type End, type Expansion } from './state.ts'

/** A `|command` destination. */
export async function deliverCommand(expansion: Expansion, branch: Branch, command: string): Promise<boolean> {
  const { settings } = expansion
  if (branch.source !== 'envelope' && !settings.allowCommands.has(branch.source)) {
    return endBranch(expansion, branch, { kind: 'bounced', status: '5.7.1', reason: 'mail to command is restricted' })
  }
  const owner = branch.privileges ?? settings.defaultPrivileges
  if (!isFirst(expansion, `command ${owner.uid}:${owner.gid} ${command}`)) return false
  return endBranch(expansion, branch, await runFor(expansion, branch, command, owner))
}

/** Runs a command with the message; its shell words must have been made safe before. */
export async function runFor(expansion: Expansion, branch: Branch, command: string, owner: Identity): Promise<End> {
  const { delivery: { request, message }, settings } = expansion
  if (request.flags.verify || request.flags.userVerify) return { kind: 'sent', status: '2.0.0', reason: `delivers to command: ${command}` }
  const options = copyOptions(expansion, branch, 'command', { ...MBOX_COPY, blankLine: false, quoteFrom: false })
  try {
    const ended = await runCommand({
      words: commandWords(command, settings.shell), owner, timeLimitMs: settings.timeLimitMs,
      environment: commandEnvironment(expansion, branch, owner), directory: commandDirectory(expansion, branch, owner),
      input: copyMessage(message, request.dataOffset, copyHead(branch.sender, branch.recipient, options, new Date()), options),
    })
    return commandOutcome(ended, command, `delivered to command: ${command}`)
  } catch (error) {
    log.warning(`${request.queueId}: command "${command}": ${errnoText(error)}`, { queue_id: request.queueId })
    return MISCONFIGURED
  }
}

/** A `/file` or `/maildir/` destination. */
export async function deliverFile(expansion: Expansion, branch: Branch, path: string): Promise<boolean> {
  const { settings } = expansion
  if (!settings.allowFiles.has(branch.source)) {
    return endBranch(expansion, branch, { kind: 'bounced', status: '5.7.1', reason: 'mail to file is restricted' })
  }
  const owner = branch.privileges ?? settings.defaultPrivileges
  if (!isFirst(expansion, `file ${owner.uid}:${owner.gid} ${path}`)) return false
  return endBranch(expansion, branch, await writeTo(expansion, branch, path, { owner, strictOwner: false, file: true }))
}

/** How a mailbox is written. `file`: it is no user's mailbox, and its size and owner are its own business. */
export type WriteOptions = { readonly owner: Identity; readonly strictOwner: boolean; readonly file: boolean }

/** Appends to a file, or writes into a Maildir when the path ends in a slash. */
export async function writeTo(expansion: Expansion, branch: Branch, path: string, how: WriteOptions): Promise<End> {
  const { delivery: { request, message }, settings } = expansion
  const isMaildir = path.endsWith('/')
  const success = isMaildir ? 'delivered to maildir' : how.file ? `delivered to file: ${path}` : 'delivered to mailbox'
  if (request.flags.verify || request.flags.userVerify) return { kind: 'sent', status: '2.0.0', reason: success.replace('delivered', 'delivers') }
  const options = copyOptions(expansion, branch, 'file', isMaildir ? MAILDIR_COPY : MBOX_COPY)
  const chunks = copyMessage(message, request.dataOffset, copyHead(branch.sender, branch.recipient, options, new Date()), options)
  try {
    if (isMaildir) await deliverMaildir(path, chunks, how.owner, settings.sizeMax)
    else await deliverMbox(path, chunks, { owner: how.owner, locks: settings.locks, sizeMax: settings.sizeMax, strictOwner: how.strictOwner })
    return { kind: 'sent', status: '2.0.0', reason: success }
  } catch (error) {
    return writeFailure(error, path, isMaildir)
  }
}

function writeFailure(error: unknown, path: string, isMaildir: boolean): End {
  if (error instanceof MailboxError) {
    return { kind: error.status.startsWith('4') ? 'deferred' : 'bounced', status: error.status, reason: error.message }
  }
  const what = isMaildir ? `maildir delivery failed: create maildir file ${path}` : `cannot update mailbox ${path}`
  const full = isErrno(error, 'EFBIG') || isErrno(error, 'EDQUOT')
  return { kind: full ? 'bounced' : 'deferred', status: full ? '5.2.2' : '4.2.0', reason: `${what}: ${errnoText(error)}` }
}

function copyOptions(
  { root, settings }: Expansion, branch: Branch, kind: 'command' | 'file', base: Omit<CopyOptions, 'deliveredTo'>,
): CopyOptions {
  const recipient = settings.frozenDeliveredTo ? root : branch.recipient
  return {
    ...base, originalTo: settings.originalTo,
    deliveredTo: settings.prependDelivered.has(kind) ? recipient.address : undefined,
  }
}

function commandDirectory({ settings }: Expansion, branch: Branch, owner: Identity): string {
  const user = getpwuid(owner.uid)
  const filter = settings.config.str('execution_directory_expansion_filter')
  const macros = Object.fromEntries(Object.entries(userMacros(branch, user)).map(([n, v]) => [n, filtered(v, filter)]))
  return settings.config.expand(settings.config.raw('command_execution_directory'), macros) || settings.config.str('queue_directory')
}

/** Facts of the message for commands; what the sender chose goes through the filter. */
function commandEnvironment({ delivery: { request }, settings }: Expansion, branch: Branch, owner: Identity): Record<string, string> {
  const filter = settings.config.str('command_expansion_filter')
  const { local, domain } = splitAddress(branch.recipient.address)
  const { user } = splitExtension(local, settings.delimiters)
  const facts: Record<string, string> = {
    LOGNAME: user, USER: user, LOCAL: local, DOMAIN: domain ?? '', RECIPIENT: branch.recipient.address, ORIGINAL_RECIPIENT: branch.recipient.original,
    SENDER: externalAddress(branch.sender), EXTENSION: branch.extension.slice(1), ENVID: request.envelopeId,
    CLIENT_HOSTNAME: request.clientName, CLIENT_ADDRESS: request.clientAddress, CLIENT_HELO: request.heloName,
    CLIENT_PROTOCOL: request.protocolName, SASL_METHOD: request.saslMethod, SASL_SENDER: request.saslSender,
    SASL_USERNAME: request.saslUsername,
  }
  const present = Object.entries(facts).filter(([, value]) => value !== '').map(([name, value]) => [name, filtered(value, filter)] as const)
  // A command of the system's own aliases has no user whose home it could be in.
  const home = branch.privileges === undefined && branch.source !== 'envelope' ? undefined : getpwuid(owner.uid)
  return {
    ...settings.environment,
    ...(home ? { HOME: home.home, SHELL: home.shell || '/bin/sh' } : {}),
    ...Object.fromEntries(present),
  }
}
