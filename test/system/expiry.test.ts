/** Mail that can't be delivered in time: expiry, the delay warning and its end, and notices that fail themselves. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { readNotice } from '#test/support/notice.ts'
import { answering, startPeer, type PeerServer } from '#test/support/smtp-peer.ts'
import { startSystem, type MailSystem } from '#test/support/system.ts'
import {
  assertQueuesEmpty, mailWith, queueFiles, subject, submit, waitNotice, waitRemoved,
} from '#test/support/system-mail.ts'

const verdicts = new Map(
  [['later', '450 4.2.0 come back'], ['nobody', '550 5.1.1 no such user'], ['gone', '550 5.1.1 moved away']]
)

let peer: PeerServer

before(async () => {
  peer = await startPeer(answering({ rcpt: (address) => verdicts.get(address.split('@')[0] ?? '') ?? '250 2.1.5 Ok' }))
})
after(() => peer[Symbol.asyncDispose]())

function start(main: Readonly<Record<string, string>>): Promise<MailSystem> {
  return startSystem({
    main: {
      relayhost: `[127.0.0.1]:${peer.port}`, minimal_backoff_time: '1s', maximal_backoff_time: '1s',
      queue_run_delay: '1s', ...main,
    },
  })
}

test('a message that is too old goes back to the sender after its last attempt', async () => {
  await using system = await start({ maximal_queue_lifetime: '0', bounce_queue_lifetime: '0' })
  const id = await submit(
    system, ['later@far.example', 'good@far.example'], { from: 'eve@example.org', message: subject('too old') },
  )
  const noticeId = await waitNotice(system, id, 'sender non-delivery notification')
  await waitRemoved(system, id)
  const log = system.log().filter((line) => line.includes(id))
  assert.match(
    log.find((line) => line.includes('to=<later@')) ?? '',
    /dsn=4\.2\.0, status=deferred \(host .* said: 450 4\.2\.0 come back \(in reply to RCPT TO command\)\)$/,
  )
  assert.equal(
    log.filter((line) => line.endsWith(`${id}: from=<eve@example.org>, status=expired, returned to sender`)).length, 1,
  )
  const notice = await readNotice(mailWith(system, 'box', `id ${noticeId}`))
  assert.equal(notice.subject, 'Undelivered Mail Returned to Sender')
  assert.deepEqual(
    notice.recipients.map(({ action, status, 'final-recipient': to }) => [to, action, status]),
    [['rfc822; later@far.example', 'failed', '4.2.0']],
  )
  assertQueuesEmpty(system)
})

test('a delayed message brings one warning, and news when it is through', async () => {
  await using system = await start({ delay_warning_time: '1s', confirm_delay_cleared: 'yes' })
  const id = await submit(system, ['later@far.example'], { from: 'eve@example.org', message: subject('slow') })
  const warningId = await waitNotice(system, id, 'sender delay notification')
  const warning = await readNotice(mailWith(system, 'box', `id ${warningId}`))
  assert.equal(warning.subject, 'Delayed Mail (still being retried)')
  assert.equal(warning.returnPath, '<>')
  const [fields = {}] = warning.recipients
  assert.deepEqual({ action: fields['action'], status: fields['status'] }, { action: 'delayed', status: '4.2.0' })
  assert.match(fields['will-retry-until'] ?? '', /^\w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d /)
  assert.equal(warning.originalType, 'text/rfc822-headers')
  assert.doesNotMatch(warning.original, /Hello\./)
  // Two more attempts without another warning.
  await system.waitForLines(new RegExp(`${id}: to=<later@far.example>.*status=deferred`), 4)
  verdicts.delete('later')
  const clearedId = await waitNotice(system, id, 'sender delivery status notification')
  verdicts.set('later', '450 4.2.0 come back')
  await waitRemoved(system, id)
  const cleared = await readNotice(mailWith(system, 'box', `id ${clearedId}`))
  assert.equal(cleared.subject, 'Successful Mail Delivery Report')
  assert.equal(system.log().filter((line) => line.includes(`${id}: sender delay notification`)).length, 1)
  assertQueuesEmpty(system)
})

test('a notice that fails goes to postmaster, with the whole of it, when notify_classes has 2bounce', async () => {
  await using system = await start({ notify_classes: '2bounce' })
  const id = await submit(
    system, ['nobody@far.example'], { from: 'gone@far.example', message: subject('nobody cares') },
  )
  const line = await system.waitForLog(
    new RegExp(`^postfix/bounce\\[\\d+\\]: ${id}: sender non-delivery notification: \\w+$`)
  )
  const bounceId = line.split(' ').at(-1) ?? ''
  const copyId = await waitNotice(system, bounceId, 'postmaster non-delivery notification')
  await waitRemoved(system, bounceId)
  const copy = await readNotice(mailWith(system, 'box', `id ${copyId}`))
  assert.equal(copy.subject, 'Postmaster Copy: Undelivered Mail')
  assert.equal(copy.returnPath, '<double-bounce@mail.example.org>')
  assert.equal(copy.to, 'postmaster@example.org')
  assert.equal(copy.recipients[0]?.['final-recipient'], 'rfc822; gone@far.example')
  assert.match(copy.original, /Subject: Undelivered Mail Returned to Sender[^]*Subject: nobody cares/)
  assertQueuesEmpty(system)
})

test('postmaster gets a copy of the header of each bounce when notify_classes has bounce', async () => {
  await using system = await start({ notify_classes: 'bounce, 2bounce', bounce_notice_recipient: 'chief@example.org' })
  const id = await submit(system, ['nobody@far.example'], { from: 'eve@example.org', message: subject('copied') })
  const copyId = await waitNotice(system, id, 'postmaster non-delivery notification')
  await waitNotice(system, id, 'sender non-delivery notification')
  const copy = await readNotice(mailWith(system, 'box', `id ${copyId}`))
  assert.equal(copy.to, 'chief@example.org')
  assert.equal(copy.originalType, 'text/rfc822-headers')
  assert.match(copy.original, /Subject: copied/)
  assertQueuesEmpty(system)
})

test('notices end at last: a postmaster copy that fails is dropped with a warning', async () => {
  await using system = await start({ notify_classes: '2bounce', '2bounce_notice_recipient': 'gone@far.example' })
  const id = await submit(
    system, ['nobody@far.example'], { from: 'gone@far.example', message: subject('nobody at all') },
  )
  const line = await system.waitForLog(new RegExp(`: ${id}: sender non-delivery notification: \\w+$`))
  const bounceId = line.split(' ').at(-1) ?? ''
  const copyId = await waitNotice(system, bounceId, 'postmaster non-delivery notification')
  await system.waitForLog(
    new RegExp(`^postfix/bounce\\[\\d+\\]: warning: ${copyId}: undeliverable postmaster notification discarded$`)
  )
  await waitRemoved(system, copyId)
  assert.deepEqual(queueFiles(system), [])
})
