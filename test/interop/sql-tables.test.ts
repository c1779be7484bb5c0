/**
 * sqlite, pgsql and mysql tables against real Postfix and real servers: the same questions to its
 * postmap and to ours, on the same data; and servers that go away, come back, or have TLS.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { openTable } from '#tables/open.ts'
import { mariadbAbsent, postgresAbsent, startMariadb, startPostgres, type DatabaseServer, type ServerCertificate } from '#test/support/database-server.ts'
import { captureLog } from '#test/support/log.ts'
import { JUDGE, ours, theirs, workplace, type Result } from '#test/support/postmap.ts'
import { eventually } from '#test/support/system.ts'
import { tableOptions, type TableFolder } from '#test/support/tables.ts'

const OLD = new Date(2020, 1, 1)

type Kind = 'sqlite' | 'pgsql' | 'mysql'

const KINDS: readonly Kind[] = ['sqlite', 'pgsql', 'mysql']
const ABSENT: Readonly<Record<Kind, string | undefined>> = { sqlite: undefined, pgsql: postgresAbsent(), mysql: mariadbAbsent() }

/** Rows of the table `a`; backslashes are doubled for MySQL. */
const ROWS: readonly (readonly (string | null)[])[] = [
  ['k', 'v1', 'w1'], ['k', 'v2', ''], ['u@d.e', 'x@y', null], ['empty', '', ''], ['null', null, null], ["it's", 'quoted', ''],
  ['b\\s', 'backslash', ''], ['big', '1', ''], ['big', '2', ''], ['big', '3', ''], ['Upper', 'upper', ''], ['é', 'utf8', ''],
  ['p%c', 'percent', ''], ['say "x"', 'double', ''], ['many', 'u@x.y', ''], ['many', '@z', ''], ['many', 'q@', ''], ['many', 'plain', ''],
  ['u@sub.example.com', 'label@example.com', ''], ['a,b', 'c,d', ''], ['new\\nline', 'n', ''],
]

const KEYS: readonly string[] = [
  'k', 'K', 'u@d.e', 'U@D.E', 'empty', 'null', "it's", 'b\\s', 'big', 'Upper', 'é', 'É', 'p%c', 'say "x"', 'many', 'u@sub.example.com', 'u@example.com', 'u@com',
  '@d.e', 'u@', '@', 'a@u@d.e', 'u@.d..e.', 'none', ' k', 'a,b', "'; drop table a; --", "x' or '1'='1", 'x\\\' or 1=1 --', '%s', '%d%u%1',
  '$1', '\\', "''", '"', '\u{1f600}@d.e', 'u@xn--bcher-kva.example', 'new\\nline', 'x'.repeat(300), '(select v from a)',
]

/** Settings of a table besides where the database is. */
const TABLES: Readonly<Record<string, string>> = {
  plain: "query = SELECT v FROM a WHERE k = '%s'",
  'two columns': "query = SELECT v, w FROM a WHERE k = '%s'",
  parts: "query = SELECT v FROM a WHERE k = '%u' OR k = '%u@%d' OR '%D' = '%2.%1'",
  format: "query = SELECT v FROM a WHERE k = '%s'\nresult_format = <%u> of <%s> for %U at %S",
  'format with domains': "query = SELECT v FROM a WHERE k = '%s' OR k = 'many'\nresult_format = smtp:[%d]:%D %1 100%%",
  limit: "query = SELECT v FROM a WHERE k = '%s'\nexpansion_limit = 1",
  domain: "query = SELECT 'yes %s'\ndomain = d.e, !example.com, inline:{com=x}",
  legacy: "table = a\nselect_field = v\nwhere_field = k\nadditional_conditions = and v <> 'v1'",
  constant: 'query = SELECT 42',
  nothing: "query = SELECT v FROM a WHERE k = '%s' AND 1 = 0",
}

/** Settings that cannot be used, or queries that fail. */
const FAULTS: Readonly<Record<string, string>> = {
  'bad template': 'query = SELECT %x',
  'bad format': 'query = SELECT 1\nresult_format = %9%y',
  'no query': 'table = a',
  'bad limit': 'query = SELECT 1\nexpansion_limit = many',
  'not a line': 'query = SELECT 1\nfoo bar',
  'bad syntax': "query = SELCT '%s'",
  'no such column': "query = SELECT nocolumn FROM a WHERE k = '%s'",
}

const servers = new Map<Kind, DatabaseServer>()
let folder: TableFolder

function literal(kind: Kind, value: string | null): string {
  if (value === null) return 'NULL'
  const text = value.replaceAll("'", "''")
  return `'${kind === 'mysql' ? text.replaceAll('\\', '\\\\') : text}'`
}

function schema(kind: Kind): string {
  const rows = ROWS.map((row) => `(${row.map((value) => literal(kind, value)).join(',')})`)
  const collation = kind === 'mysql' ? ' COLLATE utf8mb4_bin' : ''
  return `CREATE TABLE a (k varchar(400)${collation}, v varchar(400), w varchar(400)); INSERT INTO a VALUES ${rows.join(',')};`
}

/** Settings that say where the database is. */
function access(kind: Kind, hosts?: string): string {
  if (kind === 'sqlite') return `dbpath = ${join(folder.path, 'data.sqlite')}\n`
  return `hosts = ${hosts ?? `127.0.0.1:${servers.get(kind)?.port}`}\nuser = posthorn\npassword = secret\ndbname = posthorn\n`
}

before(async () => {
  folder = workplace()
  utimesSync(join(folder.path, 'main.cf'), OLD, OLD)
  using database = new DatabaseSync(join(folder.path, 'data.sqlite'))
  database.exec(schema('sqlite'))
  if (ABSENT.pgsql === undefined) servers.set('pgsql', await startPostgres())
  if (ABSENT.mysql === undefined) servers.set('mysql', await startMariadb())
  for (const [kind, server] of servers) server.sql(schema(kind))
})

after(async () => {
  for (const server of servers.values()) await server[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

/** Writes the settings of a table; its name. Postfix reads a file again and again that is younger than a second. */
function settingsFile(name: string, content: string, place = folder): string {
  const path = place.write(name, content)
  utimesSync(path, OLD, OLD)
  return path
}

/** What both sides must have in common: the answers, the exit status, and what they say while they can answer. */
function comparable({ status, out, log }: Result, failing: boolean): { status: number; out: string; log: string[] } {
  const lines = [...new Set(log.split('\n'))].filter((line) => line !== '')
  return { status, out, log: failing ? [] : lines }
}

async function assertSame(argv: readonly string[], input: string, failing = false): Promise<Result> {
  const mine = await ours(folder, 'postmap', argv, input)
  assert.deepEqual(comparable(mine, failing), comparable(await theirs(JUDGE, folder, 'postmap', argv, input), failing), argv.join(' '))
  return mine
}

function skipReason(kind: Kind): string | undefined {
  return ABSENT[kind] ?? JUDGE.absent
}

for (const kind of KINDS) {
  for (const [title, settings] of Object.entries(TABLES)) {
    test(`${kind}: ${KEYS.length} questions have the answers of Postfix 3.11: ${title}`, async (t: TestContext) => {
      const skip = skipReason(kind)
      if (skip !== undefined) return t.skip(skip)
      const spec = `${kind}:${settingsFile(`${kind}.cf`, `${access(kind)}${settings}\n`)}`
      // A lookup that fails ends the command, so such keys are asked for one by one.
      const failing = title === 'limit' ? ['k', 'K', 'big', 'many'] : []
      await assertSame(['-q', '-', spec], KEYS.filter((key) => !failing.includes(key)).map((key) => `${key}\n`).join(''))
      for (const key of failing) assert.equal((await assertSame(['-q', key, spec], '', true)).status, 1)
      return undefined
    })
  }

  test(`${kind}: one question has the answer, the exit status and the warnings of Postfix 3.11`, async (t: TestContext) => {
    const skip = skipReason(kind)
    if (skip !== undefined) return t.skip(skip)
    const spec = `${kind}:${settingsFile(`${kind}.cf`, `${access(kind)}${TABLES['plain'] ?? ''}\n`)}`
    for (const key of ['k', 'none', 'empty', '', "it's"]) await assertSame(['-q', key, spec], '')
    for (const argv of [['-s', spec], ['-d', 'k', spec], [spec]]) assert.equal((await assertSame(argv, '')).status, 1)
    return undefined
  })

  test(`${kind}: settings and queries that fail end as with Postfix 3.11`, async (t: TestContext) => {
    const skip = skipReason(kind)
    if (skip !== undefined) return t.skip(skip)
    for (const [title, settings] of Object.entries(FAULTS)) {
      const spec = `${kind}:${settingsFile(`${kind}.cf`, `${access(kind)}${settings}\n`)}`
      const { status, log } = await assertSame(['-q', 'k', spec], '', true)
      assert.equal(status, 1, title)
      assert.match(log, /fatal: /, title)
    }
    return undefined
  })

  test(`${kind}: settings may be in main.cf`, async (t: TestContext) => {
    const skip = skipReason(kind)
    if (skip !== undefined) return t.skip(skip)
    using place = workplace()
    const lines = `${access(kind)}query = SELECT '$mydomain', v FROM a WHERE k = '%s'`.split('\n').map((line) => `site_${line}\n`)
    settingsFile('main.cf', `compatibility_level = 3.6\nmydomain = example.org\n${lines.join('')}`, place)
    const argv = ['-q', 'u@d.e', `${kind}:site`]
    const mine = await ours(place, 'postmap', argv)
    assert.deepEqual(mine, await theirs(JUDGE, place, 'postmap', argv))
    assert.equal(mine.out, kind === 'sqlite' ? 'example.org\n' : 'example.org,x@y\n')
    return undefined
  })
}

test('mysql and pgsql: character sets of the client other than UTF-8 mean what they mean to Postfix 3.11', async (t) => {
  const skip = JUDGE.absent ?? ABSENT.mysql ?? ABSENT.pgsql
  if (skip !== undefined) return t.skip(skip)
  for (const [kind, setting] of [['mysql', 'charset'], ['pgsql', 'encoding']] as const) {
    for (const query of ["SELECT v FROM a WHERE k = '%s'", "SELECT k FROM a WHERE v = 'utf8'", "SELECT '%s'"]) {
      const spec = `${kind}:${settingsFile(`${kind}.cf`, `${access(kind)}query = ${query}\n${setting} = latin1\n`)}`
      // Bytes that are not UTF-8 are an error, and the log shows them in another way.
      for (const key of ['é', 'k']) await assertSame(['-q', key, spec], '', true)
    }
  }
  return undefined
})

test('mysql and pgsql: keys are escaped as the settings of the server want it', async (t) => {
  const [mysql, pgsql] = [servers.get('mysql'), servers.get('pgsql')]
  const skip = JUDGE.absent ?? ABSENT.mysql ?? ABSENT.pgsql
  if (skip !== undefined || mysql === undefined || pgsql === undefined) return t.skip(skip ?? 'no server')
  mysql.sql("SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',NO_BACKSLASH_ESCAPES')")
  pgsql.sql('ALTER DATABASE posthorn SET standard_conforming_strings = off; ALTER DATABASE posthorn SET escape_string_warning = off')
  t.after(() => {
    mysql.sql("SET GLOBAL sql_mode = REPLACE(@@GLOBAL.sql_mode, 'NO_BACKSLASH_ESCAPES', '')")
    pgsql.sql('ALTER DATABASE posthorn RESET standard_conforming_strings')
  })
  const keys = ["it's", 'b\\s', 'say "x"', "\\' or 1=1 --", "x\\' or '1'='1", '\\', "'", 'k']
  for (const kind of ['mysql', 'pgsql'] as const) {
    const spec = `${kind}:${settingsFile(`${kind}.cf`, `${access(kind)}query = SELECT v FROM a WHERE k = '%s'\n`)}`
    const { out } = await assertSame(['-q', '-', spec], keys.map((key) => `${key}\n`).join(''))
    assert.equal(out, "it's\tquoted\nb\\s\tbackslash\nsay \"x\"\tdouble\nk\tv1,v2\n")
  }
  return undefined
})

test('mysql: procedures and statements without a result set', async (t) => {
  const server = servers.get('mysql')
  const skip = skipReason('mysql')
  if (skip !== undefined || server === undefined) return t.skip(skip ?? 'no server')
  server.sql(`CREATE PROCEDURE one(IN p varchar(255)) SELECT v FROM a WHERE k = p;
    CREATE PROCEDURE none(IN p varchar(255)) DO 1;
    DELIMITER //\nCREATE PROCEDURE two(IN p varchar(255)) BEGIN SELECT v FROM a WHERE k = p; SELECT 2; END//\nDELIMITER ;`)
  for (const query of ["CALL one('%s')", "CALL two('%s')", "CALL none('%s')", "INSERT INTO a VALUES ('added', 'x', 'y')"]) {
    for (const required of ['yes', 'no']) {
      const spec = `mysql:${settingsFile('mysql.cf', `${access('mysql')}query = ${query}\nrequire_result_set = ${required}\n`)}`
      const failing = query.includes('two') || (required === 'yes' && !query.includes(' one('))
      await assertSame(['-q', 'k', spec], '', failing)
    }
  }
  return undefined
})

test('pgsql: URIs, sockets and several hosts', async (t) => {
  const server = servers.get('pgsql')
  const skip = skipReason('pgsql')
  if (skip !== undefined || server === undefined) return t.skip(skip ?? 'no server')
  const query = "query = SELECT v FROM a WHERE k = '%s'\n"
  const { port, socket } = server
  for (const hosts of [
    `postgresql://posthorn:secret@127.0.0.1:${port}/posthorn`, `postgres://posthorn:s%65cret@127.0.0.1:${port}/posthorn?sslmode=prefer&connect_timeout=5`,
    `postgresql:///posthorn?host=${socket}&port=${port}&user=posthorn`, `inet:127.0.0.1:${port}`, `127.0.0.1:${port}, 127.0.0.1:${port}`,
  ]) {
    const spec = `pgsql:${settingsFile('pgsql.cf', `${access('pgsql', hosts)}${query}`)}`
    assert.equal((await assertSame(['-q', 'k', spec], '')).out, 'v1,v2\n', hosts)
  }
  for (const hosts of [`postgresql://posthorn:wrong@127.0.0.1:${port}/posthorn`, `postgresql://posthorn:secret@127.0.0.1:${port}/posthorn?sslmode=require`, '127.0.0.1:1', 'unix:/no/such']) {
    const spec = `pgsql:${settingsFile('pgsql.cf', `${access('pgsql', hosts)}${query}`)}`
    assert.match((await assertSame(['-q', 'k', spec], '', true)).log, /warning: connect to pgsql server /)
  }
  return undefined
})

test('mysql: sockets, option files and several hosts', async (t) => {
  const server = servers.get('mysql')
  const skip = skipReason('mysql')
  if (skip !== undefined || server === undefined) return t.skip(skip ?? 'no server')
  const query = "query = SELECT v FROM a WHERE k = '%s'\n"
  const { port, socket } = server
  const file = folder.write('my.cnf', `[client]\nuser = posthorn\nport=${port}\n[other]\nsocket="${socket}"\n`)
  const login = 'password = secret\ndbname = posthorn\n'
  for (const settings of [
    access('mysql', `unix:${socket}`), access('mysql', `inet:127.0.0.1:${port} 127.0.0.1:${port}`),
    `hosts = 127.0.0.1\n${login}option_file = ${file}\n`, `hosts = localhost\n${login}option_file = ${file}\noption_group = other\n`,
  ]) {
    const spec = `mysql:${settingsFile('mysql.cf', `${settings}${query}`)}`
    assert.equal((await assertSame(['-q', 'k', spec], '')).out, 'v1,v2\n', settings)
  }
  for (const settings of [access('mysql', '127.0.0.1:1'), `${access('mysql')}password = wrong\n`, access('mysql', 'unix:/no/such')]) {
    const spec = `mysql:${settingsFile('mysql.cf', `${settings}${query}`)}`
    assert.match((await assertSame(['-q', 'k', spec], '', true)).log, /warning: connect to mysql server /)
  }
  return undefined
})

for (const kind of ['pgsql', 'mysql'] as const) {
  test(`${kind}: a server that goes away is a temporary error, and is found again when it is back`, async (t) => {
    const server = servers.get(kind)
    if (server === undefined) return t.skip(ABSENT[kind] ?? 'no server')
    using log = captureLog()
    const hosts = `127.0.0.1:1 127.0.0.1:${server.port}`
    const file = settingsFile(`gone-${kind}.cf`, `${access(kind, hosts)}query = SELECT v FROM a WHERE k = '%s'\nretry_interval = 1\n`)
    const table = openTable(`${kind}:${file}`, tableOptions())
    t.after(() => table.close())
    const ask = async (): Promise<string> => {
      const answer = await table.lookup('k')
      return answer.kind === 'found' ? answer.value : answer.kind
    }
    assert.deepEqual(await Promise.all(Array.from({ length: 20 }, ask)), Array.from({ length: 20 }, () => 'v1,v2'))
    const during = Array.from({ length: 200 }, ask)
    await server.stop()
    assert.deepEqual((await Promise.all(during)).filter((answer) => answer !== 'v1,v2' && answer !== 'error'), [])
    assert.equal(await ask(), 'error')
    assert.match(log.texts().join('\n'), /^warning: (?:pgsql|mysql:\S+:) query failed: |^warning: connect to \w+ server /m)
    await server.start()
    const answer = await eventually('the server again', async () => {
      const found = await ask()
      return found === 'error' ? undefined : found
    })
    assert.equal(answer, 'v1,v2')
    return undefined
  })
}

const at = (file: string): string => join(folder.path, file)

const readAt = (file: string): string => readFileSync(at(file), 'utf8')

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' })
}

/** An authority, and certificates of servers that it has signed. */
function certificates(names: readonly string[]): Map<string, ServerCertificate> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  for (const authority of ['ca', 'other']) {
    openssl('req', '-x509', ...key, '-days', '2', '-subj', `/CN=${authority}`, '-keyout', at(`${authority}.key`), '-out', at(`${authority}.pem`))
  }
  return new Map(names.map((name) => {
    openssl('req', ...key, '-subj', `/CN=${name}`, '-keyout', at('server.key'), '-out', at('server.csr'))
    const extensions = folder.write('server.ext', `subjectAltName=${/^[\d.]+$/.test(name) ? 'IP' : 'DNS'}:${name}\n`)
    openssl('x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2',
      '-extfile', extensions, '-out', at('server.pem'))
    return [name, { certificate: readAt('server.pem'), key: readAt('server.key'), authority: readAt('ca.pem') }]
  }))
}

test('mysql and pgsql: TLS, with and without a look at the certificate', async (t) => {
  if (!existsSync('/usr/bin/openssl')) return t.skip('no openssl')
  const skip = ABSENT.mysql ?? ABSENT.pgsql
  if (skip !== undefined) return t.skip(skip)
  const [own, other] = [join(folder.path, 'ca.pem'), join(folder.path, 'other.pem')]
  const made = certificates(['127.0.0.1', 'elsewhere.example'])
  for (const [name, certificate] of made) {
    await using mysql = await startMariadb(certificate)
    await using pgsql = await startPostgres(certificate)
    const isHere = name === '127.0.0.1'
    const ask = async (kind: Kind, settings: string): Promise<string> => {
      using log = captureLog()
      const table = openTable(`${kind}:${settingsFile('tls.cf', settings)}`, tableOptions())
      const answer = await table.lookup('k')
      table.close()
      // Whoever cannot connect says why.
      assert.equal(answer.kind === 'error', log.texts().some((line) => line.includes('connect to')))
      return answer.kind === 'found' ? answer.value : answer.kind
    }
    const mysqlTls = (more: string): Promise<string> => {
      const settings = `hosts = 127.0.0.1:${mysql.port}\nuser = posthorn\npassword = secret\ndbname = posthorn\nquery = SHOW STATUS LIKE 'Ssl_cipher'\n${more}\n`
      return ask('mysql', settings)
    }
    const pgsqlTls = (words: string): Promise<string> => {
      return ask('pgsql', `hosts = postgresql://posthorn:secret@127.0.0.1:${pgsql.port}/posthorn?${words}\nquery = SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()\n`)
    }
    assert.equal(await mysqlTls(''), 'Ssl_cipher')
    assert.match(await mysqlTls(`tls_CAfile = ${own}`), /^Ssl_cipher,TLS_/)
    assert.equal(await mysqlTls(`tls_CAfile = ${other}`), 'error')
    assert.match(await mysqlTls(`tls_CAfile = ${own}\ntls_verify_cert = yes`), isHere ? /^Ssl_cipher,TLS_/ : /^error$/)
    assert.match(await mysqlTls('tls_ciphers = HIGH'), /^Ssl_cipher,TLS_/)
    assert.equal(await mysqlTls('tls_CAfile = /no/such/file'), 'error')
    assert.equal(await pgsqlTls('sslmode=disable'), 'f')
    assert.equal(await pgsqlTls('sslmode=prefer'), 't')
    assert.equal(await pgsqlTls('sslmode=require'), 't')
    assert.equal(await pgsqlTls(`sslmode=verify-ca&sslrootcert=${own}`), 't')
    assert.equal(await pgsqlTls(`sslmode=verify-ca&sslrootcert=${other}`), 'error')
    assert.equal(await pgsqlTls(`sslmode=verify-full&sslrootcert=${own}`), isHere ? 't' : 'error')
  }
  return undefined
})
