/** Which notices go to whom: see src/bounce/plan.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planNotices, type Occasion, type PlanSettings } from '#bounce/plan.ts'

const SETTINGS: PlanSettings = {
  notifyClasses: new Set(['resource', 'software']),
  doubleBounceAddress: 'double-bounce@example.org',
  bounceRecipient: 'bounces', doubleBounceRecipient: 'doubles', delayRecipient: 'delays', sizeLimit: 50_000,
}
const MESSAGE = { sender: 'alice@example.org', retFlags: 0, contentSize: 300, verify: false }

function record(notify = 0) {
  return { recipient: 'bob@example.net', notify, status: '5.1.1', action: 'failed', reason: 'no such user' }
}

function plan(occasion: Occasion, message: Partial<typeof MESSAGE>, classes: string[] = [], notify: number[] = [0]) {
  const settings = { ...SETTINGS, notifyClasses: new Set(classes) }
  const { notices, silent } = planNotices(occasion, { ...MESSAGE, ...message }, notify.map(record), settings)
  return { to: notices.map((n) => `${n.sender || '<>'} -> ${n.recipient}${n.headersOnly ? ' (headers)' : ''}: ${n.title}`), silent }
}

test('planNotices() returns a failure to its sender, from the null sender [RFC 5321 §4.5.5]', () => {
  assert.deepEqual(plan('failure', {}).to, ['<> -> alice@example.org: sender non-delivery notification'])
})

test('planNotices() sends headers only where the message is large, unknown or RET=HDRS asked for it', () => {
  for (const message of [{ contentSize: 50_001 }, { retFlags: 2 }]) {
    assert.deepEqual(plan('failure', message).to, ['<> -> alice@example.org (headers): sender non-delivery notification'])
  }
})

test('planNotices() copies postmaster when notify_classes asks for it', () => {
  assert.deepEqual(plan('failure', {}, ['bounce']).to, [
    '<> -> alice@example.org: sender non-delivery notification',
    'double-bounce@example.org -> bounces (headers): postmaster non-delivery notification',
  ])
  assert.deepEqual(plan('delay', {}, ['delay']).to, [
    '<> -> alice@example.org (headers): sender delay notification',
    'double-bounce@example.org -> delays (headers): postmaster delay notification',
  ])
})

test('planNotices() tells only postmaster of a failed notice, and only when asked', () => {
  assert.deepEqual(plan('failure', { sender: '' }), { to: [], silent: undefined })
  for (const name of ['bounce', '2bounce']) {
    assert.deepEqual(plan('failure', { sender: '' }, [name]).to, [
      'double-bounce@example.org -> doubles: postmaster non-delivery notification',
    ])
  }
  assert.deepEqual(plan('delay', { sender: '' }, ['bounce']).to, [])
})

test('planNotices() ends the chain at the double-bounce sender, whatever its case', () => {
  const { to, silent } = plan('failure', { sender: 'Double-Bounce@EXAMPLE.org' }, ['bounce', '2bounce'])
  assert.deepEqual(to, [])
  assert.deepEqual(silent, { level: 'warning', line: 'undeliverable postmaster notification discarded' })
})

function count(occasion: Occasion, notify: number[]) {
  return planNotices(occasion, MESSAGE, notify.map(record), SETTINGS).notices[0]?.records.length
}

test('planNotices() leaves out recipients whose NOTIFY does not want it [RFC 3461 §4.1]', () => {
  assert.equal(count('failure', [0, 1, 2, 4, 8, 12]), 3)
  assert.equal(count('delay', [0, 1, 2, 4, 8, 12]), 3)
  assert.equal(count('failure', [1]), undefined)
  assert.equal(count('trace', [2, 2]), 2)
})

test('planNotices() still tells the sender when the log of the failure is lost', () => {
  assert.equal(plan('failure', {}, [], []).to.length, 1)
})
