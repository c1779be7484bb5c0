/** The auditor on a temporary queue, with a clock of the test: see src/qmgr/auditor.ts. */
import assert from 'node:assert/strict'
import { statSync, utimesSync } from 'node:fs'
import { test } from 'node:test'
import { Auditor } from '#qmgr/auditor.ts'
import { queuePath, type QueueId } from '#queue/spool.ts'
import { RECORD } from '#queue/record.ts'
import { FixedClock } from '#system/clock.ts'
import { countCalls } from '#test/support/failing-files.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool, messageBytes } from '#test/support/spool.ts'

const NOW = 1_795_168_578
const DAY = 86_400

function setUp() {
  const made = createSpool()
  const caught = captureLog('postfix/qmgr')
  const clock = new FixedClock(NOW * 1000)
  const owned = new Set<QueueId>()
  const taken: string[] = []
  const stuck: string[] = []
  const auditor = new Auditor({
    spool: made.spool, log: caught.log, now: () => clock.now(), owns: (id) => owned.has(id), stopped: () => false,
    rules: () => ({
      backoff: { minimal: 300, maximal: 4000 }, lifetimes: { message: 5 * DAY, bounce: 5 * DAY }, queueRunDelay: 300, hasRoom: true, scanning: false,
    }),
    take: (queue, id) => void taken.push(`${queue} ${id}`),
    releaseStuck: () => stuck.splice(0),
  })
  const put = (queue: 'incoming' | 'active' | 'deferred', name: string, dueIn = 0, options: { mode?: number; age?: number } = {}): QueueId => {
    const envelope = [[RECORD.time, `${NOW - (options.age ?? 0)} 1`] as const]
    const id = made.put(queue, name, messageBytes({ envelope }), options.mode ?? 0o700)
    utimesSync(queuePath(made.spool, queue, name), NOW + dueIn, NOW + dueIn)
    return id
  }
  const wakeAt = (queue: 'incoming' | 'deferred', id: QueueId): number => statSync(queuePath(made.spool, queue, id)).mtimeMs / 1000 - NOW
  const minute = (): Promise<void> => {
    clock.advance(60_000)
    return auditor.round()
  }
  return {
    ...made, auditor, owned, taken, stuck, put, wakeAt, minute, texts: () => caught.texts(),
    [Symbol.dispose]() {
      auditor.stop()
      caught.restore()
      made[Symbol.dispose]()
    },
  }
}

test('Auditor leaves a queue in order alone', async () => {
  using world = setUp()
  world.put('incoming', '3F2A1B0C01')
  world.owned.add(world.put('active', '3F2A1B0C02'))
  world.put('deferred', '3F2A1B0C03', 1000)
  for (let round = 0; round < 3; round += 1) await world.auditor.round()
  assert.deepEqual([world.texts(), world.auditor.counts.violations], [[], 0])
})

test('Auditor moves an active message of nobody to incoming and has it taken, when it finds it twice', async () => {
  using world = setUp()
  const id = world.put('active', '3F2A1B0C9D')
  await world.minute()
  assert.deepEqual([world.texts(), world.names('active')], [[], [id]])
  await world.minute()
  assert.deepEqual([world.names('active'), world.names('incoming'), world.taken], [[], [id], [`incoming ${id}`]])
  assert.deepEqual(world.texts(), [`warning: queue audit: ${id}: active: nobody owns it; moved to incoming (violation 1 since the start)`])
  assert.equal(world.auditor.counts.violations, 1)
})

test('Auditor forgets a suspect that has found an owner', async () => {
  using world = setUp()
  const id = world.put('active', '3F2A1B0C9D')
  await world.minute()
  world.owned.add(id)
  await world.minute()
  assert.deepEqual([world.names('active'), world.texts()], [[id], []])
})

test('Auditor lets no message wait for the day that a wrong clock has stamped on it', async () => {
  using world = setUp()
  const deferred = world.put('deferred', '3F2A1B0C01', DAY)
  const incoming = world.put('incoming', '3F2A1B0C02', DAY)
  await world.minute()
  await world.minute()
  assert.deepEqual([world.wakeAt('deferred', deferred), world.wakeAt('incoming', incoming)], [120, 120])
  assert.deepEqual(world.taken.toSorted(), [`deferred ${deferred}`, `incoming ${incoming}`])
})

test('Auditor has a message tried that is past its lifetime, so that it is returned', async () => {
  using world = setUp()
  const id = world.put('deferred', '3F2A1B0C01', 3000, { age: 7 * DAY })
  await world.minute()
  await world.minute()
  assert.equal(world.wakeAt('deferred', id), 120)
  assert.match(world.texts().join(), /past its lifetime, and the next attempt is 28\d\d s away; tried now/)
})

test('Auditor keeps aside what is not a whole message in deferred', async () => {
  using world = setUp()
  const id = world.put('deferred', '3F2A1B0C01', 100, { mode: 0o600 })
  await world.minute()
  await world.minute()
  assert.deepEqual(world.names('corrupt'), [id])
})

test('Auditor reports and counts messages in memory that nothing would finish', async () => {
  using world = setUp()
  world.stuck.push('3F2A1B0C01: active: nothing is under way; deferred')
  await world.minute()
  assert.deepEqual(world.texts(), ['warning: queue audit: 3F2A1B0C01: active: nothing is under way; deferred (violation 1 since the start)'])
})

test('Auditor looks at a bounded number of deferred messages in a round, and at all of them in turn', async () => {
  using world = setUp()
  const messages = 4500
  for (let n = 0; n < messages; n += 1) world.put('deferred', `3F2A1${(0xB0000 + n).toString(16).toUpperCase()}`, 100)
  using calls = countCalls()
  await world.auditor.round()
  assert.equal(world.auditor.counts.looked, 2000)
  assert.equal(calls.counts.get('lstat'), 2000)
  for (let round = 0; round < 2; round += 1) await world.auditor.round()
  assert.equal(world.auditor.counts.looked, messages)
})
