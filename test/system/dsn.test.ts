/** Delivery status notifications as the sender asked for them. RFC 3461. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { readNotice } from '#test/support/notice.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { answering, startPeer, type PeerServer, type Transcript } from '#test/support/smtp-peer.ts'
import { startSystem, type MailSystem } from '#test/support/system.ts'
import { assertQueuesEmpty, mailWith, submitWith, waitNotice, waitRemoved } from '#test/support/system-mail.ts'

const rcpt = (address: string): string => (address.startsWith('nobody') ? '550 5.1.1 no such user' : '250 2.1.5 Ok')
const plain: Transcript = { commands: [], messages: [] }
const knowing: Transcript = { commands: [], messages: [] }
let plainPeer: PeerServer
let knowingPeer: PeerServer
let system: MailSystem

before(async () => {
  plainPeer = await startPeer(answering({ rcpt }, plain))
  knowingPeer = await startPeer(answering({ rcpt, capabilities: ['DSN'] }, knowing))
  system = await startSystem({
    main: {
      relayhost: `[127.0.0.1]:${plainPeer.port}`, transport_maps: 'texthash:@HOME@/etc/transport',
      smtp_connection_cache_on_demand: 'no',
    },
    files: { transport: `dsn.example smtp:[127.0.0.1]:${knowingPeer.port}\n` },
  })
})
after(async () => {
  await system[Symbol.asyncDispose]()
  await plainPeer[Symbol.asyncDispose]()
  await knowingPeer[Symbol.asyncDispose]()
})

test('EHLO offers DSN', async () => {
  using client = await SmtpClient.open(system.port('smtp'))
  assert.match(await client.command('EHLO client.example.com'), /^250-DSN$/m)
})

test('NOTIFY=SUCCESS brings a report of delivery to a mailbox [RFC 3461 §5.2.3]', async () => {
  const id = await submitWith(
    system, ' RET=HDRS ENVID=QQ314159', ['<bob@example.org> NOTIFY=SUCCESS ORCPT=rfc822;robert@example.org'],
    'eve@example.org',
  )
  const noticeId = await waitNotice(system, id, 'sender delivery status notification')
  await waitRemoved(system, id)
  const notice = await readNotice(mailWith(system, 'box', `id ${noticeId}`))
  assert.equal(notice.subject, 'Successful Mail Delivery Report')
  assert.equal(notice.message['original-envelope-id'], 'QQ314159')
  const {
    'final-recipient': to, 'original-recipient': original, action, status, 'diagnostic-code': code,
  } = notice.recipients[0] ?? {}
  assert.deepEqual({ to, original, action, status, code }, {
    to: 'rfc822; bob@example.org', original: 'rfc822;robert@example.org', action: 'delivered', status: '2.0.0',
    code: 'X-Posthorn; delivery via virtual: delivered to maildir',
  })
  assert.equal(notice.originalType, 'text/rfc822-headers')
  assertQueuesEmpty(system)
})

test('NOTIFY=SUCCESS to a server without DSN brings a report of relaying [RFC 3461 §5.2.2]', async () => {
  const id = await submitWith(system, '', ['<carol@far.example> NOTIFY=SUCCESS'], 'eve@example.org')
  const noticeId = await waitNotice(system, id, 'sender delivery status notification')
  const notice = await readNotice(mailWith(system, 'box', `id ${noticeId}`))
  assert.equal(notice.recipients[0]?.['action'], 'relayed')
  assert.equal(notice.recipients[0]?.['remote-mta'], 'dns; 127.0.0.1')
  assert.ok(!plain.commands.some((line) => /NOTIFY=|RET=|ENVID=/.test(line)))
  assertQueuesEmpty(system)
})

test('a server with DSN gets the wishes handed on, and reports itself [RFC 3461 §5.2.1]', async () => {
  const id = await submitWith(
    system, ' RET=HDRS ENVID=a+2Bb', ['<carol@dsn.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c@d'], 'eve@example.org',
  )
  await waitRemoved(system, id)
  assert.match(
    knowing.commands.find((line) => line.startsWith('MAIL')) ?? '',
    /^MAIL FROM:<eve@example\.org>(?=.* RET=HDRS)(?=.* ENVID=a\+2Bb)/,
  )
  assert.match(
    knowing.commands.find((line) => line.startsWith('RCPT')) ?? '',
    /^RCPT TO:<carol@dsn\.example>(?=.* NOTIFY=SUCCESS,FAILURE)(?=.* ORCPT=rfc822;c@d)/,
  )
  assert.ok(!system.log().some((line) => line.includes(`${id}: sender`)))
  assertQueuesEmpty(system)
})

const SILENT = ['NOTIFY=NEVER', 'NOTIFY=SUCCESS', 'NOTIFY=DELAY']

for (const notify of SILENT) {
  test(`a failure with ${notify} is not reported [RFC 3461 §4.1]`, async () => {
    const id = await submitWith(system, '', [`<nobody@far.example> ${notify}`], 'eve@example.org')
    await system.waitForLog(new RegExp(`${id}: to=<nobody@far.example>.*status=bounced`))
    await waitRemoved(system, id)
    assert.ok(!system.log().some((line) => line.includes(`${id}: sender`)))
    assertQueuesEmpty(system)
  })
}

test('RET decides how much of the message a failure brings back [RFC 3461 §4.3]', async () => {
  for (
    const [parameter, type, whole] of [
      [' RET=HDRS', 'text/rfc822-headers', false], [' RET=FULL', 'message/rfc822', true], ['', 'message/rfc822', true],
    ] as const
  ) {
    const id = await submitWith(system, parameter, ['<nobody@far.example> NOTIFY=FAILURE'], 'eve@example.org')
    const noticeId = await waitNotice(system, id, 'sender non-delivery notification')
    const notice = await readNotice(mailWith(system, 'box', `id ${noticeId}`))
    assert.equal(notice.originalType, type, parameter)
    assert.equal(notice.original.includes('Hello.'), whole, parameter)
  }
  assertQueuesEmpty(system)
})

test('sendmail -v reports what became of the mail, sendmail -bv only what would', async () => {
  for (
    const [flag, template] of [['-v', 'Mail Delivery Status Report'], ['-bv', 'Mail Delivery Status Report']] as const
  ) {
    const already = system.maildir('box').length
    const { status } = await system.command(
      'sendmail', [flag, '-f', 'eve@example.org', 'bob@example.org'], 'Subject: tell me\n\nHello.\n',
    )
    assert.equal(status, 0)
    const [line = ''] = (
      await system.waitForLines(/: sender delivery status notification: \w+$/, flag === '-v' ? 3 : 4)
    ).slice(-1)
    await waitRemoved(system, line.split(' ').at(-1) ?? '')
    const notice = await readNotice(mailWith(system, 'box', `id ${line.split(' ').at(-1)}`))
    assert.equal(notice.subject, template)
    assert.equal(notice.recipients[0]?.['action'], flag === '-v' ? 'delivered' : 'deliverable')
    assert.equal(system.maildir('box').length - already, flag === '-v' ? 2 : 1)
  }
  assertQueuesEmpty(system)
})
