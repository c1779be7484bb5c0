/** redis tables against Redis: one server by all kinds of URLs, with TLS, a cluster, and a master that a sentinel knows. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeFileSync, chownSync } from 'node:fs'
import { join } from 'node:path'
import { openTable } from '#tables/open.ts'
import { captureLog } from '#test/support/log.ts'
import { daemonFolder, systemUser } from '#test/support/daemon.ts'
import { redisAbsent, startRedis, startRedisCluster, type RedisServer } from '#test/support/redis.ts'
import { lookups, tableFolder, tableOptions } from '#test/support/tables.ts'
import { selfSignedCertificate } from '#network/certificate.ts'
import { freePorts } from '#test/support/ports.ts'

const absent = redisAbsent()

function askUrl(url: string): Promise<unknown[]> {
  return lookups(`redis:${url}`, ['alice@example.com', 'nobody'])
}

async function fill(command: RedisServer['command']): Promise<void> {
  await command('set', 'alice@example.com', 'alice@box.example')
  await command('set', 'mail:bob', 'bob@box.example')
  await command('set', 'with blank', 'b lank')
  await command('set', 'empty', '')
  await command('hset', 'virtual', 'alice', 'a@x', 'q"uo\\te', 'quoted')
  await command('hset', 'virtual:example.com', 'alice', 'by domain')
  await command('sadd', 'domains', 'example.com', 'example.org')
}

test('redis: GET, HGET and SISMEMBER with parts of the key, prefix, result_format and domain', async (t) => {
  if (absent !== undefined) return t.skip(absent)
  await using server = await startRedis()
  await fill(server.command)
  using folder = tableFolder()
  using log = captureLog()
  const ask = (settings: string, ...keys: readonly string[]): Promise<unknown[]> =>
    lookups(`redis:${folder.write('t.cf', `url = redis://127.0.0.1:${server.port}\n${settings}`)}`, keys)
  assert.deepEqual(await ask('', 'alice@example.com', 'ALICE@example.com', 'nobody', 'with blank', 'empty', 'virtual'),
    ['alice@box.example', 'alice@box.example', undefined, 'b lank', undefined, Error])
  assert.match(log.texts().join('\n'), /warning: redis:\S+t\.cf: WRONGTYPE/)
  assert.deepEqual(await ask('query = GET mail:%u\n', 'bob', 'bob@any.example', '@any.example'), ['bob@box.example', 'bob@box.example', undefined])
  assert.deepEqual(await ask('query = GET %s\nprefix = mail:\n', 'bob', 'alice@example.com'), ['bob@box.example', undefined])
  assert.deepEqual(await ask('query = HGET virtual %s\n', 'alice', 'q"uo\\te', 'x\r\nSET a b', 'alice b'), ['a@x', 'quoted', undefined, undefined])
  assert.deepEqual(await ask('query = hget virtual:%d %u\n', 'alice@example.com', 'alice', 'alice@example.org'), ['by domain', undefined, undefined])
  assert.deepEqual(await ask('query = SISMEMBER domains %s\n', 'example.com', 'example.net'), ['example.com', undefined])
  assert.deepEqual(await ask('query = SISMEMBER domains %d\nresult_format = relay:[%s]:%U\n', 'a@example.com', 'b@example.net'), ['relay:[example.com]:a', undefined])
  assert.deepEqual(await ask('domain = example.com\n', 'alice@example.com', 'mail:bob'), ['alice@box.example', undefined])
  assert.deepEqual(await ask('dbname = 1\n', 'alice@example.com'), [undefined])
  assert.equal(await server.command('exists', 'a'), '0')
  return undefined
})

test('redis: URLs of a server, a socket, a database, with a user and a password', async (t) => {
  if (absent !== undefined) return t.skip(absent)
  await using server = await startRedis(['user default off', 'user mail on >se%cret ~* +get +hget +sismember +hello +select +client +info +ping', 'user root on nopass ~* +@all'])
  await fill((...words) => server.command('--user', 'root', '--pass', 'x', ...words))
  using log = captureLog()
  const known = ['alice@box.example', undefined]
  assert.deepEqual(await askUrl(`redis://mail:se%25cret@127.0.0.1:${server.port}`), known)
  assert.deepEqual(await askUrl(`redis://mail:se%25cret@127.0.0.1:${server.port}/0?GET+%s`), known)
  assert.deepEqual(await askUrl(`redis://mail:se%25cret@127.0.0.1:${server.port}/1`), [undefined, undefined])
  assert.deepEqual(await askUrl(`redis://mail:wrong@127.0.0.1:${server.port}`), [Error, Error])
  assert.deepEqual(await askUrl(`redis://127.0.0.1:${server.port}`), [Error, Error])
  assert.ok(!log.texts().some((text) => text.includes('wrong@')))
  using folder = tableFolder()
  const file = folder.write('t.cf', `url = unix:${server.socket}\nuser = mail\npassword = se%cret\n`)
  assert.deepEqual(await lookups(`redis:${file}`, ['alice@example.com', 'nobody']), known)
  const main = tableOptions({ vip_url: `redis://127.0.0.1:${server.port}`, vip_user: 'mail', vip_password: 'se%cret', vip_query: 'HGET virtual %u' })
  assert.deepEqual(await lookups('redis:vip', ['alice@example.com', 'nobody'], main), ['a@x', undefined])
  return undefined
})

test('redis: TLS, with a certificate that has to be known', async (t) => {
  if (absent !== undefined) return t.skip(absent)
  const user = systemUser('redis')
  using certificates = daemonFolder(user)
  const { certificate, key } = await selfSignedCertificate(['localhost'])
  const [certFile, keyFile] = ['cert.pem', 'key.pem'].map((name) => join(certificates.path, name))
  writeFileSync(certFile ?? '', certificate)
  writeFileSync(keyFile ?? '', key, { mode: 0o600 })
  if (user !== undefined) chownSync(keyFile ?? '', user.uid, user.gid)
  const [port] = await freePorts(1)
  await using server = await startRedis([`tls-port ${port}`, `tls-cert-file ${certFile}`, `tls-key-file ${keyFile}`, `tls-ca-cert-file ${certFile}`, 'tls-auth-clients no'])
  await fill(server.command)
  using folder = tableFolder()
  using log = captureLog()
  const ask = (settings: string): Promise<unknown[]> =>
    lookups(`redis:${folder.write('t.cf', `url = rediss://localhost:${port}\n${settings}`)}`, ['alice@example.com', 'nobody'])
  assert.deepEqual(await ask(`tls_CAfile = ${certFile}\n`), ['alice@box.example', undefined])
  assert.deepEqual(await ask('tls_verify_cert = no\n'), ['alice@box.example', undefined])
  assert.deepEqual(await ask(''), [Error, Error])
  assert.match(log.texts().join('\n'), /self.signed certificate/)
  return undefined
})

test('redis: a cluster of three nodes; a key of one that is away is an error, not absent', async (t) => {
  if (absent !== undefined) return t.skip(absent)
  await using cluster = await startRedisCluster()
  const keys = Array.from({ length: 60 }, (_, i) => `user${i}`)
  for (const key of keys) await cluster.command('set', key, `v-${key}`)
  using folder = tableFolder()
  using log = captureLog()
  const url = `redis+cluster://${cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
  const table = openTable(`redis:${folder.write('t.cf', `url = ${url}\ntimeout = 2\n`)}`, tableOptions())
  for (const key of keys) assert.deepEqual(await table.lookup(key), { kind: 'found', value: `v-${key}` })
  assert.deepEqual(await table.lookup('nobody'), { kind: 'absent' })
  await cluster.nodes[1]?.stop()
  const kinds = new Set<string>()
  for (const key of keys.slice(0, 12)) kinds.add((await table.lookup(key)).kind)
  assert.ok(kinds.has('error') && !kinds.has('absent'))
  assert.ok(log.texts().some((text) => text.startsWith('warning: redis:') && text.includes('t.cf')))
  table.close()
  return undefined
})

test('redis: a master that a sentinel knows', async (t) => {
  if (absent !== undefined) return t.skip(absent)
  await using server = await startRedis()
  await fill(server.command)
  await using sentinel = await startRedis([`sentinel monitor mails 127.0.0.1 ${server.port} 1`], { sentinel: true })
  using folder = tableFolder()
  using log = captureLog()
  const ask = (url: string): Promise<unknown[]> => lookups(`redis:${folder.write('t.cf', `url = ${url}\ntimeout = 2\n`)}`, ['alice@example.com', 'nobody'])
  assert.deepEqual(await ask(`redis+sentinel://127.0.0.1:1,127.0.0.1:${sentinel.port}/mails/0`), ['alice@box.example', undefined])
  assert.deepEqual(await ask(`redis+sentinel://127.0.0.1:${sentinel.port}/others`), [Error, Error])
  assert.deepEqual(await ask('redis+sentinel://127.0.0.1:1/mails'), [Error, Error])
  assert.ok(log.texts().length >= 4)
  return undefined
})

test('redis: many lookups at a time; a server that stops is an error with the name of the table, and is found again', async (t) => {
  if (absent !== undefined) return t.skip(absent)
  await using server = await startRedis()
  await fill(server.command)
  using folder = tableFolder()
  using log = captureLog()
  const file = folder.write('t.cf', `url = redis://127.0.0.1:${server.port}\n`)
  const table = openTable(`redis:${file}`, tableOptions())
  const ask = async (): Promise<unknown> => table.lookup('mail:bob')
  const bob = { kind: 'found', value: 'bob@box.example' }
  assert.deepEqual(await Promise.all(Array.from({ length: 200 }, ask)), Array.from({ length: 200 }, () => bob))
  const atWork = Array.from({ length: 50 }, ask)
  await server.stop()
  for (const answer of await Promise.all(atWork)) assert.match(JSON.stringify(answer), /"found"|"error"/)
  assert.match(JSON.stringify(await ask()), /"error"/)
  assert.ok(log.texts().some((text) => text.includes(`redis:${file}`) && text.includes('Connection refused')))
  await server.start()
  await fill(server.command)
  let answer = await ask()
  for (const until = performance.now() + 5000; !JSON.stringify(answer).includes('found') && performance.now() < until; answer = await ask()) await new Promise(setImmediate)
  assert.deepEqual(answer, bob)
  table.close()
  return undefined
})
