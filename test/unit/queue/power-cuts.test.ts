/** Power cuts at every change of a queue's life, on a disk in memory: see test/support/disk. More of them: test/power-cuts.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faults, powerCuts } from '#test/support/disk/cuts.ts'

test('10,000 power cuts lose nothing that was acknowledged, and bring back nothing that had left', async (t) => {
  const { failures, cuts, messages } = await powerCuts({ cuts: 10_000, seed: 3 })
  t.diagnostic(`${cuts} cuts, ${messages} queue files`)
  assert.deepEqual(failures, [])
})

test('calls of the file system that fail, EIO and ENOSPC, lose nothing either', async (t) => {
  const report = await faults({ seed: 1, codes: ['EIO', 'ENOSPC'], oneIn: 97 })
  t.diagnostic(`${report.faults} failing calls, ${report.cuts} cuts`)
  assert.deepEqual(report.failures, [])
})
