/** What the smtp door refuses for its own sake: size, room, unknown users; and mail that goes in circles. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readNotice } from '#test/support/notice.ts'
import { sendMail, SmtpClient } from '#test/support/smtp-client.ts'
import { startSystem, type MailSystem } from '#test/support/system.ts'
import { assertQueuesEmpty, mailWith, subject, submit, waitNotice, waitRemoved } from '#test/support/system-mail.ts'

async function rejection(system: MailSystem, pattern: RegExp): Promise<void> {
  assert.match(await system.waitForLog(/: reject: |size limit|hopcount/), pattern)
}

test('a message larger than message_size_limit is refused, by its announced size and by its real one', async () => {
  await using system = await startSystem({ main: { message_size_limit: '2000' } })
  using client = await SmtpClient.open(system.port('smtp'))
  assert.match(await client.command('EHLO client.example.com'), /^250-SIZE 2000$/m)
  assert.equal(
    await client.command('MAIL FROM:<alice@example.com> SIZE=2001'), '552 5.3.4 Message size exceeds fixed limit',
  )
  await rejection(
    system,
    /NOQUEUE: reject: MAIL from \S+: 552 5\.3\.4 Message size exceeds fixed limit; (?:from=<alice@example\.com> )?proto=ESMTP helo=<client\.example\.com>$/,
  )
  const large = `Subject: large\n\n${`${'x'.repeat(70)}\n`.repeat(40)}`
  assert.equal(
    await client.send('alice@example.com', ['bob@example.org'], large), '552 5.3.4 Error: message file too big',
  )
  await system.waitForLog(/warning: \w+: queue file size limit exceeded$/)
  const id = /queued as (\w+)/.exec(
    await client.send('alice@example.com', ['bob@example.org'], subject('small enough'))
  )?.[1] ?? ''
  await waitRemoved(system, id)
  assert.deepEqual(system.maildir('box').map((mail) => /^Subject: (.*)$/m.exec(mail)?.[1]), ['small enough'])
  assertQueuesEmpty(system)
})

test('without room for the queue the client is asked to come back', async () => {
  await using system = await startSystem({ main: { queue_minfree: '9000000000000000' } })
  const reply = await sendMail(system.port('smtp'), 'alice@example.com', ['bob@example.org'], 'Subject: x\n\nx')
  assert.equal(reply, '452 4.3.1 Insufficient system storage')
  await system.waitForLog(
    /^postfix\/smtpd\[\d+\]: NOQUEUE: reject: MAIL from \S+: 452 4\.3\.1 Insufficient system storage; .*proto=ESMTP helo=<client\.example\.com>$/
  )
  assertQueuesEmpty(system)
})

const UNKNOWN: readonly (readonly [address: string, reply: string])[] = [
  ['nobody-such@example.org', 'User unknown in virtual mailbox table'],
  ['nobody-such@localhost', 'User unknown in local recipient table'],
  ['nobody-such@alias.example', 'User unknown in virtual alias table'],
  ['nobody-such@relay.example', 'User unknown in relay recipient table'],
]

test('recipients that no table knows are refused with 550, one by one', async () => {
  await using system = await startSystem({
    main: {
      virtual_alias_domains: 'alias.example', virtual_alias_maps: 'texthash:@HOME@/etc/known', relay_domains: 'relay.example',
      relay_recipient_maps: 'texthash:@HOME@/etc/known',
    },
    files: { vmailbox: '/^bob@/ box/\n', known: 'known@alias.example bob@example.org\nknown@relay.example OK\n' },
  })
  using client = await SmtpClient.open(system.port('smtp'))
  await client.command('EHLO client.example.com')
  await client.command('MAIL FROM:<alice@example.com>')
  for (const [address, text] of UNKNOWN) {
    assert.equal(
      await client.command(`RCPT TO:<${address}>`), `550 5.1.1 <${address}>: Recipient address rejected: ${text}`,
    )
  }
  assert.equal(await client.command('RCPT TO:<bob@example.org>'), '250 2.1.5 Ok')
  assert.match(await client.command('DATA'), /^354/)
  const id = /queued as (\w+)/.exec(await client.command('Subject: one is known\r\n\r\nHello.\r\n.'))?.[1] ?? ''
  await waitRemoved(system, id)
  assert.equal(system.log().filter((line) => line.includes(`${id}: to=`)).length, 1)
  assertQueuesEmpty(system)
})

test('a message with too many Received: lines is refused', async () => {
  await using system = await startSystem({ main: { hopcount_limit: '5' } })
  const message = `${'Received: from somewhere\n'.repeat(5)}${subject('goes round')}`
  assert.equal(
    await sendMail(system.port('smtp'), 'alice@example.com', ['bob@example.org'], message),
    '554 5.4.0 Error: too many hops',
  )
  assert.match(
    await system.waitForLog(/hopcount/), /^postfix\/cleanup\[\d+\]: warning: \w+: message rejected: hopcount exceeded$/,
  )
  assertQueuesEmpty(system)
})

test('a message that was delivered to this mailbox before bounces', async () => {
  await using system = await startSystem()
  const id = await submit(
    system, ['bob@example.org'],
    { from: 'eve@example.org', message: `Delivered-To: bob@example.org\n${subject('back again')}` },
  )
  const noticeId = await waitNotice(system, id, 'sender non-delivery notification')
  await waitRemoved(system, id)
  const line = await system.waitForLog(new RegExp(`${id}: to=`))
  assert.match(line, /relay=virtual, .*, dsn=5\.4\.6, status=bounced \(mail forwarding loop for bob@example\.org\)$/)
  const notice = await readNotice(mailWith(system, 'box', `id ${noticeId}`))
  assert.equal(notice.recipients[0]?.['status'], '5.4.6')
  assertQueuesEmpty(system)
})
