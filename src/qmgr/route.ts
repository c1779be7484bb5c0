/**
 * Groups the recipients of one message by where they go: transport, next hop, and the key of the destination.
 *
 * Source: qmgr(8); transport(5); postconf(5) default_filter_nexthop, defer_transports, double_bounce_sender.
 *
 * @module
 */
import { splitAddress, splitExtension } from '#mail/address.ts'
import { foldCase } from '#util/ascii.ts'
import type { Envelope, EnvelopeRecipient } from '#queue/envelope.ts'
import type { Resolved } from '#rewrite/resolve.ts'
import type { MaybePromise } from '#util/maybe.ts'

/** Recipients that share a destination. */
export type Group = {
  readonly transport: string
  readonly nexthop: string
  /** Unit of concurrency: the next hop, or one mailbox when the transport takes one recipient at a time. */
  readonly key: string
  readonly recipients: EnvelopeRecipient[]
}

/** What routing the recipients of a message needs. */
export type RouteTools = {
  readonly resolve: (sender: string, recipient: string) => MaybePromise<Resolved>
  /** Recipients in one request of a transport; 1 makes each mailbox a destination. */
  readonly recipientLimit: (transport: string) => number
  /** Why mail for this destination is not tried now; undefined when it is. */
  readonly refusal: (transport: string, key: string) => { readonly status: string; readonly text: string } | undefined
  readonly isDeferredTransport: (transport: string) => boolean
  readonly errorTransport: string
  readonly retryTransport: string
  readonly discardDoubleBounce: (recipient: EnvelopeRecipient) => void
  readonly doubleBounceSender: string
  readonly recipientDelimiter: string
  readonly filterNexthop: string
  readonly myhostname: string
}

type Target = { transport: string; nexthop: string; recipient: EnvelopeRecipient; class: Resolved['class'] | 'filter' }

/**
 * Routes every recipient of the envelope.
 *
 * A redirect replaces all recipients by one; a content filter overrides the route of all. Recipients that
 * can't be resolved, and those whose destination is dead, go to the error or retry transport with the reason
 * as next hop, so that every recipient ends by the same path: a delivery agent that reports.
 */
export async function routeRecipients(envelope: Envelope, tools: RouteTools): Promise<Group[]> {
  const groups = new Map<string, Group>()
  for (const recipient of redirected(envelope)) {
    const target = await targetOf(envelope, recipient, tools)
    if (target.class === 'local' && isDoubleBounce(target.recipient, tools)) {
      tools.discardDoubleBounce(target.recipient)
      continue
    }
    const group = groupOf(target, tools)
    const name = `${group.transport}\n${group.key}\n${group.nexthop}`
    const known = groups.get(name)
    if (known) known.recipients.push(target.recipient)
    else groups.set(name, group)
  }
  for (const { recipients } of groups.values()) recipients.sort(compareRecipients)
  return [...groups.values()].toSorted(compareGroups)
}

/** As in Postfix, so that logs, transactions and notices name recipients in the same order: by transport and queue. */
function compareGroups(a: Group, b: Group): number {
  return compare(foldCase(a.transport), foldCase(b.transport)) || compare(foldCase(a.key), foldCase(b.key))
}

/** By domain, then by address, with upper case first; those without a domain last. */
function compareRecipients(a: EnvelopeRecipient, b: EnvelopeRecipient): number {
  const [one, other] = [splitAddress(a.address).domain, splitAddress(b.address).domain]
  if ((one === undefined) !== (other === undefined)) return one === undefined ? 1 : -1
  return compare(one ?? '', other ?? '') || compare(a.address, b.address)
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** A REDIRECT action sends the whole message to one address; the record of the first recipient stands for it. */
function redirected(envelope: Envelope): readonly EnvelopeRecipient[] {
  const { redirect, recipients } = envelope
  if (redirect === undefined) return recipients
  return recipients.slice(0, 1).map((recipient) => ({ ...recipient, address: redirect }))
}

async function targetOf(envelope: Envelope, recipient: EnvelopeRecipient, tools: RouteTools): Promise<Target> {
  if (envelope.contentFilter !== undefined) return filterTarget(envelope.contentFilter, recipient, tools)
  const resolved = await tools.resolve(envelope.sender, recipient.address)
  if (resolved.problem === 'fail') {
    return { transport: tools.retryTransport, nexthop: '4.3.0 address resolver failure', recipient, class: 'default' }
  }
  if (resolved.problem === 'error') {
    return { transport: tools.errorTransport, nexthop: '5.1.3 bad address syntax', recipient, class: 'default' }
  }
  const { transport, nexthop } = resolved
  return { transport, nexthop, recipient: { ...recipient, address: resolved.recipient }, class: resolved.class }
}

function filterTarget(filter: string, recipient: EnvelopeRecipient, tools: RouteTools): Target {
  const colon = filter.indexOf(':')
  const transport = colon < 0 ? filter : filter.slice(0, colon)
  const given = colon < 0 ? '' : filter.slice(colon + 1)
  const domain = splitAddress(recipient.address).domain ?? tools.myhostname
  return { transport, nexthop: given || tools.filterNexthop || domain, recipient, class: 'filter' }
}

function isDoubleBounce(recipient: EnvelopeRecipient, tools: RouteTools): boolean {
  return foldCase(splitAddress(recipient.address).local) === foldCase(tools.doubleBounceSender)
}

function groupOf(target: Target, tools: RouteTools): Group {
  const { transport, nexthop, recipient } = target
  if (tools.isDeferredTransport(transport)) {
    return retryGroup(
      { status: '4.3.2', text: 'deferred transport' }, recipient, tools,
    )
  }
  const key = tools.recipientLimit(transport) === 1 ? mailboxKey(recipient, nexthop, tools) : foldCase(nexthop)
  const refusal = tools.refusal(transport, key)
  if (refusal && transport !== tools.retryTransport) return retryGroup(refusal, recipient, tools)
  return { transport, nexthop, key, recipients: [recipient] }
}

function retryGroup(reason: { status: string; text: string }, recipient: EnvelopeRecipient, tools: RouteTools): Group {
  const nexthop = `${reason.status} ${reason.text}`
  return { transport: tools.retryTransport, nexthop, key: nexthop, recipients: [recipient] }
}

/** Extensions of one mailbox share its window: they end in the same file. */
function mailboxKey(recipient: EnvelopeRecipient, nexthop: string, tools: RouteTools): string {
  const { local } = splitAddress(recipient.address)
  const { user } = splitExtension(local, tools.recipientDelimiter)
  return foldCase(`${user}@${nexthop}`)
}
