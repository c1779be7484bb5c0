/**
 * The shell of every delivery agent: requests of qmgr come in, recipients end, a verdict goes back.
 *
 * @module
 */
import { errnoText, isErrno } from '#system/errno.ts'
import { files } from '#system/files.ts'
import { log } from '#system/log.ts'
import { openMessage, type OpenMessage } from '#queue/content.ts'
import { QueueFileError } from '#queue/record.ts'
import { openSpool, type Spool } from '#queue/spool.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { openBounceClient, type BounceClient } from './bounce-client.ts'
import { Claims } from './claims.ts'
import { serveConversation } from './conversation.ts'
import { isDeliverRequest, type DeliverReply, type DeliverRequest } from './deliver.ts'
import { openDelivered, type Delivered, type RecipientReport } from './delivered.ts'
import type { Worker, WorkerHandlers } from './worker.ts'

/** What an agent works with. */
export type AgentTools = {
  readonly spool: Spool
  readonly delivered: Delivered
  readonly bounces: BounceClient
}

/** One request with its message open under a shared lock. */
export type Delivery = {
  readonly request: DeliverRequest
  readonly message: OpenMessage
  readonly tools: AgentTools
  /** When the request came, milliseconds since 1970. */
  readonly handoff: number
}

/** Some recipients stay in the queue. */
export const LEFT: DeliverReply = { status: -1 }
/** Every recipient is done. */
export const DONE: DeliverReply = { status: 0 }

const MODE_DAMAGED = 0o400

/** Opens what every agent needs; call it in the program's setup. */
export function agentTools(worker: Worker): AgentTools {
  const bounces = openBounceClient(worker.config)
  return { spool: openSpool(worker.config, '.'), bounces, delivered: openDelivered(worker.config, bounces) }
}

/**
 * Handlers that answer delivery requests, as many at a time as the service may have clients.
 *
 * A message that can't be opened stays in the queue; a damaged one is marked, so that qmgr moves it to corrupt/.
 *
 * @param deliver Ends every recipient of the request, and returns the verdict for qmgr.
 */
export function agentHandlers(
  worker: Worker, tools: AgentTools, deliver: (delivery: Delivery) => Promise<DeliverReply>,
): WorkerHandlers {
  const claims = new Claims(tools.spool)
  return {
    counted: false,
    connection: (socket) => {
      serveConversation(socket, isDeliverRequest, (request) => claims.run(request, (open) => withMessage(open, tools, deliver)), {
        slots: worker.slots,
        onError: (error) => log.warning(`cannot serve qmgr: ${errnoText(error)}`),
      })
    },
  }
}

async function withMessage(
  request: DeliverRequest, tools: AgentTools, deliver: (delivery: Delivery) => Promise<DeliverReply>,
): Promise<DeliverReply> {
  const handoff = Date.now()
  let message: OpenMessage
  try {
    message = openMessage(tools.spool, request.queueName, request.queueId)
  } catch (error) {
    // Removed by postsuper, or taken by another queue manager after a restart: not ours any more.
    if (!isErrno(error, 'ENOENT')) log.warning(`${request.queueId}: cannot open for delivery: ${errnoText(error)}`)
    return LEFT
  }
  try {
    return await deliver({ request, message, tools, handoff })
  } catch (error) {
    if (!(error instanceof QueueFileError)) throw error
    log.warning(`${request.queueId}: ${error.message}`)
    files.fchmod(message.fd, MODE_DAMAGED)
    return LEFT
  } finally {
    message.close()
  }
}

/** Ends every recipient in the same way; the verdict for qmgr. */
export async function endAll(
  delivery: Delivery, end: keyof Delivered, report: RecipientReport,
  recipients: readonly EnvelopeRecipient[] = delivery.request.recipients,
): Promise<DeliverReply> {
  const { request, message, tools } = delivery
  // All at once, so that their records share a sync.
  const ends = recipients.map(async (recipient) => tools.delivered[end](request, recipient, report, message.fd))
  // None may be marked after the message was closed: by then the descriptor may be that of another one.
  await Promise.allSettled(ends)
  return (await Promise.all(ends)).includes(true) ? LEFT : DONE
}
