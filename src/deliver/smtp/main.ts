/**
 * smtp: delivers mail to other mail servers; also lmtp.
 *
 * One program: under the name `lmtp` it speaks LMTP and reads the lmtp_* parameters. Each
 * request of the queue manager is one message with some of its recipients; many are
 * worked on at once, as many as master.cf allows processes.
 *
 * Talks to:      qmgr (service/deliver); mail servers by SMTP or LMTP; name servers; bounce (its three logs).
 * Reads, writes: queue/active (reads content, marks recipients as done); lookup tables; TLS keys and certificates;
 *                new messages in incoming: notices to postmaster, where notify_classes has protocol.
 * Privileges:    none after the start: keys and certificates are read before rights are given up.
 * Diagnostics:   sent, deferred or bounced for each recipient; a dead destination is reported to the queue manager.
 * Standards:     RFC 5321 (SMTP), RFC 2033 (LMTP), RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 6152 (8BITMIME),
 *                RFC 3461 (DSN), RFC 6531 (SMTPUTF8), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 7505 (null MX).
 */
import { openSpool, type Spool } from '#queue/spool.ts'
import { Claims } from '#service/claims.ts'
import { serveConversation } from '#service/conversation.ts'
import { isDeliverRequest, type DeliverReply, type DeliverRequest } from '#service/deliver.ts'
import { FAULT, faultsToReport } from '#service/error-notice.ts'
import { runWorker, type Worker, type WorkerHandlers } from '#service/worker.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { openSmtpClient } from './client.ts'
import { deliverRequest } from './delivery.ts'
import type { Reporter } from './reporter.ts'

/** `flags=DRX` among the words of master.cf. */
const FLAGS_REGEXP = /^flags=([A-Za-z]*)$/

/** The handlers of one worker. */
export async function setUpSmtp(worker: Worker): Promise<WorkerHandlers> {
  const { config, service, stop, slots, program } = worker
  const flags = worker.args.map((word) => FLAGS_REGEXP.exec(word)?.[1] ?? '').join('')
  const lmtp = program === 'lmtp'
  const spool = openSpool(config, '.')
  const reporter = await openReporter(worker, spool, lmtp)
  const client = openSmtpClient({ config, service: service.name, lmtp, flags, stop, spool, reporter })
  const claims = new Claims(spool)
  const deliver = (request: DeliverRequest): Promise<DeliverReply> => claims.run(request, async (open) => deliverRequest(open, client))
  return {
    counted: false,
    connection: (socket) => {
      serveConversation(socket, isDeliverRequest, deliver, { slots, onError: (error) => log.warning(errnoText(error)) })
    },
    drain: async () => {
      await client.cache.close()
      await reporter?.idle()
    },
  }
}

/** Few sites want to be told, and only theirs need what makes mail. */
async function openReporter({ config, common }: Worker, spool: Spool, lmtp: boolean): Promise<Reporter | undefined> {
  if ((faultsToReport(config) & FAULT.protocol) === 0) return undefined
  const { openCleanup } = await import('#cleanup/cleanup.ts')
  const { cleanupConfig } = await import('#cleanup/service-config.ts')
  const { Reporter } = await import('./reporter.ts')
  const cleanup = openCleanup(cleanupConfig(common, config.str('cleanup_service_name')), { spool })
  return new Reporter(config, cleanup, lmtp)
}

if (import.meta.main) await runWorker('smtp', setUpSmtp)
