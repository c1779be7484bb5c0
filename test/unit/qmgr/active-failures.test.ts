/** What goes wrong around the active queue, on a real directory: see src/qmgr/active.ts. */
import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { test } from 'node:test'
import { SpareKeeper } from '#queue/spare.ts'
import { ActiveQueue, type ActiveMessage, type NoticeTools } from '#qmgr/active.ts'
import { Scheduler, type Assignment } from '#qmgr/scheduler.ts'
import { queueId, queuePath } from '#queue/spool.ts'
import { nodeFileSystem, substituteFiles, type FileSystem } from '#system/files.ts'
import { errnoError } from '#test/support/failing-files.ts'
import { captureLog, type CapturedLog } from '#test/support/log.ts'
import { createSpool, messageBytes, type TestSpool } from '#test/support/spool.ts'

const id = queueId('3E8F1A')
const RULES = {
  initial: 5, limit: 20, positive: { base: 1, divisor: 'none' }, negative: { base: 1, divisor: 'none' }, failedCohortLimit: 1,
  recipientLimit: 50, rateDelayMs: 0, transportRateDelayMs: 0, deadMs: 300_000, transportRetryMs: 60_000, processLimit: 0,
} as const
const NOW_MS = 1_795_168_600_000

async function unexpected(): Promise<void> {
  return Promise.reject(new Error('not asked for'))
}

type World = Disposable & {
  readonly spool: TestSpool
  readonly log: CapturedLog
  readonly active: ActiveQueue
  readonly scheduler: Scheduler<ActiveMessage>
  readonly removed: [string, number][]
  /** The delivery that waits. */
  next(): Assignment<ActiveMessage>
}

function openWorld(notices: Partial<NoticeTools> = {}): World {
  const log = captureLog('postfix/qmgr')
  const spool = createSpool()
  spool.put('incoming', id, messageBytes())
  const scheduler = new Scheduler<ActiveMessage>(() => RULES)
  const removed: [string, number][] = []
  const active = new ActiveQueue({
    spool: spool.spool, spares: new SpareKeeper(spool.spool), clock: { now: () => NOW_MS }, log: log.log, scheduler,
    settings: {
      recipientsAtOnce: 1000, backoff: { minimal: 300, maximal: 4000 }, lifetimes: { message: 432_000, bounce: 432_000 }, retryTransport: 'retry',
    },
    notices: { bounce: unexpected, expire: unexpected, warn: unexpected, trace: unexpected, ...notices },
    routeTools: () => ({
      resolve: (_sender, recipient) => Promise.resolve({ transport: 'smtp', nexthop: 'a', recipient, class: 'default', routed: false }),
      recipientLimit: () => 50, refusal: () => undefined, isDeferredTransport: () => false, errorTransport: 'error', retryTransport: 'retry',
      discardDoubleBounce: () => undefined, doubleBounceSender: 'double-bounce', recipientDelimiter: '', filterNexthop: '', myhostname: 'h.example',
    }),
    wake: () => undefined,
    removed: (name, seconds) => removed.push([name, seconds]),
  })
  const next = (): Assignment<ActiveMessage> => scheduler.next('smtp', NOW_MS) ?? assert.fail('nothing to deliver')
  return { spool, log, active, scheduler, removed, next, [Symbol.dispose]: () => { log.restore(); spool[Symbol.dispose]() } }
}

/** One kind of call fails as long as this lasts. */
function failing(name: 'rename' | 'open' | 'unlink', code: string, concerns: (path: string) => boolean): Disposable {
  const call = nodeFileSystem[name]
  const substitute: FileSystem = { ...nodeFileSystem }
  Object.assign(substitute, { [name]: (...args: [string, string & number]) => {
    if (args.some((arg) => typeof arg === 'string' && concerns(arg))) throw errnoError(code)
    return Reflect.apply(call, nodeFileSystem, args)
  } })
  return substituteFiles(substitute)
}

test('entryDone() removes a delivered message, and says with which creation time', async () => {
  using world = openWorld()
  assert.equal(await world.active.activate(id, 'incoming'), true)
  world.active.entryDone(world.next().entry.message, false)
  await world.active.settled()
  assert.deepEqual(world.spool.names('active'), [])
  assert.deepEqual(world.removed, [[id, 1_795_168_578]])
})

test('entryDone() does not report a message as removed that postsuper put on hold meanwhile', async () => {
  using world = openWorld()
  await world.active.activate(id, 'incoming')
  const { spool } = world.spool
  renameSync(queuePath(spool, 'active', id), queuePath(spool, 'hold', id))
  world.active.entryDone(world.next().entry.message, false)
  await world.active.settled()
  assert.deepEqual(world.removed, [])
  assert.equal(world.active.size, 0)
})

test('activate() defers a message that cannot be read now: in active/ nobody would look for it', async () => {
  using world = openWorld()
  {
    using failure = failing('open', 'EMFILE', (path) => path.endsWith(`active/${id}`))
    assert.equal(await world.active.activate(id, 'incoming'), false)
    void failure
  }
  assert.deepEqual(world.spool.names('deferred'), ['3', `3/${id}`])
  assert.equal(await world.active.activate(id, 'deferred'), true)
})

test('activate() defers a message whose old log cannot be removed', async () => {
  using world = openWorld()
  world.spool.put('defer', id, 'x')
  {
    using failure = failing('unlink', 'EIO', (path) => path.includes('/defer/'))
    await world.active.activate(id, 'incoming')
    void failure
  }
  assert.equal(world.active.size, 0)
  assert.equal(world.spool.has('deferred', id), true)
})

test('a message that cannot be moved to deferred/ is moved by a later attempt', async () => {
  using world = openWorld()
  await world.active.activate(id, 'incoming')
  {
    using failure = failing('rename', 'ENOSPC', (path) => path.includes('/deferred/'))
    world.active.entryDone(world.next().entry.message, true)
    await world.active.settled()
    world.active.retryStranded()
    void failure
  }
  assert.equal(world.spool.has('active', id), true)
  world.active.retryStranded()
  assert.equal(world.spool.has('deferred', id), true)
})

test('settled() waits for the notices of messages that have ended', async () => {
  const asked = Promise.withResolvers<void>()
  using world = openWorld({ bounce: () => asked.promise })
  await world.active.activate(id, 'incoming')
  world.spool.put('bounce', id, 'x')
  world.active.entryDone(world.next().entry.message, false)
  let settled = false
  const end = world.active.settled().then(() => (settled = true))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(settled, false)
  asked.resolve()
  await end
  assert.deepEqual(world.spool.names('active'), [])
})

test('abandon() leaves what is being finished to the next queue manager', async () => {
  const asked = Promise.withResolvers<void>()
  using world = openWorld({ bounce: () => asked.promise })
  await world.active.activate(id, 'incoming')
  world.spool.put('bounce', id, 'x')
  world.active.entryDone(world.next().entry.message, false)
  await world.active.abandon()
  asked.resolve()
  await world.active.settled()
  assert.equal(world.spool.has('active', id), true)
  assert.deepEqual(world.removed, [])
})
