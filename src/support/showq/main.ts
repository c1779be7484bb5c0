/**
 * showq: lists the queue for mailq and postqueue.
 *
 * Talks to:      postqueue and other clients of public/showq, in Postfix's own protocol.
 * Reads, writes: reads all queues and the logs of delays and bounces; writes nothing.
 * Privileges:    mail_owner; needs nothing of root.
 * Diagnostics:   warnings about files that make no sense; such a file is left out, or shown in part.
 * Standards:     none.
 *
 * @module
 */
import { listOptions } from '#queue/list.ts'
import { openSpool } from '#queue/spool.ts'
import { runWorker } from '#service/worker.ts'
import { sendListing } from './serve.ts'

await runWorker('showq', ({ config }) => {
  const spool = openSpool(config, '.')
  const options = listOptions(config)
  // A client may show the listing page by page: only one that reads nothing for long is given up.
  const timeoutMs = config.time('ipc_timeout') * 1000
  return {
    connection: (socket) => {
      socket.setTimeout(timeoutMs, () => socket.destroy())
      return sendListing(socket, spool, options)
    },
  }
})
