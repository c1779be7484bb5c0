/** The counts of anvil, and its report: see src/support/anvil. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientCounts } from '#support/anvil/counts.ts'
import { reportLines } from '#support/anvil/report.ts'

const UNIT_MS = 60_000
const CLIENT = 'smtp:192.0.2.7'

test('ClientCounts counts connections now, and events within the unit of time', () => {
  const counts = new ClientCounts(UNIT_MS)
  assert.deepEqual(counts.take('connect', CLIENT, 0), { count: 1, rate: 1 })
  assert.deepEqual(counts.take('connect', CLIENT, 1000), { count: 2, rate: 2 })
  assert.deepEqual(counts.take('disconnect', CLIENT, 2000), { count: 1, rate: 2 })
  assert.deepEqual(counts.take('connect', CLIENT, 3000), { count: 2, rate: 3 })
  assert.deepEqual(counts.take('message', CLIENT, 4000), { count: 2, rate: 1 })
  assert.deepEqual(counts.take('connect', 'smtp:192.0.2.8', 4000), { count: 1, rate: 1 })
})

test('ClientCounts begins a new unit with the first event after its end', () => {
  const counts = new ClientCounts(UNIT_MS)
  counts.take('message', CLIENT, 0)
  assert.equal(counts.take('message', CLIENT, UNIT_MS).rate, 2)
  assert.equal(counts.take('message', CLIENT, UNIT_MS + 1).rate, 1)
  assert.equal(counts.take('message', CLIENT, 5).rate, 1, 'the clock was set back')
})

test('ClientCounts tells the TLS sessions so far without counting one', () => {
  const counts = new ClientCounts(UNIT_MS)
  assert.equal(counts.take('tls_so_far', CLIENT, 0).rate, 0)
  counts.take('tls', CLIENT, 0)
  assert.equal(counts.take('tls_so_far', CLIENT, 1).rate, 1)
  assert.equal(counts.take('tls_so_far', CLIENT, 1).rate, 1)
  assert.equal(counts.take('tls_so_far', CLIENT, UNIT_MS + 1).rate, 0)
})

test('ClientCounts forgets clients that are gone, and keeps those that are connected', () => {
  const counts = new ClientCounts(UNIT_MS)
  counts.take('message', CLIENT, 0)
  counts.take('connect', 'smtp:192.0.2.8', 0)
  counts.take('message', 'smtp:192.0.2.9', 10 * UNIT_MS)
  assert.equal(counts.size, 2)
  assert.equal(counts.take('disconnect', 'smtp:192.0.2.8', 10 * UNIT_MS).count, 0)
  assert.equal(counts.size, 1)
})

test('reportLines() tells the extremes once, in a fixed order', () => {
  const counts = new ClientCounts(UNIT_MS)
  const at = new Date(2026, 10, 5, 9, 56, 18).getTime()
  counts.take('recipient', CLIENT, at)
  counts.take('connect', CLIENT, at)
  counts.take('recipient', CLIENT, at)
  assert.deepEqual(reportLines(counts, 60), [
    `statistics: max connection rate 1/60s for (${CLIENT}) at Nov  5 09:56:18`,
    `statistics: max connection count 1 for (${CLIENT}) at Nov  5 09:56:18`,
    `statistics: max recipient rate 2/60s for (${CLIENT}) at Nov  5 09:56:18`,
    'statistics: max cache size 1 at Nov  5 09:56:18',
  ])
  assert.deepEqual(reportLines(counts, 60), [])
})
