/** sqlite tables: see src/tables/database/sqlite.ts. */
import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { openTable } from '#tables/open.ts'
import { captureLog } from '#test/support/log.ts'
import { lookups, tableFolder, tableOptions, type TableFolder } from '#test/support/tables.ts'

/** Makes a database in the folder; its table file. */
function site(folder: TableFolder, settings: string, statements = ''): string {
  using database = new DatabaseSync(join(folder.path, 'data.db'))
  database.exec(statements || "CREATE TABLE a (k, v); INSERT INTO a VALUES ('k', 'v'), ('o''x', 'quoted')")
  return `sqlite:${folder.write('table.cf', `dbpath = ${folder.path}/data.db\n${settings}\n`)}`
}

const QUERY = "query = SELECT v FROM a WHERE k = '%s'"

test('openSqlite() finds, folds, quotes and filters keys', async () => {
  using folder = tableFolder()
  const spec = site(folder, QUERY)
  assert.deepEqual(await lookups(spec, ['k', 'K', "o'x", 'none', "' or 1 --", 'a\0b', 'k\udcff']), ['v', 'v', 'quoted', undefined, undefined, undefined, undefined])
})

test('openSqlite() gives numbers, bytes and text as SQLite writes them', async () => {
  using folder = tableFolder()
  const values = ["'text'", '42', '9007199254740993', '1.5', '2.0', '-0.25', "x'c3a9'", "'a' || char(0) || 'b'", "'\u00e9'"]
  const spec = site(folder, `query = SELECT ${values.join(' UNION ALL SELECT ')}`)
  assert.deepEqual(await lookups(spec, ['x']), ['text,42,9007199254740993,1.5,2.0,-0.25,\u00e9,a,\u00e9'])
})

test('openSqlite() never writes', async () => {
  using folder = tableFolder()
  using log = captureLog()
  const spec = site(folder, "query = INSERT INTO a VALUES ('%s', 'x')")
  assert.deepEqual(await lookups(spec, ['new']), [Error])
  assert.match(log.texts().join(), /attempt to write a readonly database/)
  assert.deepEqual(await lookups(`sqlite:${folder.write('none.cf', `dbpath = ${folder.path}/none.db\n${QUERY}\n`)}`, ['k']), [Error])
})

test('openSqlite() does not wait long for somebody who changes the file', async () => {
  using folder = tableFolder()
  using log = captureLog()
  const spec = site(folder, QUERY)
  using writer = new DatabaseSync(join(folder.path, 'data.db'))
  writer.exec('BEGIN EXCLUSIVE')
  assert.deepEqual(await lookups(spec, ['k']), [Error])
  assert.match(log.texts().join(), /database is locked/)
  writer.exec('ROLLBACK')
  assert.deepEqual(await lookups(spec, ['k']), ['v'])
})

test('refresh() of a sqlite table reads another file in the place of the old one', () => {
  using folder = tableFolder()
  const table = openTable(site(folder, QUERY), tableOptions())
  using other = new DatabaseSync(join(folder.path, 'new.db'))
  other.exec("CREATE TABLE a (k, v); INSERT INTO a VALUES ('k', 'new')")
  renameSync(join(folder.path, 'new.db'), join(folder.path, 'data.db'))
  table.refresh?.()
  assert.deepEqual(table.lookup('k'), { kind: 'found', value: 'new' })
  table.close()
})

test('openSqlite() says what is wrong in the words of Postfix', () => {
  using folder = tableFolder()
  const cases: readonly (readonly [string, RegExp])[] = [
    [QUERY, /bad string length 0 < 1: dbpath = $/],
    [`dbpath = /no/such.db\n${QUERY}`, /^sqlite:\S+: open database \/no\/such\.db: unable to open database file: No such file or directory$/],
    ['dbpath = x\nquery = %x', /Invalid query template: %x$/],
    [`dbpath = ${folder.path}\n${QUERY}\ndomain = a.com /no/list`, /^open file \/no\/list: No such file or directory$/],
    [`dbpath = ${folder.path}\n${QUERY}\ndomain = a.com texthash:/no/list`, /^open .*\/no\/list: No such file or directory$/],
  ]
  for (const [settings, message] of cases) {
    assert.throws(() => openTable(`sqlite:${folder.write('bad.cf', `${settings}\n`)}`, tableOptions({}, { strict: true })), { name: 'TableOpenError', message })
  }
})

test('openSqlite() warns about expansions without quotes around them', () => {
  using folder = tableFolder()
  using log = captureLog()
  openTable(site(folder, 'query = SELECT v FROM a WHERE k = "%s"'), tableOptions()).close()
  assert.match(log.texts().join(), /query >SELECT v FROM a WHERE k = "%s"< contains >%s< without the recommended '' quotes$/)
})

test('a domain list that cannot be read makes lookups fail, not miss', async () => {
  using folder = tableFolder()
  using log = captureLog()
  const spec = site(folder, `${QUERY}\ndomain = example.com, fail:x`)
  assert.deepEqual(await lookups(spec, ['u@example.com', 'u@example.org', 'k', '@example.com']), [undefined, Error, undefined, undefined])
  assert.match(log.texts().join(), /fail:x: table lookup problem/)
})
