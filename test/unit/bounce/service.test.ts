/** The services bounce, defer and trace, in a temporary spool with our cleanup: see src/bounce/service.ts. */
import assert from 'node:assert/strict'
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BounceService } from '#bounce/service.ts'
import { readSettings } from '#bounce/settings.ts'
import { openCleanup } from '#cleanup/cleanup.ts'
import { appendLog, readLog, type StatusRecord } from '#queue/logs.ts'
import { readEnvelope } from '#queue/envelope.ts'
import { openMessage } from '#queue/content.ts'
import { queueId, queuePath, type LogName } from '#queue/spool.ts'
import type { BounceRequest, NoticeMessage } from '#service/bounce-client.ts'
import { queueBytes, recordTexts, testSpool } from '#test/support/cleanup.ts'
import { captureLog } from '#test/support/log.ts'
import { messageBytes, recipientRecords, TEST_SENDER, TEST_TIME } from '#test/support/spool.ts'

const ID = queueId('3F2A1B0C9D')
const ABOUT: NoticeMessage = {
  queueName: 'active', queueId: ID, encoding: '', sendOptions: 0, sender: 'alice@example.org', envelopeId: '', retFlags: 0,
}

function record(recipient: string, more: Partial<StatusRecord> = {}): StatusRecord {
  return { recipient, status: '5.1.1', action: 'failed', reason: `no ${recipient}`, ...more }
}

function setUp(logName: LogName, parameters: Readonly<Record<string, string>> = {}) {
  const made = testSpool(parameters)
  const caught = captureLog('postfix/bounce')
  const cleanup = openCleanup(made.config, { spool: made.spool })
  const service = new BounceService(logName, made.spool, readSettings(made.config), cleanup)
  const envelope = [
    ...TEST_TIME, TEST_SENDER, ...recipientRecords('bob@example.net'), ...recipientRecords('eve@example.net'),
  ]
  const path = queuePath(made.spool, 'active', ID)
  writeFileSync(path, messageBytes({ envelope, size: { recipientCount: 2 } }))
  chmodSync(path, 0o700)
  return {
    ...made, service, texts: () => caught.texts(),
    notices: () => readdirSync(join(made.path, 'incoming')).map(
      (id) => recordTexts(queueBytes(made.spool, 'incoming', id)).join('\n')
    ),
    /** Recipients of the original that are still to be served. */
    open: () => {
      using message = openMessage(made.spool, 'active', ID)
      return readEnvelope(message.fd, { id: ID, recipientLimit: 10 }).recipients
    },
    async [Symbol.asyncDispose]() {
      await cleanup.close()
      caught.restore()
      made[Symbol.dispose]()
    },
  }
}

test('append: records of one message that come together are all in the log', async () => {
  await using world = setUp('bounce')
  const requests = ['bob@example.net', 'eve@example.net'].map(
    (to): BounceRequest => ({ kind: 'append', queueId: ID, record: record(to) })
  )
  assert.deepEqual(
    await Promise.all(requests.map((request) => world.service.handle(request))), [{ status: 0 }, { status: 0 }],
  )
  assert.deepEqual(
    [...readLog(world.spool, 'bounce', ID)].map(({ recipient }) => recipient), ['bob@example.net', 'eve@example.net'],
  )
})

test('append with deleteRecipient marks the recipient as done', async () => {
  await using world = setUp('bounce')
  const [first] = world.open()
  assert.ok(first)
  await world.service.handle(
    { kind: 'append', queueId: ID, record: record(first.address, { offset: first.offset }), deleteRecipient: true }
  )
  assert.deepEqual(world.open().map(({ address }) => address), ['eve@example.net'])
})

test('flush: the notice is queued from the null sender, and the log goes', async () => {
  await using world = setUp('bounce')
  await appendLog(world.spool, 'bounce', ID, [record('bob@example.net'), record('eve@example.net')])
  assert.deepEqual(await world.service.handle({ kind: 'flush', message: ABOUT }), { status: 0 })
  const [notice = ''] = world.notices()
  assert.match(notice, /^S $/m)
  assert.match(notice, /^R alice@example\.org$/m)
  assert.match(notice, /^N Subject: Undelivered Mail Returned to Sender$/m)
  assert.match(notice, /^N <bob@example\.net>: no bob@example\.net$[^]*^N <eve@example\.net>: no eve@example\.net$/m)
  assert.match(notice, /^N Content-Type: message\/rfc822$[^]*^N Subject: hi$[^]*^N Hello$/m)
  assert.deepEqual([...readLog(world.spool, 'bounce', ID)], [])
  assert.match(world.texts()[0] ?? '', /^3F2A1B0C9D: sender non-delivery notification: \w+$/)
  assert.equal(world.open().length, 2)
})

test('flush of the defer log returns all recipients, those too that it does not know, and marks them as done', async () => {
  await using world = setUp('defer')
  const [first] = world.open()
  assert.ok(first)
  await appendLog(
    world.spool, 'defer', ID, record(first.address, { offset: first.offset, status: '4.4.1', action: 'delayed' }),
  )
  assert.deepEqual(await world.service.handle({ kind: 'flush', message: ABOUT }), { status: 0 })
  assert.deepEqual(world.open(), [])
  const [notice = ''] = world.notices()
  assert.match(notice, /^N Action: failed\nN Status: 4\.4\.1$/m)
  assert.match(notice, /^N Final-Recipient: rfc822; eve@example\.net$[^]*^N Action: failed\nN Status: 4\.4\.7$/m)
})

test('flush of the defer log sends one notice also when a recipient cannot be marked', async () => {
  await using world = setUp('defer')
  await appendLog(world.spool, 'defer', ID, record('bob@example.net', { offset: 3, status: '4.4.1', action: 'delayed' }))
  assert.deepEqual(await world.service.handle({ kind: 'flush', message: ABOUT }), { status: 0 })
  assert.equal(world.notices().length, 1)
  assert.deepEqual([...readLog(world.spool, 'defer', ID)], [])
})

test('warn: the log stays, and only the header goes with it', async () => {
  await using world = setUp('defer')
  await appendLog(world.spool, 'defer', ID, record('bob@example.net', { status: '4.4.1', action: 'delayed' }))
  assert.deepEqual(await world.service.handle({ kind: 'warn', message: ABOUT }), { status: 0 })
  assert.equal([...readLog(world.spool, 'defer', ID)].length, 1)
  const [notice = ''] = world.notices()
  assert.match(notice, /^N Subject: Delayed Mail \(still being retried\)$/m)
  assert.doesNotMatch(notice, /^N Hello$/m)
})

test('flush: what nobody wants to hear of makes no notice, and the log goes', async () => {
  await using world = setUp('bounce')
  await appendLog(world.spool, 'bounce', ID, record('bob@example.net', { notify: 1 }))
  assert.deepEqual(await world.service.handle({ kind: 'flush', message: ABOUT }), { status: 0 })
  assert.deepEqual([world.notices(), [...readLog(world.spool, 'bounce', ID)]], [[], []])
})

test('verp: one notice for each recipient, with the recipient in its address', async () => {
  await using world = setUp('bounce')
  await appendLog(world.spool, 'bounce', ID, [record('bob@example.net'), record('eve@example.net')])
  assert.deepEqual(await world.service.handle({ kind: 'verp', message: ABOUT, delimiters: '+=' }), { status: 0 })
  const recipients = world.notices().map((notice) => /^R (.*)$/m.exec(notice)?.[1] ?? '').toSorted()
  assert.deepEqual(recipients, ['alice+bob=example.net@example.org', 'alice+eve=example.net@example.org'])
})

test('a notice about a double bounce is not sent', async () => {
  await using world = setUp('bounce')
  await appendLog(world.spool, 'bounce', ID, record('bob@example.net'))
  assert.deepEqual(
    await world.service.handle({ kind: 'flush', message: { ...ABOUT, sender: 'double-bounce@mail.example.org' } }),
    { status: 0 },
  )
  assert.deepEqual(world.notices(), [])
  assert.deepEqual(world.texts(), ['warning: 3F2A1B0C9D: undeliverable postmaster notification discarded'])
})

test('flush without the original: the sender hears of it all the same', async () => {
  await using world = setUp('bounce')
  await appendLog(world.spool, 'bounce', ID, record('bob@example.net'))
  assert.deepEqual(
    await world.service.handle({ kind: 'flush', message: { ...ABOUT, queueName: 'deferred' } }), { status: 0 },
  )
  assert.match(world.notices()[0] ?? '', /--- Undelivered message unavailable ---/)
})

test('a notice that cannot be queued leaves the log for the next attempt', async () => {
  await using world = setUp('bounce', { message_size_limit: '200', bounce_size_limit: '100' })
  await appendLog(world.spool, 'bounce', ID, record('bob@example.net'))
  assert.deepEqual(await world.service.handle({ kind: 'flush', message: ABOUT }), { status: -1 })
  assert.equal([...readLog(world.spool, 'bounce', ID)].length, 1)
  assert.ok(
    world.texts().some(
      (line) => line.startsWith('warning: 3F2A1B0C9D: sender notification failed to alice@example.org')
    )
  )
})

test('one: a notice about a single recipient, without a log', async () => {
  await using world = setUp('bounce')
  assert.deepEqual(
    await world.service.handle({ kind: 'one', message: ABOUT, record: record('bob@example.net') }), { status: 0 },
  )
  assert.match(world.notices()[0] ?? '', /^N <bob@example\.net>: no bob@example\.net$/m)
})
