/**
 * What routing asks of a running queue manager: the resolver, the rules of transports, what is dead or put off, and
 * the end of notices about undeliverable notices.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { externalAddress } from '#mail/address.ts'
import type { Clock } from '#system/clock.ts'
import { files, O_RDWR } from '#system/files.ts'
import { log } from '#system/log.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { markDone } from '#queue/mark.ts'
import { queuePath, type Spool } from '#queue/spool.ts'
import type { Router } from '#rewrite/resolve.ts'
import type { ActiveMessage } from './active-message.ts'
import type { RouteTools } from './route.ts'
import type { TransportRules } from './destinations.ts'
import type { Scheduler } from './scheduler.ts'

/** The service that reports why a recipient waits. */
export const RETRY_TRANSPORT = 'retry'

/** Parts of the queue manager that routing is made of. */
export type RoutingParts = {
  readonly config: Config
  readonly spool: Spool
  readonly clock: Clock
  /** Not the time of day. */
  readonly ticks: Clock
  readonly router: Router
  readonly rules: (transport: string) => TransportRules
  readonly scheduler: Scheduler<ActiveMessage>
  /** Whether transports of defer_transports are tried too, for once. */
  readonly flushing: () => boolean
}

/** The tools of routeRecipients() for each message. */
export function routeToolsFor(parts: RoutingParts): (message: ActiveMessage) => RouteTools {
  const { config, router, rules, scheduler, ticks } = parts
  const deferTransports = new Set(config.list('defer_transports'))
  const common = {
    resolve: (sender: string, recipient: string) => router.resolve(sender, recipient),
    recipientLimit: (transport: string) => rules(transport).recipientLimit,
    refusal: (transport: string, key: string) => scheduler.refusal(transport, key, ticks.now()),
    isDeferredTransport: (transport: string) => !parts.flushing() && deferTransports.has(transport),
    errorTransport: config.str('error_service_name'),
    retryTransport: RETRY_TRANSPORT,
    doubleBounceSender: config.str('double_bounce_sender'),
    recipientDelimiter: config.str('recipient_delimiter'),
    filterNexthop: config.str('default_filter_nexthop'),
    myhostname: config.str('myhostname'),
  }
  return (message) => ({ ...common, discardDoubleBounce: (recipient) => discard(parts, message, recipient) })
}

/** A notice about an undeliverable notice ends here: anything else would go round for ever. */
function discard({ spool, clock }: RoutingParts, message: ActiveMessage, { address, offset }: EnvelopeRecipient): void {
  const { arrival } = message.envelope
  const delay = Math.max(0, Math.round(clock.now() / 1000 - arrival.seconds))
  const to = externalAddress(address)
  log.info(`${message.id}: to=<${to}>, relay=none, delay=${delay}, delays=${delay}/0/0/0, dsn=2.0.0, `
    + 'status=sent (undeliverable postmaster notification discarded)', { queue_id: message.id, to, status: 'sent' })
  const fd = files.open(queuePath(spool, 'active', message.id), O_RDWR)
  try {
    markDone(fd, offset)
  } finally {
    files.close(fd)
  }
}
