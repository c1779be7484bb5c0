/** What postsuper does to messages and queues: see src/queue/maintain.ts and maintain-all.ts. */
import assert from 'node:assert/strict'
import { closeSync, mkdirSync, openSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { readEnvelope } from '#queue/envelope.ts'
import { appendLog } from '#queue/logs.ts'
import { QueueMaintenance, type MassActions } from '#queue/maintain-all.ts'
import { emptyTally, MessageActions, type Tally } from '#queue/maintain.ts'
import { markDone } from '#queue/mark.ts'
import { MESSAGE_QUEUES, queuePath, type SpoolName } from '#queue/spool.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool, messageBytes, type TestSpool } from '#test/support/spool.ts'

const QUEUES: readonly SpoolName[] = ['defer', 'bounce', 'maildrop', 'incoming', 'active', 'deferred', 'hold', 'flush']
const OLD = new Date(Date.now() - 8 * 24 * 3600 * 1000)

function actions(spool: TestSpool): { act: MessageActions; tally: Tally } {
  const tally = emptyTally()
  return { act: new MessageActions(spool.spool, QUEUES, tally), tally }
}

async function run(spool: TestSpool, what: MassActions, queues = QUEUES): Promise<{ tally: Tally; work: QueueMaintenance }> {
  const tally = emptyTally()
  const work = new QueueMaintenance(spool.spool, tally)
  await work.run(queues, what)
  return { tally, work }
}

/** Where a message is. */
function places(spool: TestSpool, id: string): string[] {
  return MESSAGE_QUEUES.filter((queue) => spool.has(queue, id))
}

test('delete() removes logs and message', () => {
  using log = captureLog()
  using spool = createSpool()
  const { act, tally } = actions(spool)
  for (const queue of ['deferred', 'defer', 'bounce', 'trace'] as const) spool.put(queue, 'AAAAA1', 'x')
  act.delete('AAAAA1')
  act.delete('NOSUCH')
  assert.deepEqual(places(spool, 'AAAAA1'), [])
  assert.ok(!spool.has('defer', 'AAAAA1') && !spool.has('bounce', 'AAAAA1') && !spool.has('trace', 'AAAAA1'))
  assert.deepEqual(log.texts(), ['AAAAA1: removed'])
  assert.equal(tally.deleted, 1)
})

test('hold(), release(), requeue() and expire() leave messages alone that they are not for', () => {
  using log = captureLog()
  const cases = [
    ['hold', 'incoming', 'hold'], ['hold', 'active', 'hold'], ['hold', 'deferred', 'hold'], ['hold', 'maildrop', 'maildrop'],
    ['release', 'hold', 'deferred'], ['release', 'incoming', 'incoming'],
    ['requeue', 'hold', 'maildrop'], ['requeue', 'deferred', 'maildrop'], ['requeue', 'maildrop', 'maildrop'],
    ['expire', 'maildrop', 'maildrop'], ['expire', 'hold', 'hold'],
  ] as const
  for (const [action, from, to] of cases) {
    using spool = createSpool()
    spool.put(from, 'AAAAA1', 'x')
    actions(spool).act[action]('AAAAA1')
    assert.deepEqual(places(spool, 'AAAAA1'), [to], `${action} ${from}`)
  }
  assert.deepEqual(new Set(log.texts()), new Set([
    'AAAAA1: placed on hold', 'AAAAA1: released from hold', 'AAAAA1: requeued', 'AAAAA1: expired',
  ]))
})

test('actions want complete messages and valid ids', () => {
  using log = captureLog()
  using spool = createSpool()
  const { act, tally } = actions(spool)
  spool.put('incoming', 'AAAAA1', 'x', 0o600)
  act.delete('AAAAA1')
  act.delete('../x')
  assert.deepEqual(places(spool, 'AAAAA1'), ['incoming'])
  assert.deepEqual(log.texts(), ['warning: invalid mail queue id: ../x'])
  assert.deepEqual(tally, emptyTally())
})

test('expire() sets one mode bit, once', () => {
  using _ = captureLog()
  using spool = createSpool()
  const { act, tally } = actions(spool)
  spool.put('deferred', 'AAAAA1', 'x')
  act.expire('AAAAA1')
  act.expire('AAAAA1')
  assert.equal(statSync(`${spool.path}/deferred/A/AAAAA1`).mode & 0o7777, 0o710)
  assert.equal(tally.expired, 1)
})

test('requeue() has recipients tried again that bounced, and of whom the sender was not told yet', async () => {
  using log = captureLog()
  using spool = createSpool()
  const id = spool.put('deferred', 'AAAAA1', messageBytes())
  const path = queuePath(spool.spool, 'deferred', id)
  const [recipient] = readEnvelope(readFileSync(path), { id }).recipients
  const fd = openSync(path, 'r+')
  markDone(fd, recipient?.offset ?? 0)
  closeSync(fd)
  await appendLog(spool.spool, 'bounce', id, {
    recipient: 'bob@example.net', offset: recipient?.offset ?? 0, status: '5.1.1', action: 'failed', reason: 'unknown',
  })
  actions(spool).act.requeue(id)
  assert.equal(readEnvelope(readFileSync(queuePath(spool.spool, 'maildrop', id)), { id }).recipients.length, 1)
  assert.deepEqual(log.texts(), ['AAAAA1: requeued'])
})

test('requeue() stamps the message with the time of now; release() leaves its time', () => {
  using _ = captureLog()
  using spool = createSpool()
  spool.put('hold', 'AAAAA1', 'x')
  utimesSync(`${spool.path}/hold/AAAAA1`, OLD, OLD)
  actions(spool).act.release('AAAAA1')
  assert.equal(statSync(`${spool.path}/deferred/A/AAAAA1`).mtime.getTime(), OLD.getTime())
  actions(spool).act.requeue('AAAAA1')
  assert.ok(statSync(`${spool.path}/maildrop/AAAAA1`).mtime > OLD)
})

test('purge removes what is incomplete and old, and what is no file', async () => {
  using log = captureLog()
  using spool = createSpool()
  const old = (queue: SpoolName, name: string, mode: number): void => {
    spool.put(queue, name, 'x', mode)
    utimesSync(`${spool.path}/${queue}/${name}`, OLD, OLD)
  }
  old('incoming', 'AAAAA1', 0o600)
  old('incoming', 'AAAAA2', 0o700)
  spool.put('incoming', 'AAAAA3', 'x', 0o600)
  old('bounce', 'AAAAA4', 0o600)
  mkdirSync(`${spool.path}/hold/strange`)
  writeFileSync(`${spool.path}/incoming/12.34`, '')
  await run(spool, { purge: true })
  assert.deepEqual(spool.names('incoming'), ['12.34', 'AAAAA2', 'AAAAA3'])
  assert.deepEqual(spool.names('bounce'), ['AAAAA4'])
  assert.deepEqual(spool.names('hold'), [])
  assert.deepEqual(log.texts(), [`warning: bogus file name: ${spool.path}/incoming/12.34`])
})

test('structure renames files to match their inodes, with their logs, in two passes', async () => {
  using _ = captureLog()
  using spool = createSpool()
  spool.put('deferred', '90E7F1', 'x')
  spool.put('defer', '90E7F1', 'log')
  const inode = statSync(`${spool.path}/deferred/9/90E7F1`).ino.toString(16).toUpperCase()
  const first = await run(spool, { structure: true })
  assert.equal(first.work.mismatches, 1)
  assert.deepEqual(spool.names('deferred'), ['9', `9/90E7F${inode}#FIX`])
  const second = await run(spool, { structure: true })
  assert.equal(second.tally.renamed, 1)
  assert.deepEqual(spool.names('deferred'), ['9', `9/90E7F${inode}`])
  assert.deepEqual(spool.names('defer'), ['9', `9/90E7F${inode}`])
})

test('structure moves files where the settings want them, and removes directories that are too deep', async () => {
  using _ = captureLog()
  using hashed = createSpool({ hashNames: new Set(['deferred', 'defer']), hashDepth: 2, longIds: true })
  hashed.put('deferred', '4jW9hf4CV7zLP29', 'x')
  hashed.put('defer', '4jW9hf4CV7zLP29', 'x')
  const flat: TestSpool = { ...hashed, spool: { ...hashed.spool, hashNames: new Set() } }
  await run(flat, { structure: true })
  assert.deepEqual(hashed.names('deferred'), ['4jW9hf4CV7zLP29'])
  assert.deepEqual(hashed.names('defer'), ['4jW9hf4CV7zLP29'])
})

test('long ids keep their names, unless they are switched off or the check is strict', async () => {
  using _ = captureLog()
  const cases = [[true, {}, 0], [true, { longIdsToo: true }, 1], [false, {}, 1]] as const
  for (const [longIds, more, mismatches] of cases) {
    using spool = createSpool({ longIds })
    spool.put('hold', '4jW9hf4CV7z1', 'x')
    const { work } = await run(spool, { structure: true, ...more })
    assert.equal(work.mismatches, mismatches)
  }
})

function fill(spool: TestSpool): void {
  for (const queue of ['maildrop', 'incoming', 'deferred', 'hold'] as const) spool.put(queue, `AAAA${queue.charAt(0)}`, 'x')
}

test('actions on all messages', async () => {
  using _ = captureLog()
  const cases = [
    [{ holdAll: true }, { held: 2 }], [{ releaseAll: true }, { released: 1 }], [{ requeueAll: true }, { requeued: 3 }],
    [{ expireAll: true }, { expired: 3 }], [{ deleteAll: true }, { deleted: 4 }],
  ] as const
  for (const [what, expected] of cases) {
    using spool = createSpool()
    fill(spool)
    assert.deepEqual((await run(spool, what)).tally, { ...emptyTally(), ...expected }, JSON.stringify(what))
  }
})

const FOLDERS = Array.from({ length: 10 }, (_, i) => String(i))

/** In several directories of a hashed queue, some incomplete; and one where the settings have no directories. */
function fillDeferred(spool: TestSpool): void {
  for (const c of FOLDERS) {
    spool.put('deferred', `${c}0000${c}1`, messageBytes())
    spool.put('deferred', `${c}0000${c}2`, messageBytes(), 0o600)
    spool.put('defer', `${c}0000${c}1`, Buffer.from('log'), 0o600)
  }
  mkdirSync(`${spool.path}/deferred/0/1`)
  writeFileSync(`${spool.path}/deferred/0/1/01000A`, 'misplaced', { mode: 0o700 })
}

test('deleteAll empties all directories of a queue, and counts complete messages alone', async () => {
  using _ = captureLog()
  using spool = createSpool()
  fillDeferred(spool)
  const { tally } = await run(spool, { deleteAll: true })
  assert.equal(tally.deleted, 11)
  assert.deepEqual(spool.names('deferred'), FOLDERS)
  assert.deepEqual(spool.names('defer'), FOLDERS)
})

test('deleteAll ends where the caller wants it to', async () => {
  using _ = captureLog()
  using spool = createSpool()
  fillDeferred(spool)
  let looked = 0
  const work = new QueueMaintenance(spool.spool, emptyTally(), async () => {
    if (++looked > 5) throw new Error('enough')
  })
  await assert.rejects(work.run(['deferred'], { deleteAll: true }), /enough/)
  assert.equal(spool.names('deferred').filter((name) => !/^\d(?:\/\d)?$/.test(name)).length, 21 - 5)
})
