/**
 * Commands and files that an alias, a .forward or an :include: names, and those that parameters name.
 *
 * @module
 */
import { splitAddress, splitExtension } from '#mail/address.ts'
import type { Identity } from '#system/as-user.ts'
import { errnoText } from '#system/errno.ts'
import { QueueFileError } from '#queue/record.ts'
import { log } from '#system/log.ts'
import { foldCase } from '#util/ascii.ts'
import { copyHead, copyMessage, MAILDIR_COPY, MBOX_COPY, type CopyOptions } from '#deliver/mailbox/copy.ts'
import { deliverMaildir } from '#deliver/mailbox/maildir.ts'
import { MailboxError } from '#deliver/mailbox/error.ts'
import { deliverMbox } from '#deliver/mailbox/mbox.ts'
import { commandOutcome, commandWords } from '#deliver/command/outcome.ts'
import { runCommand } from '#deliver/command/run.ts'
import { expandMacros } from './macros.ts'
import type { LocalSettings } from './settings.ts'
import { endBranch, endOwned } from './ending.ts'
import { isFirst, MISCONFIGURED, type Branch, type End, type Expansion, type Rights } from './state.ts'

/** A `|command` destination. */
export async function deliverCommand(expansion: Expansion, branch: Branch, command: string): Promise<boolean> {
  const { settings } = expansion
  if (branch.source !== 'envelope' && !settings.allowCommands.has(branch.source)) {
    return endBranch(expansion, branch, { kind: 'bounced', status: '5.7.1', reason: 'mail to command is restricted' })
  }
  const owner = rightsOf(settings, branch.privileges)
  const { user } = splitExtension(foldCase(splitAddress(branch.recipient.address).local), settings.delimiters)
  if (!isFirst(expansion, `command ${user}:${owner.uid} ${command}`)) return false
  return endOwned(expansion, branch, await runFor(expansion, branch, command, owner))
}

/** Rights that were given, or those of default_privs: nothing is run or written for root. */
export function rightsOf(settings: LocalSettings, given: Rights | undefined): Rights {
  return given && given.uid !== 0 ? given : { ...given, ...settings.defaultPrivileges }
}

/** Runs a command with the message. Facts of the mail are in its environment only, so they need no quoting. */
export async function runFor(expansion: Expansion, branch: Branch, command: string, owner: Rights): Promise<End> {
  const { delivery: { request, message }, settings } = expansion
  if (request.flags.verify || request.flags.userVerify) {
    return {
      kind: 'sent', status: '2.0.0', reason: `delivers to command: ${command}`,
    }
  }
  const options = copyOptions(expansion, branch, 'command', { ...MBOX_COPY, blankLine: false, quoteFrom: false })
  try {
    const ended = await runCommand({
      agent: 'local',
      words: commandWords(command, settings.shell), owner, timeLimitMs: settings.timeLimitMs,
      environment: commandEnvironment(expansion, branch, owner), directory: commandDirectory(settings, branch, owner),
      input: copyMessage(
        message, request.dataOffset, copyHead(branch.sender, branch.recipient, options, new Date()), options,
      ),
    })
    return commandOutcome(ended, command, `delivered to command: ${command}`)
  } catch (error) {
    if (error instanceof QueueFileError) throw error
    log.warning(`${request.queueId}: command "${command}": ${errnoText(error)}`, { queue_id: request.queueId })
    return MISCONFIGURED
  }
}

/** A `/file` or `/maildir/` destination. */
export async function deliverFile(expansion: Expansion, branch: Branch, path: string): Promise<boolean> {
  const { settings } = expansion
  if (!settings.allowFiles.has(branch.source)) {
    return endOwned(expansion, branch, { kind: 'bounced', status: '5.7.1', reason: 'mail to file is restricted' })
  }
  const owner = rightsOf(settings, branch.privileges)
  if (!isFirst(expansion, `file ${owner.uid} ${path}`)) return false
  const end = await writeTo(expansion, branch, path, { owner, strictOwner: false, file: true })
  return path.endsWith('/') ? endBranch(expansion, branch, end) : endOwned(expansion, branch, end)
}

/** How a mailbox is written. `file`: it is no user's mailbox, and its size and owner are its own business. */
export type WriteOptions = {
  readonly owner: Identity
  /** Who may make files in the folder, where that is not the owner. */
  readonly maker?: Identity
  readonly strictOwner: boolean
  readonly file: boolean
}

/** Appends to a file, or writes into a Maildir when the path ends in a slash. */
export async function writeTo(expansion: Expansion, branch: Branch, path: string, how: WriteOptions): Promise<End> {
  const { delivery: { request, message }, settings } = expansion
  const isMaildir = path.endsWith('/')
  const success = isMaildir ? 'delivered to maildir' : how.file ? `delivered to file: ${path}` : 'delivered to mailbox'
  if (request.flags.verify || request.flags.userVerify) {
    return {
      kind: 'sent', status: '2.0.0', reason: success.replace('delivered', 'delivers'),
    }
  }
  const options = copyOptions(expansion, branch, 'file', isMaildir ? MAILDIR_COPY : MBOX_COPY)
  const chunks = copyMessage(
    message, request.dataOffset, copyHead(branch.sender, branch.recipient, options, new Date()), options,
  )
  try {
    if (isMaildir) await deliverMaildir(path, chunks, how.owner, { sizeMax: settings.sizeMax, status: '5.2.0' })
    else await deliverMbox(
      path, chunks,
      { ...how, locks: settings.locks, sizeMax: settings.sizeMax, lockFileOptional: how.file, anyFile: how.file, status: '5.2.0' },
    )
    return { kind: 'sent', status: '2.0.0', reason: success }
  } catch (error) {
    return writeFailure(error, path, isMaildir, how.file ? '' : splitAddress(branch.recipient.address).local)
  }
}

/** What is wrong with the message itself, or with us, is not the mailbox's fault. */
function writeFailure(error: unknown, path: string, isMaildir: boolean, user: string): End {
  if (error instanceof QueueFileError) throw error
  const box = user === '' ? `cannot append message to file ${path}: ` : `cannot update mailbox ${path} for user ${user}. `
  const what = isMaildir ? 'maildir delivery failed: ' : box
  if (!(error instanceof MailboxError)) return { kind: 'deferred', status: '4.2.0', reason: `${what}${errnoText(error)}` }
  const kind = error.status.startsWith('4') ? 'deferred' : 'bounced'
  const diagnostic = error.diagnostic === undefined ? {} : { diagnostic: error.diagnostic }
  return { kind, status: error.status, reason: `${what}${error.message}`, ...diagnostic }
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

function commandDirectory({ config }: LocalSettings, branch: Branch, owner: Rights): string {
  const allowed = config.str('execution_directory_expansion_filter')
  return expandMacros(config.raw('command_execution_directory'), branch, owner, allowed) || config.str('queue_directory')
}

/** Facts of the message for commands; what the sender chose goes through the filter. */
function commandEnvironment(
  { delivery: { request }, settings }: Expansion, branch: Branch, owner: Rights,
): Record<string, string> {
  const allowed = settings.config.str('command_expansion_filter')
  const { local, domain } = splitAddress(branch.recipient.address)
  const name = foldCase(local)
  const { user } = splitExtension(name, settings.delimiters)
  const facts: Record<string, string> = {
    HOME: owner.home ?? '', SHELL: owner.shell ?? '', LOGNAME: user, USER: user, LOCAL: name, DOMAIN: foldCase(domain ?? ''),
    RECIPIENT: branch.recipient.address, ORIGINAL_RECIPIENT: branch.recipient.original, SENDER: branch.sender,
    EXTENSION: branch.extension.slice(1), ENVID: request.envelopeId,
    CLIENT_HOSTNAME: request.clientName, CLIENT_ADDRESS: request.clientAddress, CLIENT_HELO: request.heloName,
    CLIENT_PROTOCOL: request.protocolName, SASL_METHOD: request.saslMethod, SASL_SENDER: request.saslSender,
    SASL_USERNAME: request.saslUsername,
  }
  const present = Object.entries(facts).filter(([fact, value]) => value !== '' || fact === 'SENDER')
  return {
    ...settings.environment,
    ...Object.fromEntries(present.map(([fact, value]) => [fact, filtered(value, allowed)])),
  }
}

/** Characters that are not allowed become `_`. */
function filtered(value: string, allowed: string): string {
  return Array.from(value, (c) => (allowed.includes(c) ? c : '_')).join('')
}
