/**
 * flush: keeps, for destinations that ask for it, the list of messages that wait for them, so that ETRN
 * and postqueue need not go through the whole queue.
 *
 * Talks to:      smtpd (ETRN), postqueue, and whoever defers mail, in Postfix's own protocol; triggers qmgr.
 * Reads, writes: the lists in flush; time stamps of messages in deferred, which it moves to incoming.
 * Privileges:    mail_owner; needs nothing of root.
 * Diagnostics:   warnings about files it cannot change.
 * Standards:     RFC 1985 (ETRN).
 *
 * @module
 */
import { openSpool } from '#queue/spool.ts'
import { runWorker } from '#service/worker.ts'
import { FlushService } from './service.ts'

await runWorker('flush', ({ config }) => {
  const service = new FlushService(openSpool(config, '.'), config)
  return { connection: (socket) => service.serve(socket) }
})
