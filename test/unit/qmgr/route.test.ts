/** Where the recipients of one message go: see src/qmgr/route.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Envelope, EnvelopeRecipient } from '#queue/envelope.ts'
import type { Resolved } from '#rewrite/resolve.ts'
import { routeRecipients, type RouteTools } from '#qmgr/route.ts'

function recipients(...addresses: readonly string[]): EnvelopeRecipient[] {
  return addresses.map(
    (address, index) => ({ offset: 100 + index, address, original: address, dsnOrcpt: '', notify: 0 })
  )
}

function envelope(addresses: readonly string[], more: Partial<Envelope> = {}): Envelope {
  return {
    contentSize: 0, dataOffset: 0, contentLength: 0, recipientCount: addresses.length, qmgrFlags: 0, sendOptions: 0,
    arrival: { seconds: 0, microseconds: 0 }, createTime: 0, sender: 'alice@example.org', warnTime: undefined, warnOffset: undefined,
    encoding: '', rewriteContext: 'local', envelopeId: '', retFlags: 0, contentFilter: undefined, redirect: undefined,
    inspector: undefined, verp: undefined, traceFlags: 0, traceOffset: undefined, attributes: new Map(),
    recipients: recipients(...addresses), unread: 0, more: undefined, ...more,
  }
}

/** Everything goes by smtp to the domain of the address; `example.org` is local. */
function resolve(_sender: string, address: string): Promise<Resolved> {
  const domain = address.slice(address.lastIndexOf('@') + 1)
  const local = domain === 'example.org'
  return Promise.resolve({
    transport: local ? 'local' : 'smtp', nexthop: domain, recipient: address, class: local ? 'local' : 'default', routed: false,
    ...(domain === 'bad.example' ? { problem: 'error' } : {}), ...(
      domain === 'later.example' ? { problem: 'fail' } : {}
    ),
  })
}

function tools(more: Partial<RouteTools> = {}): RouteTools & { readonly discarded: string[] } {
  const discarded: string[] = []
  return {
    resolve, recipientLimit: (transport) => (
      transport === 'local' ? 1 : 50
    ), refusal: () => undefined, isDeferredTransport: () => false,
    errorTransport: 'error', retryTransport: 'retry', discardDoubleBounce: ({ address }) => void discarded.push(address),
    doubleBounceSender: 'double-bounce', recipientDelimiter: '+', filterNexthop: '', myhostname: 'mail.example.org', discarded, ...more,
  }
}

async function routes(
  addresses: readonly string[], more: Partial<Envelope> = {}, how: RouteTools = tools(),
): Promise<string[]> {
  const groups = await routeRecipients(envelope(addresses, more), how)
  return groups.map(
    (
      { transport, nexthop, key, recipients: list }
    ) => `${transport}:${nexthop} [${key}] ${list.map(({ address }) => address).join(' ')}`
  )
}

test('routeRecipients() puts recipients of one next hop together; the case of a name makes no other destination', async () => {
  assert.deepEqual(await routes(['a@far.example', 'b@other.example', 'c@FAR.example']), [
    'smtp:far.example [far.example] a@far.example', 'smtp:FAR.example [far.example] c@FAR.example',
    'smtp:other.example [other.example] b@other.example',
  ])
  assert.deepEqual(
    await routes(['a@far.example', 'b@far.example']), ['smtp:far.example [far.example] a@far.example b@far.example'],
  )
})

test('routeRecipients() makes each mailbox a destination where a transport takes one recipient at a time', async () => {
  assert.deepEqual(await routes(['bob@example.org', 'BOB+list@example.org', 'eve@example.org']), [
    'local:example.org [bob@example.org] BOB+list@example.org bob@example.org', 'local:example.org [eve@example.org] eve@example.org',
  ])
})

test('routeRecipients() gives what cannot be resolved to the error and retry services', async () => {
  assert.deepEqual(await routes(['a@bad.example', 'b@later.example']), [
    'error:5.1.3 bad address syntax [5.1.3 bad address syntax] a@bad.example',
    'retry:4.3.0 address resolver failure [4.3.0 address resolver failure] b@later.example',
  ])
})

function refusal(_transport: string, key: string): { status: string; text: string } | undefined {
  return key === 'dead.example' ? { status: '4.4.1', text: 'down' } : undefined
}

test('routeRecipients() gives dead destinations and deferred transports to the retry service', async () => {
  assert.deepEqual(await routes(['a@dead.example', 'b@far.example'], {}, tools({ refusal })), [
    'retry:4.4.1 down [4.4.1 down] a@dead.example', 'smtp:far.example [far.example] b@far.example',
  ])
  assert.deepEqual(await routes(
    ['a@far.example'], {}, tools({ isDeferredTransport: (transport) => transport === 'smtp' }),
  ),
    ['retry:4.3.2 deferred transport [4.3.2 deferred transport] a@far.example'])
})

test('routeRecipients() sends all recipients to the content filter', async () => {
  const addresses = ['a@far.example', 'b@example.org']
  assert.deepEqual(await routes(addresses, { contentFilter: 'scan:[127.0.0.1]:10025' }),
    ['scan:[127.0.0.1]:10025 [[127.0.0.1]:10025] b@example.org a@far.example'])
  assert.deepEqual(await routes(addresses, { contentFilter: 'scan' }),
    ['scan:example.org [example.org] b@example.org', 'scan:far.example [far.example] a@far.example'])
  assert.deepEqual(await routes(addresses, { contentFilter: 'scan:' }, tools({ filterNexthop: 'filter.example' })),
    ['scan:filter.example [filter.example] b@example.org a@far.example'])
})

test('routeRecipients() sends redirected mail to one address, by the record of the first recipient', async () => {
  const [group] = await routeRecipients(
    envelope(['a@far.example', 'b@example.org'], { redirect: 'chief@other.example' }), tools(),
  )
  assert.deepEqual(
    group?.recipients,
    [{ offset: 100, address: 'chief@other.example', original: 'a@far.example', dsnOrcpt: '', notify: 0 }],
  )
})

test('routeRecipients() lets mail to double-bounce of this system vanish, and no other', async () => {
  const how = tools()
  assert.deepEqual(await routes(['Double-Bounce@example.org', 'double-bounce@far.example'], {}, how),
    ['smtp:far.example [far.example] double-bounce@far.example'])
  assert.deepEqual(how.discarded, ['Double-Bounce@example.org'])
})
