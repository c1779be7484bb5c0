/** The delivery scheduler with a virtual clock: see src/qmgr/scheduler.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import type { TransportRules } from '#qmgr/destinations.ts'
import { parseFeedback } from '#qmgr/feedback.ts'
import { Scheduler, type Assignment } from '#qmgr/scheduler.ts'

const one = parseFeedback('x', '1')
const RULES: TransportRules = {
  initial: 5, limit: 20, positive: one, negative: one, failedCohortLimit: 1,
  recipientLimit: 50, rateDelayMs: 0, transportRateDelayMs: 0, deadMs: 300_000, transportRetryMs: 60_000, processLimit: 0,
}

function recipients(count: number): EnvelopeRecipient[] {
  return Array.from({ length: count }, (_, i) => ({
    offset: i + 1, address: `u${i}@example.org`, original: `u${i}@example.org`, dsnOrcpt: '', notify: 0,
  }))
}

function drain(scheduler: Scheduler<string>, now = 0): Assignment<string>[] {
  const taken: Assignment<string>[] = []
  for (let next = scheduler.next('smtp', now); next; next = scheduler.next('smtp', now)) taken.push(next)
  return taken
}

test('next() starts no more deliveries to a destination than its window', () => {
  const scheduler = new Scheduler<string>(() => RULES)
  for (let i = 0; i < 9; i += 1) scheduler.add(`m${i}`, 'smtp', 'a', 'a', recipients(1))
  const started = drain(scheduler)
  assert.equal(started.length, 5)
  assert.equal(scheduler.queued, 4)
  for (const assignment of started.slice(0, 2)) scheduler.done(assignment, { kind: 'reached' }, 0)
  assert.equal(drain(scheduler).length, 4)
})

test('add() splits recipients at the recipient limit, in order', () => {
  const scheduler = new Scheduler<string>(() => RULES)
  assert.equal(scheduler.add('m', 'smtp', 'a', 'a', recipients(120)), 3)
  assert.deepEqual(drain(scheduler).map((a) => a.entry.recipients.length), [50, 50, 20])
})

test('next() serves destinations in turn: a large one does not starve a small one', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, initial: 2 }))
  for (let i = 0; i < 100; i += 1) scheduler.add(`big${i}`, 'smtp', 'big', 'big', recipients(1))
  scheduler.add('small', 'smtp', 'small', 'small', recipients(1))
  assert.deepEqual(drain(scheduler).map((a) => a.entry.message), ['big0', 'small', 'big1'])
})

test('done() declares a failing destination dead and hands back what waited for it', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, initial: 1 }))
  for (const name of ['m1', 'm2', 'm3']) scheduler.add(name, 'smtp', 'a', 'a', recipients(1))
  const [first] = drain(scheduler)
  assert.ok(first)
  const reason = { status: '4.4.1', text: 'connect to a[192.0.2.1]:25: Connection refused' }
  const consequence = scheduler.done(first, { kind: 'hop-failed', reason }, 0)
  assert.deepEqual(consequence?.dead.map((entry) => entry.message), ['m2', 'm3'])
  const suspended = { status: '4.4.1', text: `delivery temporarily suspended: ${reason.text}` }
  assert.deepEqual(consequence?.reason, suspended)
  assert.deepEqual(scheduler.refusal('smtp', 'a', 1000), suspended)
  assert.equal(scheduler.refusal('smtp', 'b', 1000), undefined)
  assert.equal(scheduler.refusal('smtp', 'a', 300_001), undefined)
  assert.equal(scheduler.queued, 0)
})

test('revive() makes a dead destination new again', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, initial: 1 }))
  scheduler.add('m', 'smtp', 'a', 'a', recipients(1))
  const [first] = drain(scheduler)
  assert.ok(first)
  scheduler.done(first, { kind: 'hop-failed', reason: { status: '4.4.1', text: 'x' } }, 0)
  scheduler.revive()
  assert.equal(scheduler.refusal('smtp', 'a', 1), undefined)
  scheduler.add('m2', 'smtp', 'a', 'a', recipients(1))
  assert.equal(drain(scheduler, 1).length, 1)
})

test('done() with a failed transport hands back all that waited for it, for every destination', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, initial: 1 }))
  for (const key of ['a', 'a', 'b']) scheduler.add(`to-${key}`, 'smtp', key, key, recipients(1))
  const started = drain(scheduler)
  assert.equal(started.length, 2)
  const [first] = started
  assert.ok(first)
  const consequence = scheduler.done(first, { kind: 'transport-failed', reason: { status: '4.3.0', text: 'mail transport unavailable' } }, 0)
  assert.deepEqual(consequence?.dead.map((entry) => entry.message), ['to-a'])
  assert.deepEqual(scheduler.refusal('smtp', 'z', 1), { status: '4.3.0', text: 'mail transport unavailable' })
  assert.equal(scheduler.refusal('smtp', 'z', 60_001), undefined)
})

test('a destination with a rate delay takes one delivery at a time, with the gap between them', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, rateDelayMs: 1000 }))
  for (let i = 0; i < 3; i += 1) scheduler.add(`m${i}`, 'smtp', 'a', 'a', recipients(1))
  const [first, ...rest] = drain(scheduler, 0)
  assert.ok(first)
  assert.equal(rest.length, 0)
  scheduler.done(first, { kind: 'reached' }, 10)
  assert.equal(drain(scheduler, 500).length, 0)
  assert.equal(scheduler.nextWake(500), 1010)
  assert.equal(drain(scheduler, 1010).length, 1)
})

test('a destination with a rate delay rests after its last delivery too, and is forgotten then', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, rateDelayMs: 1000 }))
  scheduler.add('m1', 'smtp', 'a', 'a', recipients(1))
  const [first = assert.fail()] = drain(scheduler, 0)
  scheduler.done(first, { kind: 'reached' }, 10)
  scheduler.add('m2', 'smtp', 'a', 'a', recipients(1))
  assert.equal(drain(scheduler, 500).length, 0)
  assert.equal(scheduler.nextWake(500), 1010)
  const [second = assert.fail()] = drain(scheduler, 1010)
  scheduler.done(second, { kind: 'reached' }, 1020)
  scheduler.expire(2020)
  scheduler.add('m3', 'smtp', 'a', 'a', recipients(1))
  assert.equal(drain(scheduler, 2020).length, 1)
})

test('next() asks to keep the session only while more is waiting or was just sent', () => {
  const scheduler = new Scheduler<string>(() => RULES)
  scheduler.add('m1', 'smtp', 'a', 'a', recipients(1))
  const [lonely] = drain(scheduler, 100_000)
  assert.equal(lonely?.store, false)
  scheduler.add('m2', 'smtp', 'a', 'a', recipients(1))
  assert.equal(drain(scheduler, 100_000)[0]?.store, true)
})

function addEach(scheduler: Scheduler<string>, keys: readonly string[], count: number): void {
  for (let i = 0; i < count; i += 1) for (const key of keys) scheduler.add(key, 'smtp', key, key, recipients(1))
}

const taken = (assignments: readonly Assignment<string>[]): string[] => assignments.map(({ entry }) => entry.message)

test('next() starts no more deliveries than the process limit of the agent, whatever the windows', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, processLimit: 3 }))
  addEach(scheduler, ['a', 'b'], 4)
  const started = drain(scheduler)
  assert.deepEqual(taken(started), ['a', 'b', 'a'])
  scheduler.done(started[1] ?? assert.fail(), { kind: 'reached' }, 0)
  assert.deepEqual(taken(drain(scheduler)), ['b'])
})

test('next() gives a free place to the destination that had it, where the others have more', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, processLimit: 4 }))
  addEach(scheduler, ['a', 'b'], 10)
  const started = drain(scheduler)
  for (let round = 0; round < 3; round += 1) {
    const b = started.findLast(({ entry }) => entry.message === 'b') ?? assert.fail()
    scheduler.done(b, { kind: 'reached' }, 0)
    assert.deepEqual(taken(drain(scheduler)), ['b'])
  }
})

test('next() with a process limit of one serves destinations in turn', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, processLimit: 1 }))
  addEach(scheduler, ['a', 'b', 'c'], 3)
  const served: string[] = []
  for (let [now] = drain(scheduler); now; [now] = drain(scheduler)) {
    served.push(now.entry.message)
    scheduler.done(now, { kind: 'reached' }, 0)
  }
  assert.equal(served.join(''), 'abcabcabc')
})

test('next() lets every destination in, although there are more of them than places', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, processLimit: 10 }))
  const keys = Array.from({ length: 25 }, (_, i) => `d${i}`)
  addEach(scheduler, keys, 40)
  const running = drain(scheduler)
  const counts = new Map<string, number>()
  for (let ended = 0; ended < 500; ended += 1) {
    const first = running.shift() ?? assert.fail()
    counts.set(first.entry.message, (counts.get(first.entry.message) ?? 0) + 1)
    scheduler.done(first, { kind: 'reached' }, ended)
    running.push(...drain(scheduler, ended))
  }
  const least = Math.min(...keys.map((key) => counts.get(key) ?? 0))
  assert.ok(least >= 15, `${least} of 500 for the least served of 25`)
})

test('a delivery that ends after its destination was forgotten gives its place back', () => {
  const scheduler = new Scheduler<string>(() => ({ ...RULES, processLimit: 1 }))
  scheduler.add('m1', 'smtp', 'a', 'a', recipients(1))
  const [first = assert.fail()] = drain(scheduler)
  scheduler.done(first, { kind: 'transport-failed', reason: { status: '4.3.0', text: 'x' } }, 0)
  scheduler.add('m2', 'smtp', 'b', 'b', recipients(1))
  assert.equal(drain(scheduler, 60_001).length, 1)
})
