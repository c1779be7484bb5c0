/** Where a PostgreSQL server is: see src/network/database/pgsql-target.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPgUri, pgHost, pgTarget, type PgLogin } from '#network/database/pgsql-target.ts'

const LOGIN: PgLogin = { user: 'u', password: 'p', database: 'd', environment: {} }

/** The parts of a target that a case is about. */
function short(text: string, login = LOGIN): string {
  const { host, port, user, password, database, sslMode } = pgTarget(text, login)
  return `${user}:${password}@${host}:${port}/${database} ${sslMode}`
}

test('pgTarget() reads hosts as pgsql_table(5) has them', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['localhost', 'u:p@localhost:5432/d prefer'],
    ['inet:db.example:5433', 'u:p@db.example:5433/d prefer'],
    ['unix:/run/postgresql', 'u:p@/run/postgresql:5432/d prefer'],
    ['/run/pg:5433', 'u:p@/run/pg:5433:5432/d prefer'],
    ['[::1]:5433', 'u:p@::1:5433/d prefer'],
    ['postgresql://', ':@/var/run/postgresql:5432/ prefer'],
    ['postgres://a:s%40c@db.example:1/x%20y?sslmode=verify-full', 'a:s@c@db.example:1/x y verify-full'],
    ['postgresql://a@[::1]:7/x', 'a:@::1:7/x prefer'],
    ['postgresql:///x?host=/tmp/a&port=9&user=b&password=c', 'b:c@/tmp/a:9/x prefer'],
  ]
  for (const [text, expected] of cases) assert.equal(short(text), expected, text)
})

test('pgTarget() fills gaps from the environment', () => {
  const environment = { PGPORT: '6', PGSSLMODE: 'disable', PGUSER: 'e', PGPASSWORD: 'f', PGDATABASE: 'g', PGHOST: 'h' }
  assert.equal(short('localhost', { user: '', password: '', database: 'd', environment }), 'e:f@localhost:6/d disable')
  assert.equal(short('postgresql://', { ...LOGIN, environment }), 'e:f@h:6/g disable')
})

test('pgTarget() refuses what makes no sense', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['host:port', 'invalid integer value "port" for connection option "port"'],
    ['postgres://h/d?sslmode=perhaps', 'invalid sslmode value: "perhaps"'],
    ['postgres://h/d?nonsense=1', 'invalid URI query parameter: "nonsense"'],
    ['postgres://%zz@h/d', 'invalid percent-encoded token: "%zz"'],
  ]
  for (const [text, message] of cases) assert.throws(() => pgTarget(text, LOGIN), { name: 'RangeError', message })
})

test('pgHost() and isPgUri() tell the forms apart', () => {
  assert.deepEqual(['unix:/a', 'inet:b:1', 'c', '[::1]:2'].map((text) => pgHost(text)), ['/a', 'b', 'c', '::1'])
  assert.deepEqual(['postgres://x', 'postgresql://x', 'postgresql.example', 'inet:x'].map((text) => isPgUri(text)), [true, true, false, false])
})
