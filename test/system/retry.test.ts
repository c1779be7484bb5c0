/** Failures of other servers: tried again, returned to the sender, and recipients that end differently. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { readNotice } from '#test/support/notice.ts'
import { answering, startPeer, type PeerServer, type Replies, type Transcript } from '#test/support/smtp-peer.ts'
import { freePort, startSystem, type MailSystem } from '#test/support/system.ts'
import {
  assertQueuesEmpty, mailWith, queueFiles, subject, submit, waitDelivery, waitNotice, waitRemoved,
} from '#test/support/system-mail.ts'

const transcript: Transcript = { commands: [], messages: [] }
/** What the other server says of a recipient; by local part. */
const verdicts = new Map<string, string>()
const replies: Replies = { rcpt: (address) => verdicts.get(address.split('@')[0] ?? '') ?? '250 2.1.5 Ok' }
const MX = /127\.0\.0\.1\[127\.0\.0\.1\]:\d+/
const OK = { relay: MX, tls: 'may:none', dsn: '2.0.0', status: 'sent', reason: '250 2.0.0 Ok: queued as 4X9' } as const

let peer: PeerServer
let closedPort: number
let system: MailSystem

before(async () => {
  peer = await startPeer(answering(replies, transcript))
  closedPort = await freePort()
  system = await startSystem({
    main: {
      relayhost: `[127.0.0.1]:${peer.port}`, transport_maps: 'texthash:@HOME@/etc/transport', minimal_backoff_time: '1s',
      maximal_backoff_time: '2s', queue_run_delay: '1s',
    },
    files: { transport: `closed.example smtp:[127.0.0.1]:${closedPort}\nabsent.example nosuchservice:\n` },
  })
})
after(async () => {
  await system[Symbol.asyncDispose]()
  await peer[Symbol.asyncDispose]()
})

test('what is refused for now is tried again by itself, and then delivered', async () => {
  verdicts.set('later', '450 4.2.0 come back')
  const id = await submit(system, ['later@far.example'], { message: subject('patience') })
  await waitDelivery(system, id, {
    to: 'later@far.example', relay: MX, tls: 'may:none', dsn: '4.2.0', status: 'deferred',
    reason: /host 127\.0\.0\.1\[127\.0\.0\.1\] said: 450 4\.2\.0 come back \(in reply to RCPT TO command\)/,
  })
  verdicts.delete('later')
  await waitRemoved(system, id)
  assert.equal(transcript.messages.filter((message) => message.includes('Subject: patience')).length, 1)
  assert.ok(
    system.log().filter(
      (line) => line.includes(`${id}: from=<alice@example.com>, size=`) && line.endsWith('nrcpt=1 (queue active)')
    ).length > 1
  )
  assertQueuesEmpty(system)
})

test('what is refused for good goes back to the sender with the words of the other server', async () => {
  verdicts.set('nobody', '550 5.1.1 no such user')
  const id = await submit(system, ['nobody@far.example'], { from: 'eve@example.org', message: subject('refused') })
  await waitDelivery(system, id, {
    to: 'nobody@far.example', relay: MX, tls: 'may:none', dsn: '5.1.1', status: 'bounced',
    reason: 'host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no such user (in reply to RCPT TO command)',
  })
  const noticeId = await waitNotice(system, id, 'sender non-delivery notification')
  await waitRemoved(system, id)
  const notice = await readNotice(mailWith(system, 'box', `id ${noticeId}`))
  assert.equal(notice.returnPath, '<>')
  assert.equal(notice.subject, 'Undelivered Mail Returned to Sender')
  assert.equal(notice.from, '"Mail Delivery System" <MAILER-DAEMON@example.org>')
  assert.equal(notice.to, 'eve@example.org')
  assert.match(notice.text, /^This is the mail system at host mail\.example\.org\.\n/)
  assert.match(
    notice.text,
    /<nobody@far\.example>: host 127\.0\.0\.1\[127\.0\.0\.1\] said: 550 5\.1\.1 no such user\n {4}\(in reply to RCPT TO command\)/,
  )
  assert.equal(notice.message['reporting-mta'], 'dns; mail.example.org')
  assert.equal(notice.message['x-posthorn-queue-id'], id)
  assert.deepEqual(notice.recipients, [{
    'final-recipient': 'rfc822; nobody@far.example', 'original-recipient': 'rfc822;nobody@far.example', action: 'failed', status: '5.1.1',
    'remote-mta': 'dns; 127.0.0.1', 'diagnostic-code': 'smtp; 550 5.1.1 no such user',
  }])
  assert.equal(notice.originalType, 'message/rfc822')
  assert.match(
    notice.original, /^Return-Path: <eve@example\.org>\r?\nReceived: from client[^]*Subject: refused[^]*Hello\./,
  )
  assertQueuesEmpty(system)
})

test('recipients of one message end each in its own way', async () => {
  verdicts.set('nobody', '550 5.1.1 no such user').set('later', '450 4.2.0 come back')
  const to = ['good@far.example', 'nobody@far.example', 'later@far.example', 'bob@example.org']
  const id = await submit(system, to, { from: 'eve@example.org', message: subject('mixed') })
  await waitDelivery(system, id, { ...OK, to: 'good@far.example' })
  await waitDelivery(
    system, id,
    { to: 'bob@example.org', relay: 'virtual', dsn: '2.0.0', status: 'sent', reason: 'delivered to maildir' },
  )
  const noticeId = await waitNotice(system, id, 'sender non-delivery notification')
  const notice = await readNotice(mailWith(system, 'box', `id ${noticeId}`))
  assert.deepEqual(notice.recipients.map((fields) => fields['final-recipient']), ['rfc822; nobody@far.example'])
  verdicts.delete('later')
  await waitRemoved(system, id)
  // Nobody gets it twice.
  const rcpts = transcript.commands.filter((line) => line.startsWith('RCPT TO:<good@far.example>'))
  assert.equal(rcpts.length, 1)
  assert.equal(
    system.maildir('box').filter(
      (mail) => mail.includes('Subject: mixed') && mail.includes('Delivered-To: bob@')
    ).length,
    1,
  )
  assertQueuesEmpty(system)
})

test('a server that is down defers; postsuper -d ends it', async () => {
  const id = await submit(system, ['carol@closed.example'], { message: subject('down') })
  await waitDelivery(system, id, {
    to: 'carol@closed.example', program: 'smtp', relay: 'none', tls: 'may?', dsn: '4.4.1', status: 'deferred',
    reason: `connect to 127.0.0.1[127.0.0.1]:${closedPort}: Connection refused`,
  })
  await system.waitForLog(
    new RegExp(
      `^postfix/smtp\\[\\d+\\]: connect to 127\\.0\\.0\\.1\\[127\\.0\\.0\\.1\\]:${closedPort}: Connection refused$`
    )
  )
  assert.equal((await system.command('postsuper', ['-d', id])).status, 0)
  assertQueuesEmpty(system)
})

test('a transport that is not in master.cf defers, with a warning', async () => {
  const id = await submit(system, ['carol@absent.example'], { message: subject('no transport') })
  await waitDelivery(system, id, {
    to: 'carol@absent.example', program: 'error', relay: 'none', dsn: '4.3.0', status: 'deferred', reason: 'mail transport unavailable',
  })
  await system.waitForLog(
    /^postfix\/qmgr\[\d+\]: warning: connect to transport private\/nosuchservice: No such file or directory$/
  )
  assert.equal((await system.command('postsuper', ['-d', id])).status, 0)
  assert.deepEqual(queueFiles(system), [])
})
