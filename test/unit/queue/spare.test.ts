/** Files of removed messages, kept for the next ones. */
import assert from 'node:assert/strict'
import {
  chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmdirSync, statSync, truncateSync, writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openMessage } from '#queue/content.ts'
import { readEnvelope } from '#queue/envelope.ts'
import { shortId } from '#queue/id.ts'
import { markDone } from '#queue/mark.ts'
import { deleteSpares, prepareSpares, SpareKeeper, takeSpare, USED_BYTES_MAX } from '#queue/spare.ts'
import { queuePath, type QueueId, type Spool } from '#queue/spool.ts'
import { createQueueFile, type QueueFile } from '#queue/write.ts'
import { nodeFileSystem, substituteFiles, type FileSystem } from '#system/files.ts'
import type { LockMode } from '#system/posix.ts'
import { errnoError, failAt } from '#test/support/failing-files.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool, messageBytes, type TestSpool } from '#test/support/spool.ts'

const ME = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }

function withSpares(options: Partial<Spool> = {}): TestSpool {
  const made = createSpool(options)
  prepareSpares(made.spool, ME)
  return made
}

/** A message in active/, named by its inode. */
function activeMessage(made: TestSpool, microseconds = 1): QueueId {
  const temporary = join(made.path, 'active/temporary')
  writeFileSync(temporary, messageBytes(), { mode: 0o700 })
  const id = shortId(microseconds, statSync(temporary).ino)
  renameSync(temporary, queuePath(made.spool, 'active', id))
  return id
}

function spares(made: TestSpool): string[] {
  return readdirSync(join(made.path, 'spare'))
}

test('keep: the file leaves active/, loses its execute bit, and the next message gets it, incomplete, and nothing of the old one stays in it', () => {
  using made = withSpares()
  const id = activeMessage(made)
  const { ino } = statSync(queuePath(made.spool, 'active', id))
  assert.equal(new SpareKeeper(made.spool).keep(id, 100, 1), 'kept')
  assert.deepEqual(made.names('active').includes(id), false)
  assert.equal(statSync(join(made.path, 'spare', spares(made)[0] ?? '')).mode & 0o777, 0o600)
  const file = createQueueFile(made.spool, 'incoming')
  const facts = statSync(file.path)
  assert.deepEqual([facts.ino, facts.mode & 0o777], [ino, 0o600])
  assert.equal(file.id.slice(5), ino.toString(16).toUpperCase())
  assert.deepEqual(spares(made), [])
  file.write(Buffer.from('short'))
  file.seal()
  assert.equal(readFileSync(file.path, 'utf8'), 'short')
  assert.equal(statSync(file.path).mode & 0o777, 0o700)
  file.remove()
})

test('keep: what is large, old or gone is not kept', () => {
  using made = withSpares()
  const keeper = new SpareKeeper(made.spool)
  const id = activeMessage(made)
  assert.equal(keeper.keep(id, 65_537, 1), 'declined')
  assert.equal(keeper.keep(id, 100, 31), 'declined')
  assert.equal(existsSync(queuePath(made.spool, 'active', id)), true)
  assert.equal(keeper.keep(shortId(7, 999_999), 100, 1), 'gone')
})

test('keep: without the folder nothing is kept and nothing is taken', () => {
  using made = withSpares()
  rmdirSync(join(made.path, 'spare'))
  const id = activeMessage(made)
  assert.equal(new SpareKeeper(made.spool).keep(id, 100, 1), 'declined')
  assert.equal(existsSync(queuePath(made.spool, 'active', id)), true)
  const file = createQueueFile(made.spool, 'incoming')
  assert.equal(statSync(file.path).size, 0)
  file.remove()
})

test('keep: no more than the limit, and again when others have taken some', () => {
  using made = withSpares()
  const keeper = new SpareKeeper(made.spool)
  const results = Array.from({ length: 1025 }, (_, i) => keeper.keep(activeMessage(made, i), 100, 1))
  assert.equal(results.filter((result) => result === 'kept').length, spares(made).length)
  assert.equal(results.at(-1), 'declined')
  deleteSpares(made.spool, ME)
  const more = Array.from({ length: 33 }, (_, i) => keeper.keep(activeMessage(made, 2000 + i), 100, 1))
  assert.equal(more.includes('kept'), true)
})

test('sweep: deletes what nobody took between two sweeps', () => {
  using made = withSpares()
  const keeper = new SpareKeeper(made.spool)
  keeper.keep(activeMessage(made), 100, 1)
  keeper.sweep()
  assert.equal(spares(made).length, 1)
  keeper.sweep()
  assert.deepEqual(spares(made), [])
})

test('sweep: a disk that fails is a warning, and no end of the queue manager', () => {
  using made = withSpares()
  using caught = captureLog()
  const keeper = new SpareKeeper(made.spool)
  keeper.keep(activeMessage(made), 100, 1)
  keeper.sweep()
  {
    using failing = failAt('unlink', 'EIO')
    keeper.sweep()
    void failing
  }
  assert.deepEqual(caught.texts(), ['warning: sweep spare: Input/output error'])
  keeper.sweep()
  assert.deepEqual(spares(made), [])
})

test('takeSpare: a file that is not what its name says is deleted, not used', () => {
  using made = withSpares()
  writeFileSync(join(made.path, 'spare/ABC'), 'of another', { mode: 0o600 })
  const path = queuePath(made.spool, 'incoming', 'XYZ')
  assert.equal(takeSpare(made.spool, () => path), undefined)
  assert.equal(existsSync(path), false)
  assert.deepEqual(spares(made), [])
})

test('takeSpare: a file with an execute bit is deleted, not used', () => {
  using made = withSpares()
  const id = activeMessage(made)
  new SpareKeeper(made.spool).keep(id, 100, 1)
  const kept = join(made.path, 'spare', spares(made)[0] ?? '')
  chmodSync(kept, 0o700)
  const path = queuePath(made.spool, 'incoming', 'XYZ')
  assert.equal(takeSpare(made.spool, () => path), undefined)
  assert.equal(existsSync(path), false)
})

function refuse(path: string): void {
  if (path.includes('/spare')) throw errnoError('EACCES')
}

const BROKEN: readonly Partial<FileSystem>[] = [
  { openDirectory: (path) => (refuse(path), nodeFileSystem.openDirectory(path)) },
  { rename: (from, to) => (refuse(from), nodeFileSystem.rename(from, to)) },
]

test('createQueueFile: a folder of kept files that can be neither read nor moved from does not stop new mail', () => {
  using made = withSpares()
  new SpareKeeper(made.spool).keep(activeMessage(made), 100, 1)
  for (const broken of BROKEN) {
    using substitute = substituteFiles({ ...nodeFileSystem, ...broken })
    for (let i = 0; i < 3; i += 1) {
      const file = createQueueFile(made.spool, 'incoming')
      assert.equal(statSync(file.path).size, 0)
      file.remove()
    }
    void substitute
  }
})

test('createQueueFile: a hash directory that is still to be made does not keep it busy for ever', () => {
  using made = withSpares({ hashNames: new Set(['incoming']) })
  new SpareKeeper(made.spool).keep(activeMessage(made), 100, 1)
  let moves = 0
  const rename = (from: string, to: string): void => {
    moves += 1
    if (moves > 100) throw new Error('it goes on for ever')
    nodeFileSystem.rename(from, to)
  }
  using substitute = substituteFiles({ ...nodeFileSystem, rename })
  const file = createQueueFile(made.spool, 'incoming')
  assert.equal(existsSync(file.path), true)
  file.remove()
  void substitute
})

/** Puts a second message where `id` was, as cleanup does after the rest. */
function reuse(made: TestSpool, id: QueueId): QueueFile {
  assert.equal(new SpareKeeper(made.spool).keep(id, 100, 1), 'kept')
  const file = createQueueFile(made.spool, 'incoming')
  file.write(messageBytes())
  file.seal()
  return file
}

test('takeSpare: a file that an agent still has in hand, which qmgr gave up, is not used: its marks must not hit the next message', () => {
  using made = withSpares()
  const id = activeMessage(made)
  const agent = openMessage(made.spool, 'active', id)
  const file = reuse(made, id)
  for (const { offset } of readEnvelope(agent.fd, { id }).recipients) markDone(agent.fd, offset)
  agent.close()
  assert.equal(readEnvelope(file.fd, { id: file.id }).recipients.length, 1)
  assert.deepEqual(spares(made), [])
  file.remove()
})

test('takeSpare: a large file is deleted, not used: those who look at one do not expect another message in it', () => {
  using made = withSpares()
  const id = activeMessage(made)
  truncateSync(queuePath(made.spool, 'active', id), USED_BYTES_MAX + 1)
  const { ino } = statSync(queuePath(made.spool, 'active', id))
  const held = openSync(queuePath(made.spool, 'active', id), 'r')
  const file = reuse(made, id)
  assert.notEqual(statSync(file.path).ino, ino)
  closeSync(held)
  file.remove()
})

test('takeSpare: nobody finds the file locked when it is a message again', () => {
  using made = withSpares()
  const file = reuse(made, activeMessage(made))
  const other = openMessage(made.spool, 'incoming', file.id)
  assert.equal(nodeFileSystem.flock(other.fd, 'exclusive', false), true)
  other.close()
  file.remove()
})

test('openMessage: a file that was used again between the opening and the lock is none of this message', () => {
  using made = withSpares()
  const id = activeMessage(made)
  let file: QueueFile | undefined
  let locks = 0
  const flock = (fd: number, ...mode: [LockMode, boolean]): boolean => {
    if (++locks === 1) file = reuse(made, id)
    return nodeFileSystem.flock(fd, ...mode)
  }
  {
    using substitute = substituteFiles({ ...nodeFileSystem, flock })
    assert.throws(() => openMessage(made.spool, 'active', id), { code: 'ENOENT' })
    void substitute
  }
  assert.ok(file)
  file.remove()
})

test('sweep: deletes what an earlier queue manager kept', () => {
  using made = withSpares()
  new SpareKeeper(made.spool).keep(activeMessage(made), 100, 1)
  const keeper = new SpareKeeper(made.spool)
  keeper.sweep()
  keeper.sweep()
  assert.deepEqual(spares(made), [])
})

test('takeSpare: names that are no inodes stay where they are', () => {
  using made = withSpares()
  mkdirSync(join(made.path, 'spare/lost+found'))
  assert.equal(takeSpare(made.spool, () => queuePath(made.spool, 'incoming', 'XYZ')), undefined)
  deleteSpares(made.spool, ME)
  assert.deepEqual(spares(made), ['lost+found'])
})
