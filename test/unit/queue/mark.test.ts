/** Marks in queue files: see src/queue/mark.ts. */
import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readEnvelope } from '#queue/envelope.ts'
import { killTrace, markDone, setWarned } from '#queue/mark.ts'
import { paddedNumber, QueueFileError, RECORD } from '#queue/record.ts'
import { createSpool, messageBytes, recipientRecords, TEST_SENDER, TEST_TIME } from '#test/support/spool.ts'

const BYTES = messageBytes({
  envelope: [
    ...TEST_TIME, TEST_SENDER, [RECORD.attribute, 'trace_flags=1024'], [RECORD.warnTime, paddedNumber(1795172178)],
    ...recipientRecords('a@example.net'), ...recipientRecords('b@example.net'),
  ],
  size: { recipientCount: 2 },
})

test('marks change one byte, or one number, and nothing else', (t) => {
  using spool = createSpool()
  const id = spool.put('active', 'AAAAA1', BYTES)
  const path = `${spool.path}/active/${id}`
  const fd = openSync(path, 'r+')
  t.after(() => closeSync(fd))
  const before = readEnvelope(fd, { id })
  const first = before.recipients[0]?.offset ?? 0
  markDone(fd, first)
  markDone(fd, first)
  killTrace(fd, before.traceOffset ?? 0)
  setWarned(fd, before.warnOffset ?? 0)
  const expected = Buffer.from(BYTES)
  expected[first] = RECORD.done
  expected[before.traceOffset ?? 0] = RECORD.killed
  expected.write('             -1', (before.warnOffset ?? 0) + 2)
  assert.deepEqual(readFileSync(path), expected)
  const after = readEnvelope(fd, { id })
  assert.deepEqual(after.recipients.map(({ address }) => address), ['b@example.net'])
  assert.equal(after.warnTime, -1)
  assert.equal(after.traceFlags, 0)
})

test('marks refuse places where there is something else', (t) => {
  using spool = createSpool()
  const id = spool.put('active', 'AAAAA1', BYTES)
  const fd = openSync(`${spool.path}/active/${id}`, 'r+')
  t.after(() => closeSync(fd))
  for (const offset of [0, 97, BYTES.length, 1_000_000]) {
    assert.throws(() => markDone(fd, offset), QueueFileError)
    assert.throws(() => setWarned(fd, offset), QueueFileError)
  }
  assert.deepEqual(readFileSync(`${spool.path}/active/${id}`), Buffer.from(BYTES))
})
