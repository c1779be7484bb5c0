/** Ends of recipients in delivery agents: see src/service/delivered.ts and delay-text.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import type { StatusRecord } from '#queue/logs.ts'
import { queueId, type LogName } from '#queue/spool.ts'
import type { BounceClient } from '#service/bounce-client.ts'
import { delayText, delaysText } from '#service/delay-text.ts'
import type { DeliverFlags, DeliverRequest } from '#service/deliver.ts'
import { openDelivered, type RecipientReport } from '#service/delivered.ts'
import { captureLog } from '#test/support/log.ts'

const FLAGS: DeliverFlags = { trace: false, verify: false, userVerify: false, connLoad: false, connStore: false }
const REPORT: RecipientReport = { status: '2.0.0', reason: '250 ok', relay: 'mx.example[192.0.2.1]:25', handoff: 1_000_300, setupDone: 1_001_000, done: 1_002_500 }

function request(flags: Partial<DeliverFlags> = {}): DeliverRequest {
  return {
    queueName: 'active', queueId: queueId('4X1'), dataOffset: 0, contentSize: 0, contentLength: 0, sendOptions: 0, sender: '', nexthop: '',
    encoding: '', envelopeId: '', retFlags: 0, flags: { ...FLAGS, ...flags }, arrival: { seconds: 1000, microseconds: 0 },
    activeArrival: 1_000_100, clientName: '', clientAddress: '', clientPort: '', heloName: '', protocolName: '', saslMethod: '',
    saslUsername: '', saslSender: '', logIdent: '', rewriteContext: 'local', recipients: [],
  }
}

function recipient(notify = 0) {
  return { offset: 0, address: 'a b@example.org', original: 'alias@example.org', dsnOrcpt: '', notify }
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('not for this test'))
}

/** What was recorded where; `broken` services refuse. */
function setUp(parameters: Record<string, string> = {}, broken: readonly LogName[] = []) {
  const records: [string, string, string][] = []
  const client: BounceClient = {
    append: (name: LogName, _id: string, record: StatusRecord): Promise<void> => {
      if (broken.includes(name)) return Promise.reject(new Error('down'))
      records.push([name, record.action, record.reason])
      return Promise.resolve()
    },
    flush: refuse, verp: refuse, warn: refuse, trace: refuse, one: refuse, close: () => undefined,
  }
  return { records, delivered: openDelivered(configFrom(parameters), client) }
}

const LINE = '4X1: to=<"a b"@example.org>, orig_to=<alias@example.org>, relay=mx.example[192.0.2.1]:25, '
  + 'delay=2.5, delays=0.1/0.2/0.7/1.5'

test('delayText() keeps two significant digits and drops zeros', () => {
  const cases = [[0, '0'], [-1, '0'], [0.004, '0'], [0.0123, '0.01'], [0.1, '0.1'], [0.255, '0.26'], [1, '1'], [1.24, '1.2'], [9.96, '10'], [12.5, '13'], [3600, '3600']] as const
  for (const [seconds, text] of cases) assert.equal(delayText(seconds, 2), text, String(seconds))
  assert.equal(delayText(0.00123, 6), '0.0012')
  assert.equal(delayText(0.5, 0), '1')
})

test('delaysText() splits the delay into queue, hand-off, connection and transmission', () => {
  const times = { arrival: 0, active: 100, handoff: 300, setupDone: 1000, done: 2500 }
  assert.equal(delaysText(times, 2), 'delay=2.5, delays=0.1/0.2/0.7/1.5')
  assert.equal(delaysText({ arrival: 0, active: 0, handoff: 0, done: 10 }, 2), 'delay=0.01, delays=0/0/0/0.01')
})

test('sent() logs the delivery line and records nothing', async () => {
  using caught = captureLog()
  const { delivered, records } = setUp()
  assert.equal(await delivered.sent(request(), recipient(), REPORT), false)
  assert.deepEqual(caught.texts(), [`${LINE}, dsn=2.0.0, status=sent (250 ok)`])
  assert.deepEqual(records, [])
})

test('sent() shows the TLS word of 3.11, not to readers of 3.7, and the use of the connection', async () => {
  using caught = captureLog()
  const report = { ...REPORT, tls: 'may', connectionUse: 2, reason: '250-a\r\n250 b' }
  await setUp().delivered.sent(request(), recipient(), report)
  await setUp({ maillog_compatibility: '3.7' }).delivered.sent(request(), recipient(), report)
  const [now = '', then = ''] = caught.texts()
  assert.match(now, /:25, conn_use=2, delay=.*, tls=may, dsn=2.0.0, status=sent \(250-a 250 b\)$/)
  assert.doesNotMatch(then, /tls=/)
})

test('sent() records a success that was asked for, unless the next hop reports it [RFC 3461 §5.2.2]', async () => {
  using caught = captureLog()
  const { delivered, records } = setUp()
  await delivered.sent(request(), recipient(2), { ...REPORT, action: 'relayed' })
  await delivered.sent(request(), recipient(2), { ...REPORT, successReportedElsewhere: true })
  assert.deepEqual(records, [['trace', 'relayed', 'delivery via mx.example[192.0.2.1]:25: 250 ok']])
  assert.equal(caught.lines.length, 2)
})

test('deferred() records and keeps the recipient, also when the record cannot be written', async () => {
  using caught = captureLog()
  const { delivered, records } = setUp()
  const report = { ...REPORT, status: '4.4.1', reason: 'refused' }
  assert.equal(await delivered.deferred(request(), recipient(), report), true)
  assert.deepEqual(records, [['defer', 'delayed', 'refused']])
  assert.equal(await setUp({}, ['defer']).delivered.deferred(request(), recipient(), report), true)
  assert.deepEqual(caught.texts().map((text) => text.replace(/.*status=/, '')), [
    'deferred (refused)', 'warning: 4X1: defer service failure: down', 'deferred (refused)',
  ])
})

test('bounced() records before the recipient is done; without a record the mail stays', async () => {
  using caught = captureLog()
  const report = { ...REPORT, status: '5.1.1', reason: 'no such user' }
  const { delivered, records } = setUp()
  assert.equal(await delivered.bounced(request(), recipient(), report), false)
  assert.deepEqual(records, [['bounce', 'failed', 'no such user']])
  const broken = setUp({}, ['bounce'])
  assert.equal(await broken.delivered.bounced(request(), recipient(), report), true)
  assert.deepEqual(broken.records, [['defer', 'delayed', 'bounce or trace service failure']])
  assert.match(caught.texts()[1] ?? '', /dsn=4.3.0, status=deferred \(bounce or trace service failure\)/)
})

test('bounced() with soft_bounce keeps the mail', async () => {
  using caught = captureLog()
  const { delivered, records } = setUp({ soft_bounce: 'yes' })
  assert.equal(await delivered.bounced(request(), recipient(), { ...REPORT, status: '5.1.1', reason: 'no' }), true)
  assert.deepEqual(records, [['defer', 'delayed', 'no']])
  assert.match(caught.texts()[0] ?? '', /dsn=4.1.1, status=SOFTBOUNCE \(no\)/)
})

test('a probe is answered and reported, and nothing is deferred or bounced', async () => {
  using caught = captureLog()
  const { delivered, records } = setUp()
  const probe = request({ userVerify: true })
  assert.equal(await delivered.sent(probe, recipient(), REPORT), false)
  assert.equal(await delivered.bounced(probe, recipient(), { ...REPORT, status: '5.1.1', reason: 'no' }), false)
  assert.deepEqual(records, [['trace', 'deliverable', '250 ok'], ['trace', 'undeliverable', 'no']])
  assert.match(caught.texts().join(), /status=deliverable .*status=undeliverable /)
})
