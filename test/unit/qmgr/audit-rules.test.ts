/** What the auditor takes for a violation: see src/qmgr/audit-rules.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examine, type AuditRules, type Observed } from '#qmgr/audit-rules.ts'

const NOW = 1_795_168_578
const DAY = 86_400
const RULES: AuditRules = {
  backoff: { minimal: 300, maximal: 4000 }, lifetimes: { message: 5 * DAY, bounce: 5 * DAY }, queueRunDelay: 300, hasRoom: true, scanning: false,
}
const WHOLE: Observed = { queue: 'deferred', ready: true, wakeAt: NOW + 100, createTime: NOW - 1000, owned: false }

const CASES: readonly (readonly [what: string, message: Partial<Observed>, rules: Partial<AuditRules>, repair: string | undefined])[] = [
  ['a deferred message that waits', {}, {}, undefined],
  ['one that was due at the last scan', { wakeAt: NOW - 300 }, {}, undefined],
  ['one that two scans have missed', { wakeAt: NOW - 700 }, {}, 'take'],
  ['the same while a scan is under way', { wakeAt: NOW - 700 }, { scanning: true }, undefined],
  ['the same while the active queue is full', { wakeAt: NOW - 700 }, { hasRoom: false }, undefined],
  ['an attempt at the longest wait', { wakeAt: NOW + 4000 }, {}, undefined],
  ['an attempt in a day, stamped by a clock that was ahead', { wakeAt: NOW + DAY }, {}, 'wake'],
  ['a file that is not whole', { ready: false }, {}, 'corrupt'],
  ['one past its lifetime, with its last attempt soon', { createTime: NOW - 6 * DAY, wakeAt: NOW + 200 }, {}, undefined],
  ['one past its lifetime, with its last attempt late', { createTime: NOW - 6 * DAY, wakeAt: NOW + 3000 }, {}, 'wake'],
  ['one whose lifetime has just ended', { createTime: NOW - 5 * DAY - 100, wakeAt: NOW + 3000 }, {}, undefined],
  ['one whose time of creation cannot be read', { createTime: undefined, wakeAt: NOW + 3000 }, {}, undefined],
  ['one created tomorrow', { createTime: NOW + DAY }, {}, undefined],
  ['a new message', { queue: 'incoming', wakeAt: NOW }, {}, undefined],
  ['a new message that nobody took', { queue: 'incoming', wakeAt: NOW - 70 }, {}, 'take'],
  ['the same while incoming is scanned', { queue: 'incoming', wakeAt: NOW - 70 }, { scanning: true }, undefined],
  ['the same while the active queue is full', { queue: 'incoming', wakeAt: NOW - 70 }, { hasRoom: false }, undefined],
  ['a message that is being received', { queue: 'incoming', wakeAt: NOW - 7000, ready: false }, {}, undefined],
  ['a new message from tomorrow', { queue: 'incoming', wakeAt: NOW + DAY }, {}, 'wake'],
  ['an active message', { queue: 'active', owned: true, wakeAt: NOW - DAY }, {}, undefined],
  ['an active message of nobody', { queue: 'active', wakeAt: NOW }, {}, 'requeue'],
  ['an active file of nobody that is not whole', { queue: 'active', ready: false }, {}, 'corrupt'],
]

test('examine() finds what has no next event, no owner or no end, and nothing else', () => {
  for (const [what, message, rules, repair] of CASES) {
    assert.equal(examine({ ...WHOLE, ...message }, NOW, { ...RULES, ...rules })?.repair, repair, what)
  }
})

test('examine() lets a message live for as long as bounces may, where they may longer', () => {
  const message = { ...WHOLE, createTime: NOW - 6 * DAY, wakeAt: NOW + 3000 }
  assert.equal(examine(message, NOW, { ...RULES, lifetimes: { message: DAY, bounce: 7 * DAY } }), undefined)
})
