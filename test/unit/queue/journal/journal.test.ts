/** Commit by journal, and recovery, on a real directory: see src/queue/journal. */
import assert from 'node:assert/strict'
import { chmodSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openCommitter } from '#queue/commit.ts'
import { JournalWriter, journalOf } from '#queue/journal/writer.ts'
import { adoptOrphans, journaledMessages, prepareJournal, recordRemoved, recoverJournal } from '#queue/journal/recover.ts'
import { readSegment, segmentPaths } from '#queue/journal/folder.ts'
import { queueId, queuePath, type QueueId } from '#queue/spool.ts'
import { createQueueFile } from '#queue/write.ts'
import { countCalls, failAt } from '#test/support/failing-files.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool, type TestSpool } from '#test/support/spool.ts'

const me = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
const config = configFrom({ queue_commit: 'journal' })

function journalSpool(): TestSpool {
  const spool = createSpool()
  prepareJournal(spool.spool, me)
  return spool
}

/** Commits messages as receivers do; their ids. */
async function commit({ spool }: TestSpool, texts: readonly string[]): Promise<QueueId[]> {
  const committer = openCommitter(spool, config)
  return Promise.all(texts.map(async (text) => {
    const file = createQueueFile(spool, 'incoming')
    file.write(Buffer.from(text))
    await committer.commit(file)
    return file.id
  }))
}

/** The writer's process has died: its locks are gone, its segments stay. */
function abandon(spool: TestSpool): void {
  for (const path of segmentPaths(spool.spool)) {
    const copy = readFileSync(path)
    rmSync(path)
    writeFileSync(path, copy)
  }
}

test('commit() makes the file ready, and many that come together share one sync', async () => {
  using spool = journalSpool()
  await commit(spool, ['warm up'])
  using calls = countCalls()
  const ids = await commit(spool, Array.from({ length: 50 }, (_, i) => `message ${i}`))
  assert.equal(calls.counts.get('fdatasync'), 1)
  assert.equal(calls.counts.get('fsync'), undefined)
  for (const [i, id] of ids.entries()) assert.equal(readFileSync(queuePath(spool.spool, 'incoming', id), 'utf8'), `message ${i}`)
  await journalOf(spool.spool).close()
  assert.deepEqual(segmentPaths(spool.spool), [])
})

test('commit() syncs a message as a file when it is larger than the buffer', async () => {
  using spool = journalSpool()
  using calls = countCalls()
  const [id = queueId('none')] = await commit(spool, ['y'.repeat(100_000)])
  assert.equal(calls.counts.get('fdatasync'), undefined)
  assert.equal(readFileSync(queuePath(spool.spool, 'incoming', id)).length, 100_000)
  assert.deepEqual(segmentPaths(spool.spool), [])
})

test('commit() rejects and removes the file when the sync fails, and the next one gets a fresh segment', async () => {
  using log = captureLog()
  using spool = journalSpool()
  await commit(spool, ['before'])
  const [segment] = segmentPaths(spool.spool)
  {
    using failing = failAt('fdatasync', 'EIO')
    await assert.rejects(commit(spool, ['lost']), { code: 'EIO' })
    void failing
  }
  assert.equal(spool.names('incoming').length, 1)
  await commit(spool, ['after'])
  await journalOf(spool.spool).close()
  assert.equal(spool.names('incoming').length, 2)
  assert.ok(!segmentPaths(spool.spool).includes(segment ?? ''))
  assert.match(log.texts().join(), /intake journal: /)
})

test('commit() rejects with the error of a full disk, and leaves nothing in the queue', async () => {
  using log = captureLog()
  using spool = journalSpool()
  using failing = failAt('write', 'ENOSPC', 2)
  await assert.rejects(commit(spool, ['x']), { code: 'ENOSPC' })
  assert.deepEqual(spool.names('incoming'), [])
  void [log, failing]
})

test('recoverJournal() writes back what a crash took, and nothing that was done', async () => {
  using log = captureLog()
  using spool = journalSpool()
  const [missing, torn, whole, done] = await commit(spool, ['missing', 'torn', 'whole', 'done'])
  assert.ok(missing && torn && whole && done)
  const second = new JournalWriter(spool.spool)
  second.done(done)
  await second.append({ kind: 'done', id: queueId('OTHER'), seconds: 1 })
  abandon(spool)
  for (const id of [missing, done]) rmSync(queuePath(spool.spool, 'incoming', id))
  truncateSync(queuePath(spool.spool, 'incoming', torn), 2)
  const { restored } = await recoverJournal(spool.spool, me)
  assert.deepEqual(restored.toSorted(), [missing, torn].toSorted())
  assert.deepEqual(spool.names('incoming'), [missing, torn, whole].toSorted())
  assert.equal(readFileSync(queuePath(spool.spool, 'incoming', torn), 'utf8'), 'torn')
  assert.deepEqual(readdirSync(`${spool.path}/journal`), [])
  assert.ok(log.texts().includes(`${missing}: restored from the intake journal`))
})

test('recoverJournal() finds a message in whatever queue it is, with the marks of delivery', async () => {
  using spool = journalSpool()
  const [id] = await commit(spool, ['R\u0003abcR\u0003def'])
  assert.ok(id)
  abandon(spool)
  const bytes = readFileSync(queuePath(spool.spool, 'incoming', id))
  bytes[0] = 0x44
  rmSync(queuePath(spool.spool, 'incoming', id))
  spool.put('deferred', id, bytes)
  assert.deepEqual((await recoverJournal(spool.spool, me)).restored, [])
  assert.equal(readFileSync(queuePath(spool.spool, 'deferred', id))[0], 0x44)
})

test('recoverJournal() writes back a file of the right size whose bytes never reached the disk', async () => {
  using log = captureLog()
  using spool = journalSpool()
  const [id] = await commit(spool, ['some text'])
  assert.ok(id)
  abandon(spool)
  spool.put('incoming', id, Buffer.alloc(9))
  assert.deepEqual((await recoverJournal(spool.spool, me)).restored, [id])
  assert.equal(readFileSync(queuePath(spool.spool, 'incoming', id), 'utf8'), 'some text')
  void log
})

test('recoverJournal() does not take a file for a message that is not marked as complete', async () => {
  using log = captureLog()
  using spool = journalSpool()
  const [id] = await commit(spool, ['text'])
  assert.ok(id)
  abandon(spool)
  chmodSync(queuePath(spool.spool, 'incoming', id), 0o600)
  assert.deepEqual((await recoverJournal(spool.spool, me)).restored, [id])
  void log
})

test('recoverJournal() leaves the segment of a living writer alone', async () => {
  using spool = journalSpool()
  await commit(spool, ['text'])
  await recoverJournal(spool.spool, me)
  assert.equal(segmentPaths(spool.spool).length, 1)
  await journalOf(spool.spool).close()
})

test('adoptOrphans() deletes the segment of a dead writer, but not one whose "done" others still need', async () => {
  using spool = journalSpool()
  const [id] = await commit(spool, ['text'])
  assert.ok(id)
  const reporter = new JournalWriter(spool.spool)
  reporter.done(id)
  await reporter.append({ kind: 'done', id: queueId('OTHER'), seconds: Math.trunc(Date.now() / 1000) })
  const [first = '', second = ''] = segmentPaths(spool.spool).toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  const messages = [first, second].find((path) => readSegment(path)?.entries.some(({ kind }) => kind === 'message'))
  await reporter.close()
  assert.equal(segmentPaths(spool.spool).length, 2)
  await adoptOrphans(spool.spool)
  assert.equal(segmentPaths(spool.spool).length, 2)
  await journalOf(spool.spool).close()
  await adoptOrphans(spool.spool)
  assert.deepEqual(segmentPaths(spool.spool), [])
  assert.ok(messages)
})

test('recordRemoved() keeps a message that was removed by hand from coming back', async () => {
  using spool = journalSpool()
  const [kept, deleted] = await commit(spool, ['kept', 'deleted'])
  assert.ok(kept && deleted)
  const journaled = journaledMessages(spool.spool)
  assert.deepEqual(journaled.toSorted(), [kept, deleted].toSorted())
  rmSync(queuePath(spool.spool, 'incoming', deleted))
  await recordRemoved(spool.spool, journaled)
  abandon(spool)
  assert.deepEqual((await recoverJournal(spool.spool, me)).restored, [])
  assert.deepEqual(spool.names('incoming'), [kept])
})
