/** Lists of tables: see src/tables/maps.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMaps } from '#tables/maps.ts'
import { captureLog } from '#test/support/log.ts'
import { tableOptions } from '#test/support/tables.ts'

test('find() asks the tables in order and names the one that answered', async () => {
  const maps = openMaps('m', 'inline:{a=1}, inline:{a=2,b=3}', tableOptions())
  assert.deepEqual(await maps.find('A'), { kind: 'found', value: '1', table: 'inline:{a=1}' })
  assert.deepEqual(await maps.find('b'), { kind: 'found', value: '3', table: 'inline:{a=2,b=3}' })
  assert.deepEqual(await maps.find('c'), { kind: 'absent' })
})

test('find() skips pattern tables for parts of keys, and all tables for the empty key', async () => {
  const maps = openMaps('m', 'regexp:{{/./ any}} inline:{a=1}', tableOptions())
  assert.deepEqual(await maps.find('a', true), { kind: 'found', value: '1', table: 'inline:{a=1}' })
  assert.deepEqual(await maps.find(''), { kind: 'absent' })
  assert.equal(openMaps('m', ' , ', tableOptions()).empty, true)
})

test('find() stops at an error, and takes an empty result for one', async () => {
  using log = captureLog()
  const failing = await openMaps('m', 'fail:x static:never', tableOptions()).find('k')
  assert.deepEqual(failing, { kind: 'error', reason: 'Application error', table: 'fail:x' })
  const empty = await openMaps('virtual_alias_maps', 'inline:{k=}', tableOptions()).find('k')
  assert.equal(empty.kind, 'error')
  assert.deepEqual(log.texts(), [
    'warning: fail:x lookup error for "k"',
    'warning: virtual_alias_maps lookup of k returns an empty string result',
    'warning: virtual_alias_maps should return NO RESULT in case of NOT FOUND',
  ])
})
