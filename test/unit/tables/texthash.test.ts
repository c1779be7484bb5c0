/** texthash tables and what all tables of files share: see src/tables/texthash.ts, file-table.ts. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { openTable } from '#tables/open.ts'
import { captureLog } from '#test/support/log.ts'
import { lookups, tableFolder, tableOptions } from '#test/support/tables.ts'

const SOURCE = [
  'a b', 'Foo  Bar baz ', '"x y"@z  ok', 'lonely', '# comment', '', 'cont one', '  two', '# inner', '  three',
  'dup 1', 'dup 2', 'k: v', 'bad" x', '',
].join('\n')

test('texthash reads keys, values and continuation lines as postmap does', async () => {
  using folder = tableFolder()
  const path = folder.write('t', SOURCE)
  using log = captureLog()
  const values = await lookups(`texthash:${path}`, ['A', 'foo', '"x y"@z', 'cont', 'dup', 'k:', 'absent'])
  assert.deepEqual(values, ['b', 'Bar baz', 'ok', 'one  two  three', '1', 'v', undefined])
  assert.deepEqual(log.texts(), [
    `warning: ${path}, line 4: expected format: key whitespace value -- ignoring this line`,
    `warning: ${path}, line 12: duplicate entry: "dup"`,
    `warning: ${path}, line 13: record is in "key: value" format; is this an alias file?`,
    `warning: ${path}, line 14: unbalanced '"' in 'bad" x' -- ignoring this line`,
  ])
})

test('texthash keeps the case of keys with fold off', async () => {
  using folder = tableFolder()
  const path = folder.write('t', 'Foo x\n')
  assert.deepEqual(await lookups(`texthash:${path}`, ['Foo', 'foo'], tableOptions({}, { fold: false })), ['x', undefined])
})

test('texthash folds case beyond ASCII only with smtputf8_enable', async () => {
  using folder = tableFolder()
  const path = folder.write('t', 'ärger@X ok\nÄR upper\n')
  assert.deepEqual(await lookups(`texthash:${path}`, ['ÄRGER@x', 'ÄR', 'är'], tableOptions({ smtputf8_enable: 'yes' })), ['ok', undefined, undefined])
  assert.deepEqual(await lookups(`texthash:${path}`, ['ÄRGER@X', 'äRGER@X', 'ÄR'], tableOptions({ smtputf8_enable: 'no' })), [undefined, 'ok', 'upper'])
})

test('texthash finds keys of bytes that are not UTF-8', async () => {
  using folder = tableFolder()
  const path = folder.write('t', Buffer.from('caf\xe9 ok\n', 'latin1'))
  assert.deepEqual(await lookups(`texthash:${path}`, ['caf\udce9']), ['ok'])
})

test('refresh() swaps in a changed file, and keeps the old content of one that is gone', async () => {
  using folder = tableFolder()
  const path = folder.write('t', 'a 1\n')
  using log = captureLog()
  const table = openTable(`texthash:${path}`, tableOptions())
  folder.write('t', 'a changed\n')
  table.refresh?.()
  assert.deepEqual(await table.lookup('a'), { kind: 'found', value: 'changed' })
  rmSync(path)
  table.refresh?.()
  table.refresh?.()
  assert.deepEqual(await table.lookup('a'), { kind: 'found', value: 'changed' })
  assert.deepEqual(log.texts(), [`warning: texthash:${path}: keeping the old content: open database ${path}: No such file or directory`])
})

test('fileContent: the value is the content of the files that it names', async () => {
  using folder = tableFolder()
  const one = folder.write('one', 'first\n')
  const two = folder.write('two', 'second\n')
  const path = folder.write('t', `k ${one}, ${two}\nbad /no/file\n`)
  using log = captureLog()
  assert.deepEqual(await lookups(`texthash:${path}`, ['k', 'bad'], tableOptions({}, { fileContent: true })), ['first\n\nsecond\n', undefined])
  assert.deepEqual(log.texts(), [`warning: ${path}, line 2: open /no/file: No such file or directory: skipping this entry`])
})
