/** Option files of MySQL: see src/tables/database/mysql-options.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOptionFile, readMysqlOptions } from '#tables/database/mysql-options.ts'
import { tableFolder } from '#test/support/tables.ts'

test('parseOptionFile() reads groups, names and values', () => {
  const text = '# c\n; c\n[client]\nuser = posthorn # who\nssl_ca="/a b.pem"\nskip-this\npassword=a\\sb\\\\c\n[other ]\nx=\'#1\'\n!include /etc/y.cnf\n!includedir /etc/z\n'
  const lines = [...parseOptionFile(text)].map((line) => (line.kind === 'include' ? `${line.path} ${line.folder}` : `${line.group}.${line.name}=${line.value}`))
  assert.deepEqual(lines, [
    'client.user=posthorn', 'client.ssl-ca=/a b.pem', 'client.skip-this=', 'client.password=a b\\c', 'other.x=#1', '/etc/y.cnf false', '/etc/z true',
  ])
})

test('readMysqlOptions() lets the named group count more than client, and follows includes', () => {
  using folder = tableFolder()
  folder.write('more.cnf', '[client]\nport = 7\n')
  const file = folder.write('my.cnf', `[site]\nuser = b\n[client]\nuser = a\nhost = h\n!include ${folder.path}/more.cnf\n!include ${folder.path}/my.cnf\n`)
  assert.deepEqual(Object.fromEntries(readMysqlOptions(file, 'site')), { user: 'b', host: 'h', port: '7' })
  assert.deepEqual(Object.fromEntries(readMysqlOptions(file, '')), { user: 'a', host: 'h', port: '7' })
  assert.deepEqual(Object.fromEntries(readMysqlOptions('/no/such/file', 'client')), {})
})
