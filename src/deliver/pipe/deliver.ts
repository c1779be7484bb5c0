/**
 * One command for all recipients of a request; they share its end.
 *
 * @module
 */
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { QueueFileError } from '#queue/record.ts'
import { DONE, endAll, LEFT, type Delivery } from '#service/agent.ts'
import type { DeliverReply, DeliverRequest } from '#service/deliver.ts'
import type { Worker } from '#service/worker.ts'
import { copyHead, copyMessage, type CopyOptions } from '#deliver/mailbox/copy.ts'
import { deliveredTo, isLoop } from '#deliver/mailbox/loop.ts'
import { commandOutcome, shown, type CommandOutcome } from '#deliver/command/outcome.ts'
import { runCommand } from '#deliver/command/run.ts'
import { exportedEnvironment } from '#deliver/command/environment.ts'
import { expandArguments } from './arguments.ts'
import type { PipeSettings } from './settings.ts'

const MISCONFIGURED: CommandOutcome = {
  kind: 'deferred', status: '4.3.5', reason: 'mail system configuration error', diagnostic: '',
}

/** Returns what carries out a request of one pipe service. */
export function pipeDelivery(worker: Worker, settings: PipeSettings): (delivery: Delivery) => Promise<DeliverReply> {
  const pipe = new Pipe(worker, settings)
  return (delivery) => pipe.deliver(delivery)
}

class Pipe {
  readonly #settings: PipeSettings
  readonly #service: string
  readonly #timeLimitMs: number
  readonly #delimiters: string
  readonly #directory: string
  readonly #environment: Readonly<Record<string, string>>

  constructor({ config, service: { name } }: Worker, settings: PipeSettings) {
    this.#settings = settings
    this.#service = name
    this.#timeLimitMs = config.dynamicTime(`${name}_time_limit`, 'command_time_limit') * 1000
    this.#delimiters = config.str('recipient_delimiter')
    this.#directory = settings.directory || config.str('queue_directory')
    this.#environment = exportedEnvironment(config)
  }

  async deliver(delivery: Delivery): Promise<DeliverReply> {
    const { request, message } = delivery
    const early = this.#withoutCommand(request)
    if (early) return this.#end(delivery, early)
    const seen = this.#settings.flags.has('D') ? deliveredTo(message, request.dataOffset) : new Set<string>()
    const looped = request.recipients.filter(({ address }) => isLoop(seen, address))
    const others = request.recipients.filter(({ address }) => !isLoop(seen, address))
    const replies: DeliverReply[] = []
    const loop = refusal('5.4.6', `mail forwarding loop for ${looped[0]?.address}`)
    if (looped.length > 0) replies.push(await this.#end(delivery, loop, looped))
    if (others.length > 0) {
      replies.push(await this.#end(delivery, await attempt(this.#run(delivery, others)), others))
    }
    return replies.some(({ status }) => status !== 0) ? LEFT : DONE
  }

  /** What ends all recipients before a command is run. */
  #withoutCommand({ contentSize, flags, recipients }: DeliverRequest): CommandOutcome | undefined {
    const { sizeMax, argv } = this.#settings
    const single = Array.from('DO').find((flag) => this.#settings.flags.has(flag))
    if (single !== undefined && recipients.length > 1) {
      log.warning(`pipe flag \`${single}' requires ${this.#service}_destination_recipient_limit = 1`)
      return MISCONFIGURED
    }
    if (sizeMax > 0 && contentSize > sizeMax) return refusal('5.2.3', 'message too large')
    if (!flags.verify && !flags.userVerify) return undefined
    return { kind: 'sent', status: '2.0.0', reason: `delivers to command: ${argv[0]}`, diagnostic: '' }
  }

  async #run(
    { request, message }: Delivery, recipients: readonly EnvelopeRecipient[],
  ): Promise<CommandOutcome> {
    const { argv, flags, nullSender, owner } = this.#settings
    const words = expandArguments(argv, request, recipients, { flags, delimiters: this.#delimiters, nullSender })
    const options = copyOptions(this.#settings, recipients)
    const first = recipients[0]
    const head = first ? copyHead(request.sender, first, options, new Date()) : ''
    const ended = await runCommand({
      agent: 'pipe', words, owner, environment: this.#environment, directory: this.#directory, timeLimitMs: this.#timeLimitMs,
      input: copyMessage(message, request.dataOffset, head, options),
    })
    const told = shown(ended.output).trimEnd()
    const success = `delivered via ${this.#service} service${told === '' ? '' : ` (${told})`}`
    return commandOutcome(ended, words[0] ?? '', success)
  }

  #end(
    delivery: Delivery, outcome: CommandOutcome, recipients?: readonly EnvelopeRecipient[],
  ): Promise<DeliverReply> {
    const { kind, status, reason, diagnostic } = outcome
    const diag = diagnostic === '' ? {} : { diagType: 'x-unix', diagText: diagnostic }
    return endAll(delivery, kind, {
      status, reason, relay: this.#service, handoff: delivery.handoff, action: this.#settings.flags.has('X') ? 'delivered' : 'relayed',
      ...diag,
    }, recipients)
  }
}

function refusal(status: string, reason: string): CommandOutcome {
  return { kind: 'bounced', status, reason, diagnostic: '' }
}

async function attempt(work: Promise<CommandOutcome>): Promise<CommandOutcome> {
  try {
    return await work
  } catch (error) {
    if (error instanceof QueueFileError) throw error
    log.warning(`cannot run the command: ${errnoText(error)}`)
    return MISCONFIGURED
  }
}

function copyOptions({ flags, eol }: PipeSettings, recipients: readonly EnvelopeRecipient[]): CopyOptions {
  return {
    fromLine: flags.has('F'), returnPath: flags.has('R'), originalTo: flags.has('O'),
    deliveredTo: flags.has('D') ? recipients[0]?.address : undefined,
    blankLine: flags.has('B'), quoteFrom: flags.has('>'), dots: flags.has('.'), eol,
  }
}
