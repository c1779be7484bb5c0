/** kill -9 of workers under load: receivers and their cleanup, delivery agents, bounce. */
import { test } from 'node:test'
import { assertNothingLost, crash, scaled, shuffled, summary } from '#test/support/crash.ts'

test('kill -9 of smtpd, smtp, virtual, local and bounce loses no acknowledged message', async (t) => {
  const report = await crash({ victims: shuffled(scaled({ smtpd: 6, smtp: 5, virtual: 3, local: 3, bounce: 3 }), 7), seed: 11 })
  t.diagnostic(summary(report))
  assertNothingLost(report)
})
