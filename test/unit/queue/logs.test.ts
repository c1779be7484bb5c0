/** Logs of delivery status: see src/queue/logs.ts and log-record.ts. */
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { queueId } from '#queue/id.ts'
import { appendLog, logSize, readLog, removeLog, type StatusRecord } from '#queue/logs.ts'
import { failAt } from '#test/support/failing-files.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool } from '#test/support/spool.ts'

const id = queueId('90E7F2544D2')
const FULL: StatusRecord = {
  recipient: 'user@example.com', original: 'alias@example.com', offset: 246, dsnOrcpt: 'rfc822;alias@example.com', notify: 10,
  status: '4.4.1', action: 'delayed', diagType: 'smtp', diagText: '450 4.2.0 try later', mtaType: 'dns', mtaName: 'mx.example.com',
  reason: 'text of the reason',
}

test('appendLog() writes the record as Postfix does', async () => {
  using spool = createSpool()
  await appendLog(spool.spool, 'defer', id, FULL)
  const path = `${spool.path}/defer/9/${id}`
  assert.equal(readFileSync(path, 'latin1'), `
<user@example.com>: text of the reason
recipient=user@example.com
original_recipient=alias@example.com
offset=246
dsn_orig_rcpt=rfc822;alias@example.com
notify_flags=10
status=4.4.1
action=delayed
diag_type=smtp
diag_text=450 4.2.0 try later
mta_type=dns
mta_mname=mx.example.com
reason=text of the reason

`)
  assert.equal(statSync(path).mode & 0o7777, 0o600)
  assert.deepEqual([...readLog(spool.spool, 'defer', id)], [FULL])
})

test('appendLog() leaves out what says nothing', async () => {
  using spool = createSpool()
  const record = { recipient: '', original: '', offset: 0, notify: 0, status: '5.0.0', action: 'failed', diagType: 'smtp', reason: 'a\nb' }
  await appendLog(spool.spool, 'bounce', id, record, { compatible: false })
  assert.equal(readFileSync(`${spool.path}/bounce/${id}`, 'latin1'), '\nrecipient=<>\nstatus=5.0.0\naction=failed\nreason=a?b\n\n')
})

test('appendLog() keeps records apart that come at the same time', async () => {
  using spool = createSpool()
  const records = Array.from({ length: 20 }, (_, i) => ({ ...FULL, recipient: `r${i}@example.com` }))
  await Promise.all(records.map((record) => appendLog(spool.spool, 'bounce', id, record)))
  await appendLog(spool.spool, 'bounce', id, records)
  assert.deepEqual([...readLog(spool.spool, 'bounce', id)], [...records, ...records])
})

test('appendLog() cuts off what it could not make durable', async () => {
  using spool = createSpool()
  await appendLog(spool.spool, 'bounce', id, FULL)
  const size = logSize(spool.spool, 'bounce', id)
  for (const call of ['write', 'fsync'] as const) {
    using _ = failAt(call, 'ENOSPC')
    await assert.rejects(appendLog(spool.spool, 'bounce', id, FULL), { code: 'ENOSPC' })
    assert.equal(logSize(spool.spool, 'bounce', id), size, call)
  }
  await appendLog(spool.spool, 'bounce', id, FULL)
  assert.equal([...readLog(spool.spool, 'bounce', id)].length, 2)
})

test('readLog() fills in what is missing, and takes old records', () => {
  using log = captureLog()
  using spool = createSpool()
  spool.put('defer', id, '\n<old@y>: old style\n\nrecipient=\nreason=\nfoo=bar\nnoequals\noffset=x\n\n\n*junk\nstatus=4.2.2\n\nrecipient=cut@off\n')
  const read = [...readLog(spool.spool, 'defer', id)]
  const defaults = { status: '4.0.0', action: 'delayed' }
  assert.deepEqual(read, [
    { recipient: 'old@y', ...defaults, reason: 'old style' },
    { recipient: '(MAILER-DAEMON)', ...defaults, reason: '(description unavailable)' },
    { recipient: '(recipient address unavailable)', ...defaults, status: '4.2.2', reason: '(description unavailable)' },
  ])
  assert.deepEqual(log.texts(), [
    'warning: defer/9/90E7F2544D2: unknown attribute name: foo, ignored',
    "warning: defer/9/90E7F2544D2: malformed record: missing '=' after attribute name",
    'warning: defer/9/90E7F2544D2: malformed record: *junk...',
  ])
})

test('readLog() of no log is empty; removeLog() says whether there was one', async () => {
  using spool = createSpool()
  assert.deepEqual([...readLog(spool.spool, 'trace', id)], [])
  assert.equal(removeLog(spool.spool, 'trace', id), false)
  await appendLog(spool.spool, 'trace', id, FULL)
  assert.equal(removeLog(spool.spool, 'trace', id), true)
  assert.equal(logSize(spool.spool, 'trace', id), undefined)
})
