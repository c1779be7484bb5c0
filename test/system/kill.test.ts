/** kill -9 of a receiver, of qmgr, of a delivery agent and of all at once, under load. The long run is in crash/. */
import { test } from 'node:test'
import { assertNothingLost, crash, summary } from '#test/support/crash.ts'

test('kill -9 of smtpd, qmgr, smtp and the whole process group loses no acknowledged message', async (t) => {
  const report = await crash({ victims: ['smtpd', 'qmgr', 'smtp', 'group'] })
  t.diagnostic(summary(report))
  assertNothingLost(report)
})
