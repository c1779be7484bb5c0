/**
 * virtual: delivers to mailboxes that are named in tables: mbox files and Maildirs, without users of the system.
 *
 * Talks to:      qmgr (service/deliver); bounce, defer, trace.
 * Reads, writes: virtual_mailbox_maps, virtual_uid_maps, virtual_gid_maps; mailboxes below virtual_mailbox_base;
 *                marks recipients of files in active/ as done.
 * Privileges:    root, to take the identity of each mailbox's owner; without root all mailboxes are its own.
 * Diagnostics:   sent, deferred or bounced for each recipient; a mailbox without a usable owner is a warning, and
 *                its mail waits.
 * Standards:     RFC 9228 (Delivered-To); RFC 4155 (mbox).
 */
import { dropGroups } from '#system/as-user.ts'
import { agentHandlers, agentTools } from '#service/agent.ts'
import { runWorker } from '#service/worker.ts'
import { virtualDelivery } from './deliver.ts'

await runWorker('virtual', (worker) => {
  const deliver = virtualDelivery(worker.config)
  dropGroups()
  return agentHandlers(worker, agentTools(worker), deliver)
})
