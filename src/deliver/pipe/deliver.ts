/**
 * One command for all recipients of a request; they share its end.
 *
 * @module
 */
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { DONE, endAll, LEFT, type Delivery } from '#service/agent.ts'
import type { DeliverReply } from '#service/deliver.ts'
import type { Worker } from '#service/worker.ts'
import { copyHead, copyMessage, type CopyOptions } from '#deliver/mailbox/copy.ts'
import { deliveredTo, isLoop } from '#deliver/mailbox/loop.ts'
import { commandOutcome, type CommandOutcome } from '#deliver/command/outcome.ts'
import { runCommand } from '#deliver/command/run.ts'
import { exportedEnvironment } from '#deliver/command/environment.ts'
import { expandArguments } from './arguments.ts'
import type { PipeSettings } from './settings.ts'

const MISCONFIGURED: CommandOutcome = {
  kind: 'deferred', status: '4.3.5', reason: 'mail system configuration error', diagnostic: '',
}

/** Returns what carries out a request of one pipe service. */
export function pipeDelivery({ config, service }: Worker, settings: PipeSettings): (delivery: Delivery) => Promise<DeliverReply> {
  const timeLimitMs = config.dynamicTime(`${service.name}_time_limit`, 'command_time_limit') * 1000
  const recipientLimit = config.dynamicInt(`${service.name}_destination_recipient_limit`, 'default_destination_recipient_limit')
  const delimiters = config.str('recipient_delimiter')
  const environment = exportedEnvironment(config)
  const base = { relay: service.name, mtaType: 'unix', mtaName: service.name }
  const end = (delivery: Delivery, outcome: CommandOutcome, recipients?: readonly EnvelopeRecipient[]): Promise<DeliverReply> => {
    const { kind, status, reason, diagnostic } = outcome
    const diag = diagnostic === '' ? {} : { diagType: 'x-unix', diagText: diagnostic }
    return endAll(delivery, kind, { ...base, ...diag, status, reason, handoff: delivery.handoff, action: 'delivered' }, recipients)
  }
  const run = async (delivery: Delivery, recipients: readonly EnvelopeRecipient[]): Promise<CommandOutcome> => {
    const { request, message } = delivery
    const words = expandArguments(settings.argv, request, recipients, { flags: settings.flags, delimiters, nullSender: settings.nullSender })
    const options = copyOptions(settings, recipients)
    const first = recipients[0]
    const head = first ? copyHead(request.sender, first, options, new Date()) : ''
    const ended = await runCommand({
      words, owner: settings.owner, environment, directory: settings.directory || config.str('queue_directory'), timeLimitMs,
      input: copyMessage(message, request.dataOffset, head, options),
    })
    const told = ended.output.trim().split('\n')[0] ?? ''
    return commandOutcome(ended, words[0] ?? '', `delivered via ${service.name} service${told === '' ? '' : ` (${told})`}`)
  }
  return async (delivery) => {
    const { request, message } = delivery
    if (needsSingle(settings) && recipientLimit !== 1) {
      log.warning(`pipe flag \`D' or \`O' requires ${service.name}_destination_recipient_limit = 1`)
      return end(delivery, MISCONFIGURED)
    }
    if (settings.sizeMax > 0 && request.contentLength > settings.sizeMax) {
      return end(delivery, { kind: 'bounced', status: '5.2.3', reason: `message size ${request.contentLength} exceeds size limit ${settings.sizeMax} for transport ${service.name}`, diagnostic: '' })
    }
    if (request.flags.verify || request.flags.userVerify) {
      return end(delivery, { kind: 'sent', status: '2.0.0', reason: `delivers to command: ${settings.argv[0]}`, diagnostic: '' })
    }
    const seen = settings.flags.has('D') ? deliveredTo(message, request.dataOffset) : new Set<string>()
    const looped = request.recipients.filter(({ address }) => isLoop(seen, address))
    const others = request.recipients.filter(({ address }) => !isLoop(seen, address))
    const replies: DeliverReply[] = []
    if (looped.length > 0) {
      replies.push(await end(delivery, { kind: 'bounced', status: '5.4.6', reason: `mail forwarding loop for ${looped[0]?.address}`, diagnostic: '' }, looped))
    }
    if (others.length > 0) replies.push(await end(delivery, await attempt(run(delivery, others)), others))
    return replies.some(({ status }) => status !== 0) ? LEFT : DONE
  }
}

async function attempt(work: Promise<CommandOutcome>): Promise<CommandOutcome> {
  try {
    return await work
  } catch (error) {
    log.warning(`cannot run the command: ${errnoText(error)}`)
    return MISCONFIGURED
  }
}

function needsSingle({ flags }: PipeSettings): boolean {
  return flags.has('D') || flags.has('O')
}

function copyOptions({ flags, eol }: PipeSettings, recipients: readonly EnvelopeRecipient[]): CopyOptions {
  return {
    fromLine: flags.has('F'), returnPath: flags.has('R'), originalTo: flags.has('O'),
    deliveredTo: flags.has('D') ? recipients[0]?.address : undefined,
    blankLine: flags.has('B'), quoteFrom: flags.has('>'), dots: flags.has('.'), eol: eol === '\r\n' ? '\r\n' : '\n',
  }
}
