/** How messages enter the active queue, in a temporary spool: see src/qmgr/intake.ts. */
import assert from 'node:assert/strict'
import { mkdirSync, utimesSync } from 'node:fs'
import { test } from 'node:test'
import { Intake } from '#qmgr/intake.ts'
import { moveFile, queueId, queuePath, type QueueId } from '#queue/spool.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool } from '#test/support/spool.ts'

const NOW_SECONDS = 1_795_168_578
const HOUR = 3600

function setUp(activeLimit = 100) {
  const made = createSpool()
  const caught = captureLog('postfix/qmgr')
  const taken: string[] = []
  const held = new Set<QueueId>()
  const intake = new Intake({
    spool: made.spool, log: caught.log, now: () => NOW_SECONDS * 1000, activeLimit, activeSize: () => held.size,
    activate: (id, from) => {
      if (!moveFile(made.spool, id, from, 'active')) return Promise.resolve(false)
      taken.push(`${from} ${id}`)
      held.add(id)
      return Promise.resolve(true)
    },
  })
  const put = (queue: 'incoming' | 'deferred', name: string, dueIn = -1, mode = 0o700): QueueId => {
    const id = made.put(queue, name, 'x', mode)
    utimesSync(queuePath(made.spool, queue, name), NOW_SECONDS + dueIn, NOW_SECONDS + dueIn)
    return id
  }
  return {
    ...made, intake, taken, held, put, texts: () => caught.texts(),
    [Symbol.dispose]() {
      intake.stop()
      caught.restore()
      made[Symbol.dispose]()
    },
  }
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve))
}

test('announce() takes a message from incoming/ without a scan', async () => {
  using world = setUp()
  const id = world.put('incoming', '3F2A1B0C9D')
  world.put('incoming', '3F2A1B0C9E')
  world.intake.announce([id])
  await settle()
  assert.deepEqual(world.taken, [`incoming ${id}`])
})

test('announce() of a message that is gone does nothing', async () => {
  using world = setUp()
  world.intake.announce([queueId('3F2A1B0C9D')])
  await settle()
  assert.deepEqual([world.taken, world.texts()], [[], []])
})

test('scan() takes what is whole and due, and leaves the rest', async () => {
  using world = setUp()
  world.put('deferred', '3F2A1B0C91', -HOUR)
  world.put('deferred', '3F2A1B0C92', HOUR)
  world.put('deferred', '3F2A1B0C93', -HOUR, 0o600)
  mkdirSync(queuePath(world.spool, 'deferred', '3F2A1B0C94'))
  world.intake.scan('deferred')
  await settle()
  assert.deepEqual(world.taken, ['deferred 3F2A1B0C91'])
  assert.match(world.texts()[0] ?? '', /^warning: deferred\/3F2A1B0C94: uid \d+: not a regular file$/)
})

test('scan() that ignores the time takes messages before their next attempt', async () => {
  using world = setUp()
  world.put('deferred', '3F2A1B0C92', HOUR)
  world.intake.scan('deferred', true)
  await settle()
  assert.deepEqual(world.taken, ['deferred 3F2A1B0C92'])
})

test('a scan that is asked for while one runs is done after it', async () => {
  using world = setUp()
  world.put('deferred', '3F2A1B0C92', HOUR)
  world.intake.scan('deferred')
  world.intake.scan('deferred', true)
  await settle()
  assert.deepEqual(world.taken, ['deferred 3F2A1B0C92'])
})

test('a full active queue stops the intake until there is room again', async () => {
  using world = setUp(2)
  for (const name of ['3F2A1B0C91', '3F2A1B0C92', '3F2A1B0C93']) world.put('incoming', name)
  world.intake.scan('incoming')
  await settle()
  assert.equal(world.taken.length, 2)
  world.held.clear()
  world.intake.poke()
  await settle()
  assert.equal(world.taken.length, 3)
})

test('two scans and announced mail take turns', async () => {
  using world = setUp()
  for (let i = 0; i < 5; i += 1) {
    world.put('incoming', `3F2A1B0CA${i}`)
    world.put('deferred', `3F2A1B0CB${i}`, -HOUR)
  }
  const announced = Array.from({ length: 5 }, (_, i) => world.put('incoming', `3F2A1B0CC${i}`))
  world.intake.scan('incoming')
  world.intake.scan('deferred')
  world.intake.announce(announced)
  await settle()
  assert.equal(world.taken.length, 15)
  // None of the three waits for another to be empty.
  assert.ok(world.taken.slice(0, 6).some((line) => line.startsWith('deferred')))
  assert.ok(world.taken.slice(0, 6).some((line) => line.startsWith('incoming')))
})

test('stop() takes nothing more in', async () => {
  using world = setUp()
  world.put('incoming', '3F2A1B0C91')
  world.intake.stop()
  world.intake.scan('incoming')
  await settle()
  assert.deepEqual(world.taken, [])
})

test('a million deferred messages are read as far as there is room, and no further', async () => {
  using made = createSpool()
  using caught = captureLog('postfix/qmgr')
  let read = 0
  let active = 0
  function* million(): Generator<QueueId> {
    for (; read < 1_000_000; read += 1) yield made.put('deferred', `3F2${read.toString(16).toUpperCase().padStart(7, '0')}`, 'x')
  }
  const intake = new Intake({
    spool: made.spool, log: caught.log, now: () => Date.now() + 60_000, activeLimit: 20, activeSize: () => active, entriesOf: million,
    activate: (id) => {
      active += 1
      return Promise.resolve(moveFile(made.spool, id, 'deferred', 'active'))
    },
  })
  intake.scan('deferred')
  await settle()
  assert.deepEqual([active, read <= 21], [20, true])
  active = 0
  intake.poke()
  await settle()
  assert.deepEqual([active, read <= 41], [20, true])
  intake.stop()
})
