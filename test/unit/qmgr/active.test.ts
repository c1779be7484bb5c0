/** Messages of the active queue, in a temporary spool, with notices and time made up: see src/qmgr/active.ts. */
import assert from 'node:assert/strict'
import { openSync, closeSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { SpareKeeper } from '#queue/spare.ts'
import { ActiveQueue, type ActiveMessage, type NoticeTools } from '#qmgr/active.ts'
import { parseFeedback } from '#qmgr/feedback.ts'
import type { TransportRules } from '#qmgr/destinations.ts'
import { Scheduler } from '#qmgr/scheduler.ts'
import { markDone } from '#queue/mark.ts'
import { queueId, queuePath, type QueueId } from '#queue/spool.ts'
import { RECORD } from '#queue/record.ts'
import type { Resolved } from '#rewrite/resolve.ts'
import { flock } from '#system/posix.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool, messageBytes, recipientRecords, TEST_SENDER, TEST_TIME, type RecordPair } from '#test/support/spool.ts'

const ID = '3F2A1B0C9D'
/** TEST_TIME, in seconds. */
const ARRIVAL = 1_795_168_578
const one = parseFeedback('x', '1')
const RULES: TransportRules = {
  initial: 5, limit: 20, recipientLimit: 50, failedCohortLimit: 1, positive: one, negative: one,
  rateDelayMs: 0, transportRateDelayMs: 0, deadMs: 300_000, transportRetryMs: 60_000, processLimit: 0,
}

type World = ReturnType<typeof setUp>

function resolve(_sender: string, address: string): Promise<Resolved> {
  return Promise.resolve({ transport: 'smtp', nexthop: 'far.example', recipient: address, class: 'default', routed: false })
}

function setUp(nowSeconds = ARRIVAL + 10, failing: readonly string[] = []) {
  const made = createSpool()
  const caught = captureLog('postfix/qmgr')
  const scheduler = new Scheduler<ActiveMessage>(() => RULES)
  const notices: string[] = []
  const note = (kind: string) => ({ id }: ActiveMessage): Promise<void> => {
    notices.push(`${kind} ${id}`)
    return failing.includes(kind) ? Promise.reject(new Error('no')) : Promise.resolve()
  }
  const tools: NoticeTools = { bounce: note('bounce'), expire: note('expire'), warn: note('warn'), trace: note('trace') }
  const removed: QueueId[] = []
  const active = new ActiveQueue({
    spool: made.spool, spares: new SpareKeeper(made.spool), clock: { now: () => nowSeconds * 1000 }, log: caught.log, scheduler, notices: tools, wake: () => undefined,
    removed: (id) => void removed.push(id),
    settings: { recipientsAtOnce: 2, backoff: { minimal: 300, maximal: 4000 }, lifetimes: { message: 86_400, bounce: 86_400 }, retryTransport: 'retry' },
    routeTools: () => ({
      resolve, recipientLimit: () => 50, refusal: () => undefined, isDeferredTransport: () => false, errorTransport: 'error', retryTransport: 'retry',
      discardDoubleBounce: () => undefined, doubleBounceSender: 'double-bounce', recipientDelimiter: '', filterNexthop: '', myhostname: 'mail.example.org',
    }),
  })
  return {
    ...made, active, scheduler, notices, removed, texts: () => caught.texts(),
    [Symbol.dispose]() {
      caught.restore()
      made[Symbol.dispose]()
    },
  }
}

function put(world: World, addresses: readonly string[], more: readonly RecordPair[] = [], mode = 0o700): QueueId {
  const envelope = [...TEST_TIME, TEST_SENDER, ...more, ...addresses.flatMap(recipientRecords)]
  return world.put('incoming', ID, messageBytes({ envelope, size: { recipientCount: addresses.length } }), mode)
}

/** Plays the delivery agent: ends what may start. `left`: nothing is marked, the recipients stay. */
async function deliver(world: World, left: boolean, transport = 'smtp'): Promise<string[]> {
  const seen: string[] = []
  for (let next = world.scheduler.next(transport, 0); next; next = world.scheduler.next(transport, 0)) {
    const { message, recipients } = next.entry
    seen.push(...recipients.map(({ address }) => address))
    if (!left) mark(world, recipients.map(({ offset }) => offset))
    world.scheduler.done(next, { kind: 'reached' }, 0)
    world.active.entryDone(message, left)
    await settle(world)
  }
  return seen
}

function mark(world: World, offsets: readonly number[]): void {
  const fd = openSync(queuePath(world.spool, 'active', ID), 'r+')
  for (const offset of offsets) markDone(fd, offset)
  closeSync(fd)
}

/** Notices and removals end in later turns of the loop. */
async function settle(world: World): Promise<void> {
  for (let turns = 0; turns < 5; turns += 1) await new Promise((resolveTurn) => setImmediate(resolveTurn))
  await world.active.settled()
}

test('a message whose recipients are all done is removed, and its id is reported', async () => {
  using world = setUp()
  assert.equal(await world.active.activate(put(world, ['a@far.example', 'b@far.example']), 'incoming'), true)
  assert.equal(world.active.size, 1)
  assert.deepEqual(await deliver(world, false), ['a@far.example', 'b@far.example'])
  assert.deepEqual(world.removed, [ID])
  assert.deepEqual([world.active.size, world.names('active'), world.names('deferred')], [0, [], []])
  assert.deepEqual(world.texts(), [`${ID}: from=<alice@example.org>, size=22, nrcpt=2 (queue active)`, `${ID}: removed`])
})

test('more recipients than are read at once come in passes, and none twice', async () => {
  using world = setUp()
  await world.active.activate(put(world, ['a@far.example', 'b@far.example', 'c@far.example', 'd@far.example', 'e@far.example']), 'incoming')
  const seen: string[] = []
  for (let pass = 0; pass < 3; pass += 1) seen.push(...await deliver(world, false))
  assert.deepEqual(seen, ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@far.example`))
  assert.deepEqual(world.removed, [ID])
})

test('what is left goes to deferred/ with the time of the next attempt', async () => {
  using world = setUp(ARRIVAL + 1000)
  await world.active.activate(put(world, ['a@far.example']), 'incoming')
  await deliver(world, true)
  assert.equal(statSync(queuePath(world.spool, 'deferred', ID)).mtimeMs / 1000, ARRIVAL + 2000)
  assert.deepEqual([world.removed, world.notices, world.names('active')], [[], [], []])
})

test('a bounce log is turned into a notice before the message goes', async () => {
  using world = setUp()
  await world.active.activate(put(world, ['a@far.example']), 'incoming')
  world.put('bounce', ID, 'a reason')
  await deliver(world, false)
  assert.deepEqual([world.notices, world.removed], [[`bounce ${ID}`], [ID]])
})

test('when the notice fails the message stays', async () => {
  using world = setUp(ARRIVAL + 10, ['bounce'])
  await world.active.activate(put(world, ['a@far.example']), 'incoming')
  world.put('bounce', ID, 'a reason')
  await deliver(world, false)
  assert.ok(world.has('deferred', ID))
  assert.deepEqual(world.texts().slice(1), [`${ID}: status=deferred (bounce failed)`])
})

test('a message that is too old is returned; one that is not gets its warning once', async () => {
  using old = setUp(ARRIVAL + 90_000)
  await old.active.activate(put(old, ['a@far.example']), 'incoming')
  await deliver(old, true)
  assert.deepEqual([old.notices, old.removed], [[`expire ${ID}`], [ID]])
  assert.deepEqual(old.texts().slice(1), [`${ID}: from=<alice@example.org>, status=expired, returned to sender`, `${ID}: removed`])
  using slow = setUp(ARRIVAL + 4000)
  await slow.active.activate(put(slow, ['a@far.example'], [[RECORD.warnTime, String(ARRIVAL + 3600).padStart(15)]]), 'incoming')
  await deliver(slow, true)
  assert.deepEqual(slow.notices, [`warn ${ID}`])
  await slow.active.activate(queueId(ID), 'deferred')
  await deliver(slow, true)
  assert.deepEqual(slow.notices, [`warn ${ID}`])
})

test('an empty log of deferrals is no reason, and the log of the attempt before goes', async () => {
  using world = setUp()
  world.put('defer', ID, 'an old reason')
  await world.active.activate(put(world, ['a@far.example']), 'incoming')
  assert.equal(world.has('defer', ID), false)
  world.put('bounce', ID, '')
  await deliver(world, false)
  assert.deepEqual([world.notices, world.has('bounce', ID)], [[], false])
})

test('postsuper -e: recipients get a last word from retry, and the message is returned', async () => {
  using world = setUp()
  await world.active.activate(put(world, ['a@far.example'], [], 0o710), 'incoming')
  assert.deepEqual(await deliver(world, true, 'retry'), ['a@far.example'])
  assert.deepEqual([world.notices, world.removed], [[`expire ${ID}`], [ID]])
  assert.match(world.texts().join('\n'), /status=force-expired, returned to sender$/m)
})

test('a damaged file is kept in corrupt/, and one that is gone is nobody\'s fault', async () => {
  using world = setUp()
  const id = put(world, ['a@far.example'])
  const path = queuePath(world.spool, 'incoming', ID)
  writeFileSync(path, readFileSync(path).subarray(0, 50))
  assert.equal(await world.active.activate(id, 'incoming'), false)
  assert.deepEqual(world.names('corrupt'), [ID])
  assert.match(world.texts().join('\n'), /^warning: saving corrupt file "3F2A1B0C9D" from queue "active" to queue "corrupt"$/m)
  assert.equal(await world.active.activate(id, 'incoming'), false)
  assert.equal(world.active.size, 0)
})

test('suspend() sends only unmarked recipients to the retry service', async () => {
  using world = setUp()
  await world.active.activate(put(world, ['a@far.example', 'b@far.example']), 'incoming')
  const next = world.scheduler.next('smtp', 0)
  assert.ok(next)
  mark(world, next.entry.recipients.slice(0, 1).map(({ offset }) => offset))
  world.active.suspend([next.entry], { status: '4.3.0', text: 'died' })
  assert.deepEqual(await deliver(world, true, 'retry'), ['b@far.example'])
  assert.ok(world.has('deferred', ID))
})

test('a message that an agent of an earlier queue manager still delivers is put off, not delivered twice', async () => {
  using world = setUp()
  const id = put(world, ['a@far.example'])
  const fd = openSync(queuePath(world.spool, 'incoming', ID), 'r+')
  flock(fd, 'shared', false)
  await world.active.activate(id, 'incoming')
  assert.deepEqual([world.active.size, world.names('active'), world.names('incoming')], [0, [], [ID]])
  assert.deepEqual(world.texts(), [`${ID}: skipped, still being delivered`])
  assert.ok(statSync(queuePath(world.spool, 'incoming', ID)).mtimeMs > (ARRIVAL + 10) * 1000)
  closeSync(fd)
  await world.active.activate(id, 'incoming')
  assert.deepEqual(await deliver(world, false), ['a@far.example'])
})

test('ActiveQueue.withoutWork() names a message of which nothing is under way, and release() lets it wait for its next attempt', async () => {
  using world = setUp()
  const id = put(world, ['bob@far.example'])
  await world.active.activate(id, 'incoming')
  assert.deepEqual(world.active.withoutWork(new Set(world.scheduler.waitingMessages())), [])
  const lost = world.scheduler.next('smtp', 0)?.entry.message ?? assert.fail('nothing to deliver')
  assert.deepEqual([...world.scheduler.waitingMessages()], [])
  assert.deepEqual([world.active.owns(id), world.active.withoutWork(new Set([lost])), world.active.withoutWork(new Set())], [true, [], [lost]])
  world.active.release(lost)
  assert.deepEqual([world.active.owns(id), world.has('deferred', ID), world.has('active', ID)], [false, true, false])
})

test('ActiveQueue removes what a dead agent reported last, when another agent delivered the message', async () => {
  using world = setUp()
  const id = put(world, ['bob@far.example'])
  await world.active.activate(id, 'incoming')
  const entry = world.scheduler.next('smtp', 0)?.entry ?? assert.fail('nothing to deliver')
  world.put('defer', ID, 'reported by the agent that died')
  entry.message.repeated = true
  mark(world, entry.recipients.map(({ offset }) => offset))
  world.active.entryDone(entry.message, false)
  await settle(world)
  await world.active.settled()
  assert.deepEqual([world.has('active', ID), world.has('defer', ID)], [false, false])
})
