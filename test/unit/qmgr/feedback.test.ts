/** Concurrency windows: see src/qmgr/feedback.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failed, newWindow, parseFeedback, revive, succeeded, type FeedbackRules } from '#qmgr/feedback.ts'

const one = parseFeedback('x', '1')
const rules: FeedbackRules = { initial: 5, limit: 20, positive: one, negative: one, failedCohortLimit: 1 }

test('parseFeedback() reads every form of postconf(5)', () => {
  const cases = [
    ['1', 1, 'none'], ['0.5', 0.5, 'none'], ['1/5', 0.2, 'none'], [' 1 / concurrency', 1, 'concurrency'],
    ['1/sqrt_concurrency', 1, 'sqrt_concurrency'], ['0', 0, 'none'],
  ] as const
  for (const [text, base, divisor] of cases) assert.deepEqual(parseFeedback('x', text), { base, divisor })
})

test('parseFeedback() refuses what is no number from 0 to 1', () => {
  for (const text of ['', '2', '-1', '1/0', '1/foo', 'x', '3/2']) {
    assert.throws(() => parseFeedback('default_y', text), /bad feedback value .* default_y/, text)
  }
})

test('succeeded() opens the window by one for each success, up to the limit, and only while it is in use', () => {
  const window = newWindow(rules)
  for (let i = 0; i < 100; i += 1) succeeded(window, window.size, rules)
  assert.equal(window.size, 20)
  const idle = newWindow(rules)
  for (let i = 0; i < 100; i += 1) succeeded(idle, 1, rules)
  assert.equal(idle.size, 6)
})

test('succeeded() with 1/concurrency needs a whole round for one step', () => {
  const slow = { ...rules, positive: parseFeedback('x', '1/concurrency') }
  const window = newWindow(slow)
  for (let i = 0; i < 5; i += 1) succeeded(window, 5, slow)
  assert.equal(window.size, 6)
})

test('failed() declares the destination dead after a cohort of failures', () => {
  const window = newWindow(rules)
  const deaths = Array.from({ length: 4 }, () => failed(window, rules))
  assert.deepEqual(deaths, [false, false, false, true])
  assert.equal(window.size, 0)
  revive(window, rules)
  assert.equal(window.size, 5)
})

test('failed() with no cohort limit narrows the window to one and no further', () => {
  const patient = { ...rules, failedCohortLimit: 0 }
  const window = newWindow(patient)
  for (let i = 0; i < 50; i += 1) assert.equal(failed(window, patient), false)
  assert.equal(window.size, 1)
})

test('succeeded() clears the memory of failures', () => {
  const window = newWindow(rules)
  failed(window, rules)
  failed(window, rules)
  succeeded(window, 5, rules)
  assert.equal(window.failedCohorts, 0)
})
