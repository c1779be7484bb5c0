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

test('parseFeedback() warns of what is no number from 0 to 1, and takes a whole step for it', () => {
  for (const text of ['', '2', '-1', '1/0', '1/foo', 'x', '3/2']) {
    const warnings: string[] = []
    assert.deepEqual(parseFeedback('default_y', text, (warning) => warnings.push(warning)), one, text)
    assert.deepEqual(warnings, [`default_y: ignoring malformed or unreasonable feedback: ${text}`])
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

test('succeeded() rounds: a step that is half a fraction away is made', () => {
  const slow = { ...rules, initial: 3, positive: parseFeedback('x', '0.3') }
  const window = newWindow(slow)
  for (let i = 0; i < 3; i += 1) succeeded(window, 5, slow)
  assert.equal(window.size, 4)
})

test('succeeded() makes a dead destination as wide as what is under way', () => {
  const window = { ...newWindow(rules), size: 0 }
  succeeded(window, 3, rules)
  assert.equal(window.size, 3)
})

test('failed() narrows the window at once, by two the first time, and declares the destination dead after a cohort of failures', () => {
  const window = newWindow(rules)
  const deaths = Array.from({ length: 3 }, () => [failed(window, rules), window.size])
  assert.deepEqual(deaths, [[false, 3], [false, 2], [true, 0]])
  revive(window, rules)
  assert.equal(window.size, 5)
})

test('failed() with fractions takes its step at the start of a round', () => {
  const slow = { ...rules, failedCohortLimit: 0, negative: parseFeedback('x', '0.25') }
  const window = newWindow(slow)
  const sizes = Array.from({ length: 6 }, () => {
    failed(window, slow)
    return window.size
  })
  assert.deepEqual(sizes, [4, 4, 4, 3, 3, 3])
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
