/**
 * Hands a recipient to another transport (mailbox_transport, fallback_transport), which delivers, logs and reports it.
 *
 * @module
 */
import { externalAddress } from '#mail/address.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { openClient, type Client } from '#service/conversation.ts'
import { isDeliverReply, type DeliverReply, type DeliverRequest } from '#service/deliver.ts'
import { endBranch } from './ending.ts'
import type { Branch, Expansion } from './state.ts'

/** Connections to one transport. */
const CONNECTIONS_MAX = 8

/** Makes the function that hands recipients on; transports are `name` or `name:nexthop`. */
export function openPass(): (expansion: Expansion, branch: Branch, transport: string) => Promise<boolean> {
  const clients = new Map<string, Client<DeliverRequest, DeliverReply>>()
  return async (expansion, branch, transport) => {
    const { request } = expansion.delivery
    const colon = transport.indexOf(':')
    const name = colon < 0 ? transport : transport.slice(0, colon)
    const nexthop = colon < 0 ? '' : transport.slice(colon + 1)
    const client = clients.get(name) ?? openClient(`private/${name}`, isDeliverReply, { connections: CONNECTIONS_MAX })
    clients.set(name, client)
    log.info(
      `${request.queueId}: passing <${externalAddress(branch.recipient.address)}> to transport=${name}`,
      { queue_id: request.queueId },
    )
    // Only the recipient as it stands in the queue file may be marked by the other agent.
    const recipient = branch.level === 0 ? branch.recipient : { ...branch.recipient, offset: 0 }
    try {
      const reply = await client.request(
        { ...request, sender: branch.sender, nexthop: nexthop || request.nexthop, recipients: [recipient] }
      )
      return reply.status !== 0
    } catch (error) {
      log.warning(`${request.queueId}: transport ${name}: ${errnoText(error)}`, { queue_id: request.queueId })
      return endBranch(expansion, branch, { kind: 'deferred', status: '4.3.0', reason: 'mail transport unavailable' })
    }
  }
}
