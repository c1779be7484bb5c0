/** 100,000 power cuts on a disk in memory, and calls of its file system that fail: see test/support/disk. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faults, powerCuts } from '#test/support/disk/cuts.ts'

test('100,000 power cuts, recoveries among them, keep every promise about mail', async (t) => {
  const { failures, cuts, second, messages } = await powerCuts({ cuts: 100_000, seed: 1000 })
  t.diagnostic(`${cuts} cuts, ${second} of them of recoveries, ${messages} queue files`)
  assert.deepEqual(failures, [])
})

test('each of many calls of the file system fails once, with EIO and with ENOSPC, and every promise is kept', async (t) => {
  const report = await faults({ seed: 2, codes: ['EIO', 'ENOSPC'], oneIn: 23 })
  t.diagnostic(`${report.faults} failing calls, ${report.cuts} cuts`)
  assert.deepEqual(report.failures, [])
})
