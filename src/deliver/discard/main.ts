/**
 * discard: reports every recipient as delivered, and delivers nothing. The next hop is the reason in the log.
 *
 * Talks to:      qmgr (service/deliver); trace.
 * Reads, writes: marks recipients of files in active/ as done.
 * Privileges:    mail_owner.
 * Diagnostics:   sent for each recipient.
 * Standards:     RFC 3463 (enhanced status codes).
 */
import { parseStatus } from '#mail/status.ts'
import { agentHandlers, agentTools, endAll } from '#service/agent.ts'
import { runWorker } from '#service/worker.ts'

await runWorker('discard', (worker) => agentHandlers(worker, agentTools(worker), (delivery) => {
  const { nexthop } = delivery.request
  const parsed = parseStatus(nexthop)
  const reason = (parsed ? parsed.rest : nexthop).trim() || 'none'
  const status = parsed?.status.startsWith('2') ? parsed.status : '2.0.0'
  return endAll(delivery, 'sent', { status, reason, relay: 'none', handoff: delivery.handoff })
}))
