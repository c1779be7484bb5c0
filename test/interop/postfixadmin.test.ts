/** PostfixAdmin's schema with its usual table files, on SQLite, PostgreSQL and MariaDB: the answers of real Postfix. */
import assert from 'node:assert/strict'
import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { mariadbAbsent, postgresAbsent, startMariadb, startPostgres, type DatabaseServer } from '#test/support/database-server.ts'
import { postfixAdminFiles, postfixAdminSql, type Dialect } from '#test/support/postfixadmin.ts'
import { JUDGE, ours, theirs, workplace } from '#test/support/postmap.ts'

const OLD = new Date(2020, 1, 1)
const KEYS = [
  'ann@example.com', 'ANN@Example.COM', "o'hara@example.com", 'left@example.com', 'team@example.com', 'old@example.com', 'nobody@example.com',
  'ann@example.net', 'team@example.net', 'x@all.example', 'ann@off.example', '@catchall.example', 'example.com', 'relay.example', 'gone.example', 'example.net', '%',
]
/** Answers of some tables, so that the test does not only compare two silences. */
const EXPECTED: readonly (readonly [table: string, line: string])[] = [
  ['virtual_alias_maps', "team@example.com\tann@example.com,o'hara@example.com"], ['virtual_alias_domain_maps', "team@example.net\tann@example.com,o'hara@example.com"],
  ['virtual_alias_domain_catchall_maps', 'x@all.example\tann@example.com'], ['virtual_mailbox_domains', 'example.com\texample.com'],
  ['virtual_mailbox_maps', "o'hara@example.com\texample.com/ohara/"], ['virtual_alias_domain_mailbox_maps', 'ann@example.net\texample.com/ann/'],
  ['relay_domains', 'relay.example\trelay.example'], ['transport_maps', 'relay.example\trelay:[192.0.2.1]'], ['virtual_mailbox_limit_maps', 'ann@example.com\t1024000'],
]

type Site = AsyncDisposable & { readonly access: string }

async function siteOn(server: DatabaseServer, dialect: Dialect): Promise<Site> {
  server.sql(postfixAdminSql(dialect))
  const access = `user = posthorn\npassword = secret\nhosts = 127.0.0.1:${server.port}\ndbname = posthorn\n`
  return { access, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

async function openSite(dialect: Dialect, folder: string): Promise<Site> {
  if (dialect === 'pgsql') return siteOn(await startPostgres(), dialect)
  if (dialect === 'mysql') return siteOn(await startMariadb(), dialect)
  const path = join(folder, 'postfixadmin.db')
  using database = new DatabaseSync(path)
  database.exec(postfixAdminSql(dialect))
  return { access: `dbpath = ${path}\n`, async [Symbol.asyncDispose]() { /* Goes with the folder. */ } }
}

for (const dialect of ['sqlite', 'pgsql', 'mysql'] as const) {
  test(`PostfixAdmin's table files for ${dialect} work as they stand`, async (t: TestContext) => {
    const skip = JUDGE.absent ?? (dialect === 'pgsql' ? postgresAbsent() : dialect === 'mysql' ? mariadbAbsent() : undefined)
    if (skip !== undefined) return t.skip(skip)
    using folder = workplace()
    utimesSync(join(folder.path, 'main.cf'), OLD, OLD)
    await using site = await openSite(dialect, folder.path)
    for (const [name, content] of Object.entries(postfixAdminFiles(dialect, site.access))) {
      const path = folder.write(`${dialect}_${name}.cf`, content)
      utimesSync(path, OLD, OLD)
      const argv = ['-q', '-', `${dialect}:${path}`]
      const mine = await ours(folder, 'postmap', argv, KEYS.map((key) => `${key}\n`).join(''))
      assert.deepEqual(mine, await theirs(JUDGE, folder, 'postmap', argv, KEYS.map((key) => `${key}\n`).join('')), name)
      for (const [table, line] of EXPECTED) if (table === name) assert.ok(mine.out.split('\n').includes(line), `${name}: ${mine.out}`)
    }
    return undefined
  })
}
