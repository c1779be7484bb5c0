/** Lists of the flush service: see src/queue/flush-log.ts. */
import assert from 'node:assert/strict'
import { readFileSync, statSync, utimesSync } from 'node:fs'
import { test } from 'node:test'
import { addToList, listName, refreshLists, serveMessage, serveSite } from '#queue/flush-log.ts'
import { queueId } from '#queue/id.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool } from '#test/support/spool.ts'

const OLD = new Date(Date.now() - 8 * 24 * 3600 * 1000)
const FUTURE = new Date(Date.now() + 3600 * 1000)

test('listName() leaves nothing that could be a path', () => {
  assert.equal(listName('Mail.Example.COM'), 'mail_example_com')
  assert.equal(listName('[192.0.2.1]'), '_192_0_2_1_')
  assert.equal(listName('../x'), '___x')
})

test('serveSite() makes messages due and empties the list', () => {
  using log = captureLog()
  using spool = createSpool()
  spool.put('deferred', 'AAAAA1', 'x')
  spool.put('incoming', 'AAAAA2', 'x')
  utimesSync(`${spool.path}/deferred/A/AAAAA1`, FUTURE, FUTURE)
  for (const id of ['AAAAA1', 'AAAAA2', 'AAAAA1', 'GONE1']) addToList(spool.spool, 'Example.com', queueId(id))
  spool.put('flush', 'example_com', `${readFileSync(`${spool.path}/flush/example_com`, 'utf8')}../bad\n`, 0o600)
  assert.equal(serveSite(spool.spool, 'example.COM'), 2)
  assert.deepEqual(spool.names('incoming'), ['AAAAA1', 'AAAAA2'])
  assert.ok(statSync(`${spool.path}/incoming/AAAAA1`).mtime < FUTURE)
  assert.equal(statSync(`${spool.path}/flush/example_com`).size, 0)
  assert.equal(serveSite(spool.spool, 'other.example'), 0)
  assert.deepEqual(log.texts(), [`warning: bad queue id "../bad..." in fast flush logfile ${spool.path}/flush/example_com`])
})

test('serveMessage() also marks the message, so that its destinations live again', () => {
  using spool = createSpool()
  const id = spool.put('deferred', 'AAAAA1', 'x')
  assert.equal(serveMessage(spool.spool, id), true)
  assert.equal(statSync(`${spool.path}/incoming/AAAAA1`).mode & 0o7777, 0o740)
  assert.equal(serveMessage(spool.spool, queueId('GONE1')), false)
})

test('refreshLists() serves lists that were not read for long, and removes old empty ones', () => {
  using spool = createSpool()
  spool.put('deferred', 'AAAAA1', 'x')
  addToList(spool.spool, 'old.example', queueId('AAAAA1'))
  addToList(spool.spool, 'new.example', queueId('AAAAA1'))
  spool.put('flush', 'empty_old', '', 0o600)
  spool.put('flush', 'empty_new', '', 0o600)
  for (const name of ['old_example', 'empty_old']) utimesSync(`${spool.path}/flush/${name}`, OLD, OLD)
  assert.equal(refreshLists(spool.spool, { refreshSeconds: 43_200, purgeSeconds: 604_800 }), 1)
  assert.deepEqual(spool.names('flush'), ['empty_new', 'new_example', 'old_example'])
  assert.equal(statSync(`${spool.path}/flush/new_example`).size, 7)
})
