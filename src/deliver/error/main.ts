/**
 * error: ends every recipient with the next hop as the reason; as `retry` it defers, otherwise it bounces.
 *
 * The next hop is an enhanced status code and a text (`5.1.1 no such user`); without a code it is 5.0.0, or
 * 4.0.0 for retry. A code of class 4 defers also under the name error, and the other way round.
 *
 * Talks to:      qmgr (service/deliver); bounce, defer, trace.
 * Reads, writes: marks recipients of files in active/ as done.
 * Privileges:    mail_owner.
 * Diagnostics:   bounced or deferred for each recipient.
 * Standards:     RFC 3463 (enhanced status codes).
 */
import { agentHandlers, agentTools, endAll } from '#service/agent.ts'
import { runWorker } from '#service/worker.ts'
import { parseErrorNexthop } from './nexthop.ts'

await runWorker('error', (worker) => agentHandlers(worker, agentTools(worker), (delivery) => {
  const { status, reason } = parseErrorNexthop(delivery.request.nexthop, worker.service.name)
  const end = status.startsWith('4') ? 'deferred' : 'bounced'
  return endAll(delivery, end, { status, reason, relay: 'none', handoff: delivery.handoff })
}))
