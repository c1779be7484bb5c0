/**
 * local: delivers to the mailboxes, files and commands of this machine's users, by way of aliases and ~/.forward.
 *
 * Talks to:      qmgr (service/deliver); bounce, defer, trace; other transports, for mailbox_transport; cleanup,
 *                linked in, for mail that goes on to other addresses.
 * Reads, writes: alias maps; ~/.forward; :include: files; mailboxes; marks recipients of files in active/ as done;
 *                new messages in incoming/.
 * Privileges:    root, to take the identity of each recipient; no command ever runs as root. Without root only
 *                the mailboxes of its own user can be written.
 * Diagnostics:   sent, deferred or bounced for each end of the expansion.
 * Standards:     RFC 9228 (Delivered-To); RFC 4155 (mbox); RFC 3463 (status codes).
 */
import { openCleanup } from '#cleanup/cleanup.ts'
import { cleanupConfig } from '#cleanup/service-config.ts'
import { markDone } from '#queue/mark.ts'
import { openRouter } from '#rewrite/resolve.ts'
import { dropGroups } from '#system/as-user.ts'
import { getpwnam } from '#system/users.ts'
import { agentHandlers, agentTools, DONE, LEFT, type Delivery } from '#service/agent.ts'
import { returnRefused } from '#service/return-refused.ts'
import { runWorker } from '#service/worker.ts'
import { deliveredTo } from '#deliver/mailbox/loop.ts'
import { deliverAddress, type ExpandTools } from './expand.ts'
import { openPass } from './pass.ts'
import { resendAll, type ResendTools } from './resend.ts'
import { readSettings } from './settings.ts'
import type { Branch, Expansion } from './state.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'

await runWorker('local', (worker) => {
  const { config, common, service } = worker
  const settings = readSettings(config)
  const tools = agentTools(worker)
  const owner = getpwnam(config.str('mail_owner'))
  if (!owner) throw new Error(`unknown mail_owner user: ${config.str('mail_owner')}`)
  const expandTools: ExpandTools = { router: openRouter(config), serviceName: service.name, pass: openPass() }
  const resendTools: ResendTools = {
    cleanup: openCleanup(cleanupConfig(common, config.str('cleanup_service_name')), {
      spool: tools.spool, bounceRejected: returnRefused(config, tools.bounces),
    }),
    queueOwner: owner,
    origin: {
      myhostname: config.str('myhostname'), mailName: config.str('mail_name'),
      queueService: config.str('queue_service_name'),
    },
  }
  dropGroups()
  const deliverOne = async (
    delivery: Delivery, root: EnvelopeRecipient, seen: ReadonlySet<string>,
  ): Promise<boolean> => {
    const expansion: Expansion = { delivery, settings, root, seen, duplicates: new Set(), forwards: new Map() }
    const branch: Branch = {
      recipient: root, deliveredTo: root.address, sender: delivery.request.sender, level: 0, source: 'envelope', privileges: undefined,
      owner: undefined, relayed: false, forwardOf: new Set(), alias: undefined, extension: '', unmatched: '',
    }
    // What stays is expanded again: mail that goes on now would go on each time.
    if (await deliverAddress(expansion, branch, expandTools)) return true
    if (await resendAll(expansion, branch, resendTools)) return true
    if (root.offset > 0) markDone(delivery.message.fd, root.offset)
    return false
  }
  return agentHandlers(worker, tools, async (delivery) => {
    const seen = deliveredTo(delivery.message, delivery.request.dataOffset)
    let left = false
    for (const recipient of delivery.request.recipients) if (await deliverOne(delivery, recipient, seen)) left = true
    return left ? LEFT : DONE
  })
})
