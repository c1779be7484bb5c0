/** kill -9 of the queue manager under load, with the intake journal and with a sync of each file. */
import { test } from 'node:test'
import { assertNothingLost, crash, scaled, shuffled, summary } from '#test/support/crash.ts'

for (const [queueCommit, seed] of [['journal', 21], ['fsync', 22]] as const) {
  test(`kill -9 of qmgr loses no acknowledged message (queue_commit = ${queueCommit})`, async (t) => {
    const main = { queue_commit: queueCommit }
    const report = await crash({ victims: shuffled(scaled({ qmgr: 5, smtp: 1 }), seed), main, seed })
    t.diagnostic(summary(report))
    assertNothingLost(report)
  })
}
