/** What main.cf does to the way of a message: content_filter, always_bcc, transport_maps, virtual aliases. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { answering, startPeer, type PeerServer, type Transcript } from '#test/support/smtp-peer.ts'
import { startSystem, type MailSystem } from '#test/support/system.ts'
import { sendMail } from '#test/support/smtp-client.ts'
import {
  assertQueuesEmpty, copiesOf, queueIdOf, subject, submit, submitWith, waitDelivery, waitNotice, waitRemoved,
} from '#test/support/system-mail.ts'

const MX = /127\.0\.0\.1\[127\.0\.0\.1\]:\d+/
const byTable: Transcript = { commands: [], messages: [] }
const byDefault: Transcript = { commands: [], messages: [] }
const filter: Transcript = { commands: [], messages: [] }

let peers: PeerServer[]
let system: MailSystem

before(async () => {
  peers = [
    await startPeer(answering({}, byTable)), await startPeer(answering({}, byDefault)),
    await startPeer(answering({}, filter)),
  ]
  const [table, relay, scanner] = peers.map(({ port }) => port)
  system = await startSystem({
    main: {
      relayhost: `[127.0.0.1]:${relay}`, transport_maps: 'texthash:@HOME@/etc/transport', relay_domains: 'table.example',
      virtual_alias_domains: 'alias.example', virtual_alias_maps: 'texthash:@HOME@/etc/virtual',
      scan_destination_recipient_limit: '100',
    },
    master: [
      'scan unix - - n - - smtp',
      `127.0.0.1:@PORT:filtered@ inet n - n - - smtpd -o content_filter=scan:[127.0.0.1]:${scanner}`,
      '127.0.0.1:@PORT:archived@ inet n - n - - smtpd -o cleanup_service_name=archive',
      'archive unix n - n - 0 cleanup -o always_bcc=archive@example.org',
    ],
    files: {
      transport: `table.example relay:[127.0.0.1]:${table}\n.sub.example relay:[127.0.0.1]:${table}\nlost@example.org error:5.7.1 this one is lost\n`,
      virtual: [
        'both@alias.example one@example.org, two@example.org', 'nested@alias.example both@alias.example, far@table.example',
        '@catch.example caught@example.org', 'self@example.org self@example.org, extra@example.org', '',
      ].join('\n'),
    },
  })
})
after(async () => {
  await system[Symbol.asyncDispose]()
  for (const peer of peers) await peer[Symbol.asyncDispose]()
})

/** Recipients of a peer's sessions. */
function recipientsOf({ commands }: Transcript): string[] {
  return commands.filter((line) => line.startsWith('RCPT')).map((line) => /<(.*?)>/.exec(line)?.[1] ?? '')
}

const ALIASES: readonly (readonly [to: string, mailboxes: readonly string[]])[] = [
  ['both@alias.example', ['one@example.org', 'two@example.org']],
  ['nested@alias.example', ['one@example.org', 'two@example.org']],
  ['self@example.org', ['extra@example.org', 'self@example.org']],
]

for (const [to, mailboxes] of ALIASES) {
  test(`virtual alias ${to} goes to ${mailboxes.join(' and ')}`, async () => {
    const about = `alias ${to}`
    const id = await submit(system, [to], { message: subject(about) })
    await waitRemoved(system, id)
    assert.deepEqual(copiesOf(system, about), mailboxes)
    for (const mailbox of mailboxes) {
      const origTo = mailbox === to ? {} : { origTo: to }
      await waitDelivery(
        system, id,
        { to: mailbox, ...origTo, relay: 'virtual', dsn: '2.0.0', status: 'sent', reason: 'delivered to maildir' },
      )
    }
    assertQueuesEmpty(system)
  })
}

test('an address in a virtual alias domain that no table knows is refused', async () => {
  assert.equal(await sendMail(system.port('smtp'), 'alice@example.com', ['nobody@alias.example'], 'Subject: x\n\nx'),
    '550 5.1.1 <nobody@alias.example>: Recipient address rejected: User unknown in virtual alias table')
})

test('transport_maps chooses the server, by domain and by sub-domain; all else goes by relayhost', async () => {
  const id = await submit(
    system, ['a@table.example', 'b@x.sub.example', 'c@other.example'], { message: subject('by table') },
  )
  await waitRemoved(system, id)
  const line = {
    relay: MX, tls: 'may:none', dsn: '2.0.0', status: 'sent', reason: '250 2.0.0 Ok: queued as 4X9',
  } as const
  for (
    const to of ['a@table.example', 'b@x.sub.example', 'c@other.example']
  ) await waitDelivery(system, id, { to, ...line })
  assert.deepEqual(
    recipientsOf(byTable).filter((to) => !to.startsWith('far')).toSorted(), ['a@table.example', 'b@x.sub.example'],
  )
  assert.deepEqual(recipientsOf(byDefault), ['c@other.example'])
  assertQueuesEmpty(system)
})

test('transport_maps refuses one address with error:', async () => {
  assert.equal(await sendMail(system.port('smtp'), 'alice@example.com', ['lost@example.org'], 'Subject: x\n\nx'),
    '550 5.7.1 <lost@example.org>: Recipient address rejected: this one is lost')
})

test('content_filter sends all mail of a door to the filter, whatever the recipients', async () => {
  const to = ['bob@example.org', 'c@other.example']
  const id = await submit(system, to, { port: 'filtered', message: subject('to be scanned') })
  await waitRemoved(system, id)
  for (const each of to) {
    await waitDelivery(
      system, id,
      {
        program: 'smtp', to: each, relay: MX, tls: 'may:none', dsn: '2.0.0', status: 'sent',
        reason: '250 2.0.0 Ok: queued as 4X9',
      },
    )
  }
  assert.equal(filter.messages.length, 1)
  assert.deepEqual(recipientsOf(filter).toSorted(), to)
  assert.deepEqual(copiesOf(system, 'to be scanned'), [])
  assertQueuesEmpty(system)
})

test('always_bcc adds a recipient that failures do not bother anybody about', async () => {
  const id = await submit(system, ['bob@example.org'], { port: 'archived', message: subject('for the archive') })
  await waitRemoved(system, id)
  assert.deepEqual(copiesOf(system, 'for the archive'), ['archive@example.org', 'bob@example.org'])
  assert.match(await system.waitForLog(new RegExp(`${id}: from=<alice@example.com>`)), /nrcpt=2 \(queue active\)$/)
  assertQueuesEmpty(system)
})

test('an alias that is expanded on the way in is reported to who asked for success [RFC 3461 §5.2.7.3]', async () => {
  const id = await submitWith(system, '', ['<both@alias.example> NOTIFY=SUCCESS'], 'eve@example.org')
  await waitNotice(system, id, 'sender delivery status notification')
  await waitRemoved(system, id)
  assert.match(
    system.maildir('box').at(-1) ?? '',
    /^Final-Recipient: rfc822; both@alias\.example\nOriginal-Recipient: rfc822;both@alias\.example\nAction: expanded\nStatus: 2\.0\.0\n/m,
  )
  assertQueuesEmpty(system)
})

// enable_original_recipient=yes: what was sent to two addresses is not the same mail, even if one mailbox gets both.
test('a mailbox that several addresses lead to gets one copy for each of them', async () => {
  const reply = await sendMail(
    system.port('smtp'), 'alice@example.com', ['both@alias.example', 'nested@alias.example', 'one@example.org'],
    subject('many ways'),
  )
  await waitRemoved(system, queueIdOf(reply))
  assert.deepEqual(
    copiesOf(system, 'many ways'),
    ['one@example.org', 'one@example.org', 'one@example.org', 'two@example.org', 'two@example.org'],
  )
  assertQueuesEmpty(system)
})
