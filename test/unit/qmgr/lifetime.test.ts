/** Retry, warning and expiry rules: see src/qmgr/lifetime.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isExpired, isWarningDue, nextAttempt } from '#qmgr/lifetime.ts'

const backoff = { minimal: 300, maximal: 4000 }

test('nextAttempt() waits as long as the message is old, within the bounds [RFC 5321 §4.5.4.1]', () => {
  const cases = [[0, 300], [299, 300], [301, 301], [4000, 4000], [90000, 4000], [-50, 300]] as const
  for (const [age, wait] of cases) assert.equal(nextAttempt(1_000_000, 1_000_000 - age, backoff), 1_000_000 + wait)
})

test('isExpired() measures mail and bounces by their own lifetimes', () => {
  const lifetimes = { message: 100, bounce: 10 }
  assert.equal(isExpired(1099, 1000, 'a@b', lifetimes), false)
  assert.equal(isExpired(1100, 1000, 'a@b', lifetimes), true)
  assert.equal(isExpired(1010, 1000, '', lifetimes), true)
  assert.equal(isExpired(1000, 1000, 'a@b', { message: 0, bounce: 0 }), true)
})

test('isWarningDue() is true from one second before the time on, and never after it was sent', () => {
  assert.equal(isWarningDue(998, 1000), false)
  assert.equal(isWarningDue(999, 1000), true)
  assert.equal(isWarningDue(5000, -1), false)
  assert.equal(isWarningDue(5000, 0), false)
})
