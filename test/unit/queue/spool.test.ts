/** The queue directory: see src/queue/spool.ts. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { queueId } from '#queue/id.ts'
import {
  isReady, moveFile, openSpool, queuePath, removeFile, scanNames, scanQueue, stampFile, statFile,
} from '#queue/spool.ts'
import { failAt } from '#test/support/failing-files.ts'
import { createSpool } from '#test/support/spool.ts'

const id = queueId('90E7F2544D2')

test('openSpool() takes its settings from the configuration', () => {
  const spool = openSpool(configFrom({ queue_directory: '/q/', hash_queue_names: 'Incoming, hold', hash_queue_depth: '2', enable_long_queue_ids: 'yes' }))
  assert.equal(spool.path, '/q')
  assert.equal(queuePath(spool, 'incoming', '4jW9hf4CV7zLP29'), '/q/incoming/9/0/4jW9hf4CV7zLP29')
  assert.equal(queuePath(spool, 'deferred', id), `/q/deferred/${id}`)
  assert.equal(spool.longIds, true)
})

test('queuePath() fills short names up, and stays relative in the working directory', () => {
  const spool = { path: '.', hashNames: new Set(['flush']), hashDepth: 3, longIds: false }
  assert.equal(queuePath(spool, 'flush', 'ab'), 'flush/a/b/_/ab')
  assert.equal(queuePath(spool, 'active', id), `active/${id}`)
})

test('moveFile() makes hash directories, and says when the file is gone', () => {
  using spool = createSpool()
  spool.put('active', id, 'x')
  assert.equal(moveFile(spool.spool, id, 'active', 'deferred'), true)
  assert.deepEqual(spool.names('deferred'), ['9', `9/${id}`])
  assert.equal(moveFile(spool.spool, id, 'active', 'deferred'), false)
  assert.equal(removeFile(spool.spool, 'deferred', id), true)
  assert.equal(removeFile(spool.spool, 'deferred', id), false)
})

test('moveFile() throws other errors, and the file stays', () => {
  using spool = createSpool()
  spool.put('active', id, 'x')
  using _ = failAt('rename', 'EACCES')
  assert.throws(() => moveFile(spool.spool, id, 'active', 'deferred'), { code: 'EACCES' })
  assert.ok(spool.has('active', id))
})

test('stampFile() sets the time of the next attempt', () => {
  using spool = createSpool()
  spool.put('active', id, 'x')
  assert.equal(stampFile(spool.spool, 'active', id, 1795168578), true)
  assert.equal(statFile(spool.spool, 'active', id)?.mtimeMs, 1795168578000)
  assert.equal(stampFile(spool.spool, 'hold', id, 1), false)
})

test('isReady() wants a plain file with all rights of its owner', () => {
  using spool = createSpool()
  const cases = [[0o700, true], [0o744, true], [0o710, true], [0o600, false], [0o500, false]] as const
  for (const [mode, expected] of cases) {
    spool.put('active', id, 'x', mode)
    const facts = statFile(spool.spool, 'active', id)
    assert.equal(facts && isReady(facts), expected, mode.toString(8))
  }
})

test('scanNames() goes into directories of one character only, and not in maildrop', () => {
  using spool = createSpool()
  for (const queue of ['deferred', 'maildrop']) {
    mkdirSync(`${spool.path}/${queue}/9/0`, { recursive: true })
    mkdirSync(`${spool.path}/${queue}/xx`)
    writeFileSync(`${spool.path}/${queue}/9/0/AAAAA1`, '')
    writeFileSync(`${spool.path}/${queue}/9/AAAAA2`, '')
    writeFileSync(`${spool.path}/${queue}/12.34`, '')
    writeFileSync(`${spool.path}/${queue}/x`, '')
  }
  const names = (queue: 'deferred' | 'maildrop' | 'saved'): string[] => [...scanNames(spool.spool, queue)].map(({ name }) => name).toSorted()
  assert.deepEqual(names('deferred'), ['12.34', 'AAAAA1', 'AAAAA2', 'x', 'xx'])
  assert.deepEqual(names('maildrop'), ['12.34', '9', 'x', 'xx'])
  assert.deepEqual(names('saved'), [])
  assert.deepEqual([...scanQueue(spool.spool, 'deferred')].toSorted(), ['AAAAA1', 'AAAAA2', 'x', 'xx'])
})

test('scanQueue() closes its directories when it is left early', () => {
  using spool = createSpool()
  for (let i = 0; i < 200; i++) spool.put('deferred', `AAAAA${i}`, '')
  for (let round = 0; round < 50; round++) {
    for (const name of scanQueue(spool.spool, 'deferred')) {
      assert.ok(name)
      break
    }
  }
  assert.equal([...scanQueue(spool.spool, 'deferred')].length, 200)
})
