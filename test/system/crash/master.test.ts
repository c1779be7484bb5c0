/** kill -9 of master, and of the whole process group, under load; then a fresh start on the same queue. */
import { test } from 'node:test'
import { assertNothingLost, crash, scaled, shuffled, summary } from '#test/support/crash.ts'

for (const [queueCommit, seed] of [['journal', 31], ['fsync', 32]] as const) {
  test(`kill -9 of master and of all processes loses nothing acknowledged (queue_commit = ${queueCommit})`, async (t) => {
    const main = { queue_commit: queueCommit, enable_long_queue_ids: 'yes' }
    const report = await crash({ victims: shuffled(scaled({ master: 4, group: 5 }), seed), main, seed })
    t.diagnostic(summary(report))
    assertNothingLost(report)
  })
}
