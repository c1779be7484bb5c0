/** Looking at queue files without a lock: see src/queue/peek.ts. */
import assert from 'node:assert/strict'
import { renameSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { peekAt } from '#queue/peek.ts'
import type { RecordSource } from '#queue/record-reader.ts'
import { moveFile, queueId, queuePath, type QueueName } from '#queue/spool.ts'
import { nodeFileSystem, substituteFiles } from '#system/files.ts'
import { createSpool, messageBytes, type TestSpool } from '#test/support/spool.ts'

const ID = queueId('0000112')

function look(spool: TestSpool, queue: QueueName): RecordSource | undefined {
  let found: RecordSource | undefined
  return peekAt(spool.spool, queue, ID, (source) => (found = source)) ? found : undefined
}

/** Something happens between the opening and the reading. */
function lookAcross(spool: TestSpool, queue: QueueName, change: () => void): RecordSource | undefined {
  const fstat = (fd: number): ReturnType<typeof nodeFileSystem.fstat> => {
    change()
    return nodeFileSystem.fstat(fd)
  }
  using substitute = substituteFiles({ ...nodeFileSystem, fstat })
  const found = look(spool, queue)
  void substitute
  return found
}

test('peekAt: the whole message, wherever it is, also one that moves meanwhile; a large one as an open file', () => {
  using spool = createSpool()
  for (const queue of ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'saved'] as const) {
    spool.put(queue, ID, messageBytes())
    assert.deepEqual(look(spool, queue), new Uint8Array(messageBytes()), queue)
    rmSync(queuePath(spool.spool, queue, ID))
    assert.equal(look(spool, queue), undefined)
  }
  spool.put('active', ID, messageBytes())
  const across = lookAcross(spool, 'active', () => void moveFile(spool.spool, ID, 'active', 'deferred'))
  assert.deepEqual(across, new Uint8Array(messageBytes()))
  spool.put('hold', ID, Buffer.alloc(200_000))
  assert.equal(typeof look(spool, 'hold'), 'number')
})

test('peekAt: neither what is left of another message in a file that is being written, nor the next message', () => {
  using spool = createSpool()
  spool.put('incoming', ID, messageBytes(), 0o600)
  assert.equal(look(spool, 'incoming'), undefined)
  spool.put('maildrop', ID, messageBytes(), 0o600)
  assert.ok(look(spool, 'maildrop'))
  rmSync(queuePath(spool.spool, 'maildrop', ID))
  rmSync(queuePath(spool.spool, 'incoming', ID))
  spool.put('active', ID, messageBytes())
  const across = lookAcross(spool, 'active', () => {
    renameSync(queuePath(spool.spool, 'active', ID), queuePath(spool.spool, 'incoming', queueId('0000212')))
  })
  assert.equal(across, undefined)
})
