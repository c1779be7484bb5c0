/** Making queue files and making them durable: see src/queue/write.ts and commit.ts. */
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openCommitter } from '#queue/commit.ts'
import { decodeId } from '#queue/id.ts'
import { readRecords, RECORD } from '#queue/record.ts'
import { createQueueFile } from '#queue/write.ts'
import type { FileSystem } from '#system/files.ts'
import { countCalls, failAt } from '#test/support/failing-files.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool, type TestSpool } from '#test/support/spool.ts'

const config = configFrom({ queue_commit: 'fsync' })

function committer({ spool }: TestSpool) {
  return openCommitter(spool, config)
}

test('createQueueFile() names the file by time and inode, and leaves it incomplete', () => {
  using spool = createSpool()
  const file = createQueueFile(spool.spool, 'incoming')
  const facts = statSync(`${spool.path}/incoming/${file.id}`)
  assert.equal(decodeId(file.id)?.inode, facts.ino.toString(16).toUpperCase())
  assert.equal(decodeId(file.id)?.microseconds, file.microseconds)
  assert.equal(facts.mode & 0o7777, 0o600)
  assert.deepEqual(spool.names('incoming'), [file.id])
  file.remove()
  assert.deepEqual(spool.names('incoming'), [])
})

test('createQueueFile() makes long ids and hash directories when asked', () => {
  using spool = createSpool({ longIds: true, hashNames: new Set(['incoming']), hashDepth: 2 })
  const file = createQueueFile(spool.spool, 'incoming')
  assert.equal(decodeId(file.id)?.seconds, file.seconds)
  assert.equal(spool.names('incoming').length, 3)
  assert.ok(spool.has('incoming', file.id))
  file.remove()
})

test('createQueueFile() removes logs of an earlier message with the same short id', () => {
  using log = captureLog()
  using spool = createSpool()
  const first = createQueueFile(spool.spool, 'incoming')
  first.remove()
  spool.put('bounce', first.id, 'x')
  // The name comes again only by chance: the log of another id stays.
  const second = createQueueFile(spool.spool, 'incoming')
  assert.equal(spool.has('bounce', first.id), first.id !== second.id)
  assert.equal(log.texts().length, first.id === second.id ? 1 : 0)
  second.remove()
})

test('QueueFile writes a small message once, and a large one in 64 kB pieces', () => {
  using spool = createSpool()
  using calls = countCalls()
  const file = createQueueFile(spool.spool, 'incoming')
  for (let i = 0; i < 100; i++) file.record(RECORD.text, `line ${i}`)
  file.flush()
  assert.equal(calls.counts.get('write'), 1)
  for (let i = 0; i < 2000; i++) file.record(RECORD.text, new Uint8Array(100))
  assert.equal(calls.counts.get('write'), 1 + Math.floor((2000 * 102) / 65_536))
  file.remove()
})

test('QueueFile keeps order and offsets whatever the sizes', () => {
  using spool = createSpool()
  const file = createQueueFile(spool.spool, 'incoming')
  const sizes = [0, 1, 70_000, 65_535, 65_536, 3, 65_531, 65_530, 40_000, 40_000, 200_000, 5]
  const payloads = sizes.map((size, i) => 'abcdefghijkl'.charAt(i).repeat(size))
  const offsets = payloads.map((payload) => file.record(RECORD.text, payload))
  file.write(Buffer.from('Nothing at all\0'.slice(0, 0)))
  file.flush()
  const read = [...readRecords(readFileSync(file.path))]
  assert.deepEqual(read.map(({ offset }) => offset), offsets)
  assert.deepEqual(read.map(({ data }) => data.length), sizes)
  assert.ok(read.every(({ data }, i) => Buffer.from(data).toString() === payloads[i]))
  file.remove()
})

test('patch() overwrites bytes in the buffer, in the file, and across both', () => {
  using spool = createSpool()
  const file = createQueueFile(spool.spool, 'incoming')
  file.write(Buffer.from('aaaa'))
  file.flush()
  file.write(Buffer.from('bbbb'))
  file.patch(0, Buffer.from('1'))
  file.patch(7, Buffer.from('2'))
  file.patch(3, Buffer.from('34'))
  assert.throws(() => file.patch(7, Buffer.from('xx')), RangeError)
  file.flush()
  assert.equal(readFileSync(file.path, 'latin1'), '1aa34bb2')
  file.remove()
})

test('commit() makes the file complete, in the queue where it is', async () => {
  using spool = createSpool()
  const cases = [['incoming', 0o700], ['maildrop', 0o744]] as const
  for (const [queue, mode] of cases) {
    const file = createQueueFile(spool.spool, queue)
    file.record(RECORD.text, 'x')
    await committer(spool).commit(file)
    const facts = statSync(file.path)
    assert.equal(facts.mode & 0o7777, mode)
    assert.equal(facts.size, 3)
  }
})

test('hold() moves the file before it is complete', async () => {
  using spool = createSpool()
  const file = createQueueFile(spool.spool, 'incoming')
  file.hold()
  assert.equal(statSync(`${spool.path}/hold/${file.id}`).mode & 0o777, 0o600)
  await committer(spool).commit(file)
  assert.equal(statSync(`${spool.path}/hold/${file.id}`).mode & 0o777, 0o700)
  assert.deepEqual(spool.names('incoming'), [])
})

test('commit() syncs the directory once for all that come while it is synced', async () => {
  using spool = createSpool()
  using calls = countCalls()
  const all = Array.from({ length: 20 }, () => createQueueFile(spool.spool, 'incoming'))
  const one = committer(spool)
  await Promise.all(all.map((file) => one.commit(file)))
  await one.close()
  assert.equal(calls.counts.get('fsync'), 20 + 2)
})

test('createQueueFile() leaves nothing behind when a call fails', () => {
  for (const call of ['open', 'fstat', 'rename'] as const satisfies (keyof FileSystem)[]) {
    using spool = createSpool()
    using _ = failAt(call, 'ENOSPC')
    assert.throws(() => createQueueFile(spool.spool, 'incoming'), { code: 'ENOSPC' }, call)
    assert.deepEqual(spool.names('incoming'), [], call)
  }
})

test('commit() rejects and deletes the file when a call fails', async () => {
  const cases = [['write', 'ENOSPC', 1], ['fchmod', 'EIO', 1], ['open', 'EMFILE', 2], ['fsync', 'EIO', 1], ['fsync', 'EIO', 2]] as const
  for (const [call, code, nth] of cases) {
    using spool = createSpool()
    using _ = failAt(call, code, nth)
    const file = createQueueFile(spool.spool, 'incoming')
    file.record(RECORD.text, 'x')
    await assert.rejects(committer(spool).commit(file), { code }, `${call} ${nth}`)
    assert.deepEqual(spool.names('incoming'), [], `${call} ${nth}`)
  }
})

test('commit() works again after the directory could not be synced', async () => {
  using spool = createSpool()
  using _ = failAt('fsync', 'EIO', 2)
  const one = committer(spool)
  await assert.rejects(one.commit(createQueueFile(spool.spool, 'incoming')), { code: 'EIO' })
  const file = createQueueFile(spool.spool, 'incoming')
  await one.commit(file)
  assert.deepEqual(spool.names('incoming'), [file.id])
})

test('openCommitter() refuses a way that is not there', () => {
  using spool = createSpool()
  assert.throws(() => openCommitter(spool.spool, configFrom({ queue_commit: 'memory' })), /expected journal or fsync/)
})
