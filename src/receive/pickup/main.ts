/**
 * pickup: takes the mail that people submit with sendmail from maildrop into the queue.
 *
 * Talks to:      postdrop, whose trigger wakes it; cleanup, linked in; bounce, for mail that is refused; qmgr.
 * Reads, writes: maildrop (files of any user, as untrusted as a network client); new messages in incoming.
 * Privileges:    mail_owner; maildrop files can be read by all, and removed because the directory is ours.
 * Diagnostics:   `QID: uid=… from=<…>` for each message; a warning for a file that makes no sense, which goes to corrupt.
 * Standards:     RFC 5321 §4.4 (trace information).
 */
import { openCleanup } from '#cleanup/cleanup.ts'
import { cleanupConfig } from '#cleanup/service-config.ts'
import { openSpool } from '#queue/spool.ts'
import { openBounceClient } from '#service/bounce-client.ts'
import { notifyQueueManager } from '#service/intake.ts'
import { returnRefused } from '#service/return-refused.ts'
import { runWorker } from '#service/worker.ts'
import { Pickup } from './pickup.ts'
import { readSettings } from './settings.ts'

await runWorker('pickup', ({ config, common, args }) => {
  if (args.length > 0) throw new Error(`unexpected command-line argument: ${args[0]}`)
  const spool = openSpool(config, '.')
  const bounces = openBounceClient(config)
  const cleanup = openCleanup(cleanupConfig(common, config.str('cleanup_service_name')), {
    spool, bounceRejected: returnRefused(config, bounces),
  })
  const queueManager = `public/${config.str('queue_service_name')}`
  const pickup = new Pickup({
    spool, cleanup, settings: readSettings(config), queued: (id) => notifyQueueManager([id], queueManager),
  })
  return {
    trigger: () => pickup.scan(),
    drain: async () => {
      await pickup.idle()
      await cleanup.close()
    },
  }
})
