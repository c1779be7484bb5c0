/** Commit by journal, and recovery, on a real directory: see src/queue/journal. */
import assert from 'node:assert/strict'
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { mock, test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openCommitter } from '#queue/commit.ts'
import { JournalWriter, journalOf } from '#queue/journal/writer.ts'
import { adoptOrphans, journaledMessages, prepareJournal, recordRemoved, recoverJournal } from '#queue/journal/recover.ts'
import { isNeeded, readSegment, segmentPaths } from '#queue/journal/folder.ts'
import { readEnvelope } from '#queue/envelope.ts'
import { RECORD } from '#queue/record.ts'
import { queueId, queuePath, type QueueId } from '#queue/spool.ts'
import { createQueueFile } from '#queue/write.ts'
import { nodeFileSystem, O_CREAT, substituteFiles } from '#system/files.ts'
import { UNKNOWN_PAGE_CACHE } from '#system/page-cache.ts'
import { countCalls, errnoError, failAt } from '#test/support/failing-files.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool, messageBytes, recipientRecords, TEST_SENDER, TEST_TIME, type RecordPair, type TestSpool } from '#test/support/spool.ts'

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

/** Recovery after a power cut: what was in the page cache is gone. */
async function recoverAfterCut({ spool }: TestSpool): ReturnType<typeof recoverJournal> {
  using other = substituteFiles({ ...nodeFileSystem, pageCacheId: () => UNKNOWN_PAGE_CACHE })
  const recovery = await recoverJournal(spool, me)
  void other
  return recovery
}

/** Paths of what is synced from now on, files and directories. */
function watchSyncs(synced: (string | undefined)[]): Disposable {
  const paths = new Map<number, string>()
  const note = (fd: number): void => void synced.push(paths.get(fd))
  return substituteFiles({
    ...nodeFileSystem,
    open: (path, flags, mode) => {
      const fd = nodeFileSystem.open(path, flags, mode)
      paths.set(fd, path)
      return fd
    },
    fsync: (fd) => (note(fd), nodeFileSystem.fsync(fd)),
    fdatasync: (fd) => (note(fd), nodeFileSystem.fdatasync(fd)),
  })
}

/** The same when only processes have died; on any file system. */
function onePageCache(): Disposable {
  return substituteFiles({ ...nodeFileSystem, pageCacheId: () => Uint8Array.from({ length: 16 }, () => 7) })
}

/** The clock stands at another time. */
function mockClock(now: number): Disposable {
  const mocked = mock.method(Date, 'now', () => now)
  return { [Symbol.dispose]: () => mocked.mock.restore() }
}

/** The disk is full: no file can be made. */
function refuseNewFiles(): Disposable {
  return substituteFiles({
    ...nodeFileSystem,
    open: (path, flags, mode) => {
      if ((flags & O_CREAT) !== 0) throw errnoError('ENOSPC')
      return nodeFileSystem.open(path, flags, mode)
    },
  })
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
  const { restored } = await recoverAfterCut(spool)
  assert.deepEqual(restored.toSorted(), [missing, torn].toSorted())
  assert.deepEqual(spool.names('incoming'), [missing, torn, whole].toSorted())
  assert.equal(readFileSync(queuePath(spool.spool, 'incoming', torn), 'utf8'), 'torn')
  assert.deepEqual(readdirSync(`${spool.path}/journal`), [])
  assert.ok(log.texts().includes(`${missing}: restored from the intake journal`))
})

test('recoverJournal() finds a message in whatever queue it is, with the marks of delivery', async () => {
  using spool = journalSpool()
  const [id] = await commit(spool, [Buffer.from(messageBytes()).toString('latin1')])
  assert.ok(id)
  abandon(spool)
  const bytes = readFileSync(queuePath(spool.spool, 'incoming', id))
  const [first] = readEnvelope(bytes, { id }).recipients
  bytes[first?.offset ?? 0] = RECORD.done
  rmSync(queuePath(spool.spool, 'incoming', id))
  spool.put('deferred', id, bytes)
  assert.deepEqual((await recoverAfterCut(spool)).restored, [])
  assert.deepEqual(readFileSync(queuePath(spool.spool, 'deferred', id)), bytes)
})

test('recoverJournal() does not take a message that differs in a digit for the same with a mark', async () => {
  using log = captureLog()
  using spool = journalSpool()
  const text = Buffer.from(messageBytes({ envelope: [...TEST_TIME, TEST_SENDER, ...recipientRecords('reader1@example.net')] })).toString('latin1')
  const [id] = await commit(spool, [text])
  assert.ok(id)
  abandon(spool)
  writeFileSync(queuePath(spool.spool, 'incoming', id), text.replaceAll('reader1@', 'reader2@'))
  assert.deepEqual((await recoverAfterCut(spool)).restored, [id])
  assert.equal(readFileSync(queuePath(spool.spool, 'incoming', id), 'latin1'), text)
  void log
})

test('recoverJournal() writes back a file of the right size whose bytes never reached the disk', async () => {
  using log = captureLog()
  using spool = journalSpool()
  const [id] = await commit(spool, ['some text'])
  assert.ok(id)
  abandon(spool)
  spool.put('incoming', id, Buffer.alloc(9))
  assert.deepEqual((await recoverAfterCut(spool)).restored, [id])
  assert.equal(readFileSync(queuePath(spool.spool, 'incoming', id), 'utf8'), 'some text')
  void log
})

test('recoverJournal() writes back a file that lacks its last byte, a zero', async () => {
  using log = captureLog()
  using spool = journalSpool()
  const [id] = await commit(spool, ['a text E\0'])
  assert.ok(id)
  abandon(spool)
  const path = queuePath(spool.spool, 'incoming', id)
  truncateSync(path, 8)
  assert.deepEqual((await recoverAfterCut(spool)).restored, [id])
  assert.equal(readFileSync(path, 'utf8'), 'a text E\0')
  void log
})

test('recoverJournal() does not take a file for a message that is not marked as complete', async () => {
  using log = captureLog()
  using spool = journalSpool()
  const [id] = await commit(spool, ['text'])
  assert.ok(id)
  abandon(spool)
  chmodSync(queuePath(spool.spool, 'incoming', id), 0o600)
  assert.deepEqual((await recoverAfterCut(spool)).restored, [id])
  void log
})

test('recoverJournal() leaves the segment of a living writer alone', async () => {
  using spool = journalSpool()
  await commit(spool, ['text'])
  await recoverAfterCut(spool)
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
  assert.deepEqual((await recoverAfterCut(spool)).restored, [])
  assert.deepEqual(spool.names('incoming'), [kept])
})

test('recordRemoved() makes durable that a segment was deleted just before: it could bring the message back', async () => {
  using spool = journalSpool()
  const synced: (string | undefined)[] = []
  using watch = watchSyncs(synced)
  await recordRemoved(spool.spool, [])
  void watch
  assert.ok(synced.includes(`${spool.path}/journal`), synced.join(' '))
})

test('adoptOrphans() syncs a segment before what it says counts: its writer was killed before it could', async () => {
  using spool = journalSpool()
  await commit(spool, ['some text'])
  abandon(spool)
  const [orphan] = segmentPaths(spool.spool)
  const synced: (string | undefined)[] = []
  using watch = watchSyncs(synced)
  await adoptOrphans(spool.spool)
  void watch
  assert.ok(orphan !== undefined && synced.includes(orphan), synced.join(' '))
})

test('recordRemoved() has nothing to do in a queue without a journal', async () => {
  using spool = createSpool()
  rmSync(`${spool.path}/journal`, { recursive: true, force: true })
  await recordRemoved(spool.spool, [])
})

test('adoptOrphans() deletes segments that say what is done and remember no message themselves', async () => {
  using spool = journalSpool()
  for (const name of ['A1', 'B2', 'C3']) {
    const writer = new JournalWriter(spool.spool)
    await writer.append({ kind: 'done', id: queueId(name), seconds: Math.trunc(Date.now() / 1000) })
  }
  abandon(spool)
  await adoptOrphans(spool.spool)
  assert.deepEqual(segmentPaths(spool.spool), [])
})

test('isNeeded() knows segments that were begun before the clock was set back', async () => {
  using spool = journalSpool()
  await commit(spool, ['text'])
  const now = Math.trunc(Date.now() / 1000)
  using clock = mockClock((now - 3600) * 1000)
  assert.equal(isNeeded(spool.spool, 'another', now - 3600), true)
  void clock
  await journalOf(spool.spool).close()
  assert.equal(isNeeded(spool.spool, 'another', now), false)
})

test('done() counts for a message from before the clock was set back', async () => {
  using spool = journalSpool()
  const [id] = await commit(spool, ['text'])
  assert.ok(id)
  const now = Math.trunc(Date.now() / 1000)
  {
    using clock = mockClock((now - 3600) * 1000)
    const reporter = new JournalWriter(spool.spool)
    reporter.done(id, now + 1)
    await reporter.close()
    void clock
  }
  abandon(spool)
  rmSync(queuePath(spool.spool, 'incoming', id))
  assert.deepEqual((await recoverAfterCut(spool)).restored, [])
})

test('close() syncs a message that moves just when it is looked at', async () => {
  using spool = journalSpool()
  const [id] = await commit(spool, ['text'])
  assert.ok(id)
  const synced: string[] = []
  const paths = new Map<number, string>()
  let moved = false
  using undo = substituteFiles({
    ...nodeFileSystem,
    open: (path, flags, mode) => {
      if (!moved && path.endsWith(`incoming/${id}`)) {
        moved = true
        renameSync(queuePath(spool.spool, 'incoming', id), queuePath(spool.spool, 'active', id))
      }
      const fd = nodeFileSystem.open(path, flags, mode)
      paths.set(fd, path)
      return fd
    },
    fsync: (fd) => {
      synced.push(paths.get(fd) ?? '')
      return Promise.resolve()
    },
  })
  await journalOf(spool.spool).close()
  assert.deepEqual(synced, [queuePath(spool.spool, 'active', id), `${spool.path}/active`])
  void undo
})

test('commit() of a full segment when no other can be made fails, and the full one is settled once', async () => {
  using log = captureLog()
  using spool = journalSpool()
  const writer = new JournalWriter(spool.spool)
  const bytes = Buffer.alloc(4_000_000)
  const message = (name: string): Promise<void> => writer.append({ kind: 'message', id: queueId(name), queue: 'incoming', seconds: 1, bytes })
  for (let i = 0; i < 8; i += 1) await message(`M${i}`)
  {
    using failing = refuseNewFiles()
    await assert.rejects(message('M8'), { code: 'ENOSPC' })
    void failing
  }
  for (let i = 0; i < 20; i += 1) await message(`N${i}`)
  await writer.close()
  assert.deepEqual(segmentPaths(spool.spool), [])
  assert.ok(log.texts().includes('error: intake journal: No space left on device'))
  assert.deepEqual(log.texts().filter((text) => text.includes('Bad file descriptor')), [])
})

test('a "done" that could not be written is said later', async () => {
  using log = captureLog()
  using spool = journalSpool()
  const [id] = await commit(spool, ['text'])
  assert.ok(id)
  const reporter = new JournalWriter(spool.spool)
  {
    using failing = refuseNewFiles()
    await assert.rejects(reporter.append({ kind: 'done', id, seconds: Math.trunc(Date.now() / 1000) }), { code: 'ENOSPC' })
    void failing
  }
  await reporter.close()
  abandon(spool)
  rmSync(queuePath(spool.spool, 'incoming', id))
  assert.deepEqual((await recoverAfterCut(spool)).restored, [])
  void log
})

test('recoverJournal() removes what a crash brought back of messages that had left, and nothing else of that name', async () => {
  using log = captureLog()
  using spool = journalSpool()
  const ids = await commit(spool, ['R whole', 'R torn', 'R other', 'R taken in again'])
  const [whole = queueId('1'), torn = queueId('2'), other = queueId('3'), requeued = queueId('4')] = ids
  const reporter = new JournalWriter(spool.spool)
  for (const id of ids) reporter.done(id)
  await reporter.append({ kind: 'done', id: queueId('OTHER'), seconds: 1 })
  abandon(spool)
  writeFileSync(queuePath(spool.spool, 'incoming', torn), Buffer.alloc(3))
  const later = Math.trunc(Date.now() / 1000) + 100
  const envelope: RecordPair[] = [[RECORD.time, `${later} 0`], TEST_SENDER, ...recipientRecords('bob@example.net')]
  writeFileSync(queuePath(spool.spool, 'incoming', other), messageBytes({ envelope }))
  renameSync(queuePath(spool.spool, 'incoming', requeued), queuePath(spool.spool, 'maildrop', requeued))
  assert.deepEqual((await recoverAfterCut(spool)).restored, [])
  assert.deepEqual(spool.names('incoming'), [other])
  assert.deepEqual(spool.names('maildrop'), [requeued])
  assert.ok(whole)
  void log
})

test('recoverJournal() removes a name that a crash brought back when its file belongs to a later message by now', async () => {
  using spool = journalSpool()
  using log = captureLog()
  const [left = queueId('A')] = await commit(spool, ['the message that had left'])
  rmSync(queuePath(spool.spool, 'incoming', left))
  const remover = new JournalWriter(spool.spool)
  remover.done(left)
  await remover.close()
  const [next = queueId('B'), other = queueId('C')] = await commit(spool, ['the message that took its file', 'a third'])
  // The file of `next` under three names: the old one, its own, and that of a message whose file never reached the disk.
  linkSync(queuePath(spool.spool, 'incoming', next), queuePath(spool.spool, 'active', left))
  rmSync(queuePath(spool.spool, 'incoming', other))
  linkSync(queuePath(spool.spool, 'incoming', next), queuePath(spool.spool, 'incoming', other))
  abandon(spool)
  await recoverAfterCut(spool)
  assert.equal(spool.has('active', left), false)
  assert.equal(readFileSync(queuePath(spool.spool, 'incoming', next), 'utf8'), 'the message that took its file')
  assert.equal(readFileSync(queuePath(spool.spool, 'incoming', other), 'utf8'), 'a third')
  void log
})

test('recordRemoved() keeps a message that waits in maildrop under its old name from coming back', async () => {
  using spool = journalSpool()
  const [id] = await commit(spool, ['requeued'])
  assert.ok(id)
  renameSync(queuePath(spool.spool, 'incoming', id), queuePath(spool.spool, 'maildrop', id))
  await recordRemoved(spool.spool, [id])
  abandon(spool)
  rmSync(queuePath(spool.spool, 'maildrop', id))
  assert.deepEqual((await recoverAfterCut(spool)).restored, [])
})

test('recoverJournal() leaves alone what is no segment, and says what it cannot read', async () => {
  using spool = journalSpool()
  mkdirSync(`${spool.path}/journal/lost+found`)
  assert.equal((await recoverAfterCut(spool)).segments, 0)
  mkdirSync(`${spool.path}/journal/1.1.1`)
  await assert.rejects(recoverAfterCut(spool), /^Error: cannot recover the intake journal ".*journal": Is a directory$/)
})

test('recoverJournal() takes what is missing for delivered when only processes have died, and leaves files as they are', async () => {
  using cache = onePageCache()
  using spool = journalSpool()
  const [left, reused, whole, torn] = await commit(spool, ['left', 'reused', 'whole', 'torn'])
  assert.ok(left && reused && whole && torn)
  const reporter = new JournalWriter(spool.spool)
  reporter.done(whole)
  await reporter.append({ kind: 'done', id: queueId('OTHER'), seconds: 1 })
  abandon(spool)
  rmSync(queuePath(spool.spool, 'incoming', left))
  writeFileSync(queuePath(spool.spool, 'incoming', reused), 'another message under this id')
  // The system could not write it out, and has thrown it away.
  writeFileSync(queuePath(spool.spool, 'incoming', torn), Buffer.alloc(4))
  assert.deepEqual((await recoverJournal(spool.spool, me)).restored, [torn])
  assert.deepEqual(spool.names('incoming'), [reused, whole, torn].toSorted())
  assert.equal(readFileSync(queuePath(spool.spool, 'incoming', reused), 'utf8'), 'another message under this id')
  assert.deepEqual(segmentPaths(spool.spool), [])
  void cache
})
