/**
 * bounce: keeps the logs of what became of each recipient, and makes notices of them, as new mail. The services
 * bounce, defer and trace of master.cf are this program; the name of the service says which log it keeps.
 *
 * Talks to:      delivery agents and qmgr (service/bounce-client); cleanup, linked in, for the notices.
 * Reads, writes: bounce/, defer/, trace/ (one file a message); reads the message; marks recipients as done when
 *                a log of deferrals is returned to the sender; new messages in incoming/.
 * Privileges:    mail_owner.
 * Diagnostics:   a line for each notice with the queue id of the new message; a warning when one can't be made,
 *                and then the message stays in the queue.
 * Standards:     RFC 3461 (when to notify), RFC 3462, RFC 3464 (multipart/report), RFC 6533 (UTF-8),
 *                RFC 3834 (Auto-Submitted).
 */
import { openCleanup } from '#cleanup/cleanup.ts'
import { cleanupConfig } from '#cleanup/service-config.ts'
import { openSpool, type LogName } from '#queue/spool.ts'
import { isBounceRequest } from '#service/bounce-client.ts'
import { serveConversation } from '#service/conversation.ts'
import { runWorker } from '#service/worker.ts'
import { BounceService } from './service.ts'
import { readSettings } from './settings.ts'

await runWorker('bounce', ({ config, common, log, service, slots }) => {
  const logs: Readonly<Record<string, LogName>> = {
    [config.str('bounce_service_name')]: 'bounce',
    [config.str('defer_service_name')]: 'defer',
    [config.str('trace_service_name')]: 'trace',
  }
  const logName = logs[service.name]
  if (logName === undefined) throw new Error(`unknown service name "${service.name}": expected bounce, defer or trace`)
  const spool = openSpool(config, '.')
  const cleanup = openCleanup(cleanupConfig(common, config.str('cleanup_service_name')), { spool })
  const bounces = new BounceService(logName, spool, readSettings(config), cleanup)
  return {
    counted: false,
    connection: (socket) => {
      serveConversation(socket, isBounceRequest, (request) => bounces.handle(request), {
        slots, onError: (error) => log.warning(`cannot serve a client: ${String(error)}`),
      })
    },
    drain: async () => {
      await slots.empty()
      await cleanup.close()
    },
  }
})
