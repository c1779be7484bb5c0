/** One service with workers that a test plays: see src/master/service.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMasterCf } from '#config/master-cf.ts'
import { Service } from '#master/service.ts'
import type { WorkerEvents, WorkerStart } from '#master/process.ts'
import type { ServiceSpec } from '#master/table.ts'
import type { MasterMessage } from '#service/control.ts'
import { captureLog } from '#test/support/log.ts'

type FakeWorker = { readonly start: WorkerStart; readonly events: WorkerEvents; readonly sent: MasterMessage[] }

function spec(line: string, extra: Partial<ServiceSpec> = {}): ServiceSpec {
  const [entry] = parseMasterCf(line, 'master.cf')
  if (entry === undefined) throw new Error('no entry')
  return {
    key: `${entry.name}/${entry.type}`, entry, endpoints: [], program: { kind: 'worker', file: 'x' }, path: '/libexec/smtpd', listener: '25',
    processes: 1, throttleSeconds: 60, ...extra,
  }
}

/** A service on one listener, with a clock and timers that the test moves. */
function play(line: string, extra: Partial<ServiceSpec> = {}) {
  const workers: FakeWorker[] = []
  const timers: { at: number; callback: () => void }[] = []
  let now = 0
  let demand: (() => void) | undefined
  let wakes = 0
  let empty = 0
  let crashes = 0
  const description = spec(line, extra)
  const service = new Service(description, [7], {
    start: (_, start, events) => {
      const worker: FakeWorker = { start, events, sent: [] }
      workers.push(worker)
      return { pid: 1000 + workers.length, send: (message) => void worker.sent.push(message), kill: () => undefined }
    },
    watch: { watch: (_, callback) => (demand = callback), unwatch: () => (demand = undefined) },
    after: (seconds, callback) => {
      const timer = { at: now + seconds * 1000, callback }
      timers.push(timer)
      return () => timers.splice(timers.indexOf(timer), 1)
    },
    now: () => now,
    wake: () => (wakes += 1),
    onCrash: () => (crashes += 1),
    ticketKeys: () => ({ kind: 'ticket-keys', keys: 'keys', lifeMs: 1000 }),
    onEmpty: () => (empty += 1),
  })
  const pass = (seconds: number): void => {
    now += seconds * 1000
    for (const timer of timers.filter(({ at }) => at <= now)) {
      timers.splice(timers.indexOf(timer), 1)
      timer.callback()
    }
  }
  const client = (): boolean => {
    const callback = demand
    demand = undefined
    callback?.()
    return callback !== undefined
  }
  const last = (): FakeWorker => {
    const worker = workers.at(-1)
    if (worker === undefined) throw new Error('no worker was started')
    return worker
  }
  return { service, workers, pass, client, last, wakes: () => wakes, empty: () => empty, crashes: () => crashes, description }
}

const SMTP = 'smtp inet n - n - 10 smtpd'

test('a service watches its listener until a worker is there, and again when it leaves', () => {
  const { service, client, last, workers } = play(SMTP)
  service.open()
  assert.ok(client())
  assert.equal(workers.length, 1)
  assert.equal(client(), false)
  last().events.onMessage({ kind: 'ready' })
  assert.equal(client(), false)
  last().events.onMessage({ kind: 'leaving' })
  assert.ok(client())
  assert.equal(workers.length, 2)
})

test('a service with a limit of one waits until the old worker has ended', () => {
  const { service, client, last, workers } = play('qmgr unix n - n 300 1 qmgr')
  service.open()
  client()
  last().events.onMessage({ kind: 'used' })
  last().events.onMessage({ kind: 'leaving' })
  assert.equal(client(), false)
  last().events.onExit({ status: 0, signal: null })
  assert.ok(client())
  assert.equal(workers.length, 2)
})

test('a worker that fails before its first client throttles the service; later failures do not', () => {
  using caught = captureLog()
  const { service, client, last, pass, crashes } = play(SMTP)
  service.open()
  client()
  last().events.onExit({ status: 1, signal: null })
  assert.deepEqual(caught.texts(), [
    'warning: process /libexec/smtpd pid 1001 exit status 1',
    'warning: /libexec/smtpd: bad command startup -- throttling',
  ])
  assert.equal(client(), false)
  pass(59)
  assert.equal(client(), false)
  pass(1)
  assert.ok(client())
  last().events.onMessage({ kind: 'used' })
  last().events.onExit({ status: null, signal: 'SIGSEGV' })
  // What it was about to tell others may be lost.
  assert.equal(crashes(), 2)
  assert.equal(caught.texts().at(-1), 'warning: process /libexec/smtpd pid 1002 killed by signal 11')
  assert.ok(client())
})

test('a worker that asks is told the keys of session tickets, and nobody else', () => {
  const { service, client, workers } = play(SMTP, { processes: 2 })
  service.open()
  client()
  workers[0]?.events.onMessage({ kind: 'busy' })
  workers[0]?.events.onMessage({ kind: 'ready' })
  workers[0]?.events.onMessage({ kind: 'busy' })
  const told = (): boolean[] => workers.map(({ sent }) => sent.some(({ kind }) => kind === 'ticket-keys'))
  assert.deepEqual(told(), [false, false])
  workers[1]?.events.onMessage({ kind: 'ticket-keys' })
  assert.deepEqual(told(), [false, true])
})

test('the limit of clients is divided between workers, and again when one leaves', () => {
  const { service, client, workers } = play(SMTP, { processes: 3 })
  service.open()
  client()
  const [first] = workers
  assert.equal(first?.start.limit, 10)
  first?.events.onMessage({ kind: 'ready' })
  first?.events.onMessage({ kind: 'busy' })
  assert.equal(workers.length, 2)
  assert.equal(workers[1]?.start.limit, 5)
  assert.deepEqual(first?.sent.at(-1), { kind: 'limit', clients: 5 })
  first?.events.onMessage({ kind: 'busy' })
  assert.equal(workers.length, 2, 'not while another one starts')
  workers[1]?.events.onMessage({ kind: 'ready' })
  first?.events.onMessage({ kind: 'busy' })
  assert.deepEqual(workers.map(({ sent, start }) => sent.findLast(({ kind }) => kind === 'limit') ?? start.limit),
    [{ kind: 'limit', clients: 4 }, { kind: 'limit', clients: 3 }, { kind: 'limit', clients: 3 }])
  workers[2]?.events.onMessage({ kind: 'leaving' })
  assert.deepEqual(workers[0]?.sent.at(-1), { kind: 'limit', clients: 5 })
})

test('reaching the limit warns once in a while, and tells public services that they are under stress', () => {
  using caught = captureLog()
  const { service, client, last, pass, workers } = play(SMTP)
  service.open()
  client()
  assert.equal(last().start.stress, false)
  last().events.onMessage({ kind: 'full', full: true })
  last().events.onMessage({ kind: 'full', full: false })
  last().events.onMessage({ kind: 'full', full: true })
  assert.equal(caught.texts().length, 3)
  assert.equal(
    caught.texts()[0],
    'warning: service "smtp" (25) has reached its process limit "10": new clients may experience noticeable delays',
  )
  assert.deepEqual(last().sent.filter(({ kind }) => kind === 'stress'), [{ kind: 'stress', stress: true }])
  last().events.onMessage({ kind: 'leaving' })
  client()
  assert.equal(workers[1]?.start.stress, true)
  pass(1000)
  assert.deepEqual(last().sent.at(-1), { kind: 'stress', stress: false })
})

test('a private service at its limit is not under stress', () => {
  using caught = captureLog()
  const { service, client, last } = play('smtp unix - - n - 2 smtp', { listener: 'private/smtp' })
  service.open()
  client()
  last().events.onMessage({ kind: 'full', full: true })
  assert.match(caught.texts()[0] ?? '', /service "smtp" \(private\/smtp\) has reached its process limit "2"/)
  assert.equal(last().sent.some(({ kind }) => kind === 'stress'), false)
})

test('a reload sends old workers home and starts fresh ones with the next client', () => {
  const { service, client, last, workers, description } = play(SMTP)
  service.open()
  client()
  last().events.onMessage({ kind: 'ready' })
  service.replace(description, [7])
  assert.deepEqual(last().sent.at(-1), { kind: 'stop', reason: 'reload' })
  assert.ok(client())
  assert.equal(workers.length, 2)
  workers[0]?.events.onExit({ status: 0, signal: null })
  assert.equal(client(), false)
})

test('wakeups come at once and then regularly; with ? only once the service was used', () => {
  const always = play('pickup unix n - n 60 1 pickup')
  always.service.open()
  assert.equal(always.wakes(), 1)
  always.pass(60)
  assert.equal(always.wakes(), 2)
  const later = play('flush unix n - n 1000? 0 flush')
  later.service.open()
  later.pass(1000)
  assert.equal(later.wakes(), 0)
  later.client()
  later.last().events.onMessage({ kind: 'used' })
  later.pass(1000)
  assert.equal(later.wakes(), 1)
})

test('stop() tells workers how long they have, and reports when the last one has ended', () => {
  const { service, client, last, empty } = play(SMTP)
  service.open()
  client()
  service.stop(4000)
  assert.deepEqual(last().sent.at(-1), { kind: 'stop', reason: 'stop', graceMs: 4000 })
  assert.equal(client(), false)
  assert.equal(empty(), 0)
  last().events.onExit({ status: 0, signal: null })
  assert.equal(empty(), 1)
})

test('an executable serves one client a process: another starts while all are busy, up to the limit', () => {
  using caught = captureLog()
  const { service, client, last, workers } = play('policy unix - n n - 2 policyd', { program: { kind: 'executable', file: '/x' }, processes: 2 })
  service.open()
  client()
  last().events.onMessage({ kind: 'ready' })
  assert.equal(client(), false)
  last().events.onMessage({ kind: 'full', full: true })
  assert.ok(client())
  last().events.onMessage({ kind: 'full', full: true })
  assert.equal(client(), false)
  assert.equal(workers.length, 2)
  assert.match(caught.texts()[0] ?? '', /has reached its process limit "2"/)
  last().events.onMessage({ kind: 'full', full: false })
  assert.equal(client(), false)
})
