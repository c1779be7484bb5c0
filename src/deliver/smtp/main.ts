/**
 * smtp: delivers mail to other mail servers; also lmtp.
 *
 * One program: under the name `lmtp` it speaks LMTP and reads the lmtp_* parameters. Each
 * request of the queue manager is one message with some of its recipients; many are
 * worked on at once, as many as master.cf allows processes.
 *
 * Talks to:      qmgr (service/deliver); mail servers by SMTP or LMTP; name servers; bounce (its three logs).
 * Reads, writes: queue/active (reads content, marks recipients as done); lookup tables; TLS keys and certificates.
 * Privileges:    none after the start: keys and certificates are read before rights are given up.
 * Diagnostics:   sent, deferred or bounced for each recipient; a dead destination is reported to the queue manager.
 * Standards:     RFC 5321 (SMTP), RFC 2033 (LMTP), RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 6152 (8BITMIME),
 *                RFC 3461 (DSN), RFC 6531 (SMTPUTF8), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 7505 (null MX).
 */
import { openSpool } from '#queue/spool.ts'
import { serveConversation } from '#service/conversation.ts'
import { isDeliverRequest, type DeliverReply, type DeliverRequest } from '#service/deliver.ts'
import { runWorker, type Worker, type WorkerHandlers } from '#service/worker.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { openSmtpClient } from './client.ts'
import { deliverRequest } from './delivery.ts'

/** `flags=DRX` among the words of master.cf. */
const FLAGS_REGEXP = /^flags=([A-Za-z]*)$/

/** The handlers of one worker. */
export function setUpSmtp(worker: Worker): WorkerHandlers {
  const { config, service, stop, slots, program } = worker
  const flags = worker.args.map((word) => FLAGS_REGEXP.exec(word)?.[1] ?? '').join('')
  const lmtp = program === 'lmtp'
  const spool = openSpool(config, '.')
  const client = openSmtpClient({ config, service: service.name, lmtp, flags, stop, spool })
  const deliver = (request: DeliverRequest): Promise<DeliverReply> => deliverRequest(request, client)
  return {
    counted: false,
    connection: (socket) => {
      serveConversation(socket, isDeliverRequest, deliver, { slots, onError: (error) => log.warning(errnoText(error)) })
    },
    drain: () => client.cache.close(),
  }
}

if (import.meta.main) await runWorker('smtp', setUpSmtp)
