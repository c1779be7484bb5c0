/** ldap, memcache and redis tables and servers that are slow, dead or talk nonsense: each lookup ends, with an error. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { test } from 'node:test'
import { openTable } from '#tables/open.ts'
import type { Lookup } from '#tables/table.ts'
import { captureLog } from '#test/support/log.ts'
import { tcpPort } from '#test/support/ports.ts'
import { tableFolder, tableOptions } from '#test/support/tables.ts'

/** A server that answers each chunk; nothing at all for `undefined`, and `hang up` ends the connection. */
async function serve(answer: (request: Buffer) => string | Uint8Array | undefined): Promise<AsyncDisposable & { readonly port: number; readonly asked: () => number }> {
  let asked = 0
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      asked++
      const reply = answer(chunk)
      if (reply === 'hang up') socket.destroy()
      else if (reply !== undefined) socket.write(reply)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: tcpPort(server),
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      server.close()
      await Promise.resolve()
    },
  }
}

const FILES: Readonly<Record<string, (port: number) => string>> = {
  ldap: (port) => `server_host = 127.0.0.1:${port}\nsearch_base = dc=x\ntimeout = 1\nversion = 3\n`,
  memcache: (port) => `memcache = inet:127.0.0.1:${port}\ntimeout = 1\nmax_try = 1\n`,
  redis: (port) => `url = redis://127.0.0.1:${port}\ntimeout = 1\n`,
}

async function lookup(type: string, port: number, more = ''): Promise<{ answer: Lookup; log: string; file: string }> {
  using folder = tableFolder()
  using log = captureLog()
  const file = folder.write('t.cf', (FILES[type]?.(port) ?? '') + more)
  const table = openTable(`${type}:${file}`, tableOptions())
  const answer = await table.lookup('key')
  table.close()
  return { answer, log: log.texts().join('\n'), file }
}

const NONSENSE = ['\r\n', 'HTTP/1.0 400 Bad request\r\n\r\n', '\0'.repeat(100), 'x'.repeat(70_000), '0\x84\xff\xff\xff\xff', '0\x0b\x02\x01\x01d\x06\x04\x000\x02\x04\x84']

for (const type of Object.keys(FILES)) {
  test(`${type}: a server that takes connections and says nothing is an error after the time limit, also for many at a time`, async () => {
    await using server = await serve(() => undefined)
    const { answer, log, file } = await lookup(type, server.port)
    assert.equal(answer.kind, 'error')
    assert.ok(log.includes(file), log)
    const all = await Promise.all(Array.from({ length: 20 }, () => lookup(type, server.port)))
    assert.ok(all.every((one) => one.answer.kind === 'error'))
  })

  test(`${type}: a server that hangs up is an error`, async () => {
    await using server = await serve(() => 'hang up')
    const { answer, log, file } = await lookup(type, server.port)
    assert.equal(answer.kind, 'error')
    assert.ok(log.includes(file), log)
  })

  test(`${type}: replies that are nonsense are an error`, async () => {
    for (const text of NONSENSE) {
      await using server = await serve(() => Buffer.from(text, 'latin1'))
      const { answer, log, file } = await lookup(type, server.port)
      assert.equal(answer.kind, 'error', JSON.stringify(text.slice(0, 30)))
      assert.ok(log.includes(file), log)
    }
  })
}

test('ldap: data before the TLS handshake is not taken for the server\'s', async () => {
  const started = Buffer.from('300c02010178070a010004000400', 'hex')
  const bound = Buffer.from('300c02010261070a010004000400', 'hex')
  await using server = await serve(() => Buffer.concat([started, bound]))
  const { answer, log } = await lookup('ldap', server.port, 'start_tls = yes\n')
  assert.equal(answer.kind, 'error')
  assert.match(log, /reply to no request/)
  assert.equal(server.asked(), 1)
})

test('ldap: half a message before the TLS handshake neither', async () => {
  await using server = await serve(() => Buffer.from('300c02010178070a010004000400300c0201', 'hex'))
  assert.match((await lookup('ldap', server.port, 'start_tls = yes\n')).log, /data before the TLS handshake/)
})

test('memcache: the value of another key is no answer', async () => {
  await using server = await serve(() => 'VALUE other 0 1\r\nx\r\nEND\r\n')
  assert.equal((await lookup('memcache', server.port)).answer.kind, 'error')
  await using right = await serve(() => 'VALUE key 0 1\r\nx\r\nEND\r\n')
  assert.deepEqual((await lookup('memcache', right.port)).answer, { kind: 'found', value: 'x' })
})

test('memcache: a request is repeated max_try times', async () => {
  await using server = await serve(() => 'SERVER_ERROR out of memory\r\n')
  const { answer, log } = await lookup('memcache', server.port, 'max_try = 3\n')
  assert.equal(answer.kind, 'error')
  assert.match(log, /unexpected memcache server reply: SERVER_ERROR out of memory/)
  assert.equal(server.asked(), 3)
})

test('memcache: replies in pieces, and many in one', async () => {
  let count = 0
  await using server = await serve((request) => request.toString().split('\r\n').slice(0, -1).map((line) => {
    const key = line.split(' ')[1] ?? ''
    return count++ % 2 === 0 ? 'END\r\n' : `VALUE ${key} 0 5\r\nv\r\nal\r\nEND\r\n`
  }).join(''))
  using folder = tableFolder()
  const table = openTable(`memcache:${folder.write('t.cf', FILES['memcache']?.(server.port) ?? '')}`, tableOptions())
  const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => table.lookup(`k${i}`)))
  assert.equal(answers.filter(({ kind }) => kind === 'absent').length, 20)
  assert.deepEqual(answers.filter(({ kind }) => kind === 'found')[0], { kind: 'found', value: 'v\r\nal' })
  table.close()
})

test('mongodb: refused, with the reason', async () => {
  using log = captureLog()
  const table = openTable('mongodb:/etc/x.cf', tableOptions())
  assert.equal((await table.lookup('k')).kind, 'error')
  assert.match(log.texts()[0] ?? '', /unsupported dictionary type: mongodb \(Posthorn has no driver/)
  table.close()
})

test('memcache, tcp and socketmap: not for tables that name commands, files or users [memcache_table(5), BUGS]', async () => {
  using folder = tableFolder()
  const file = folder.write('t.cf', '')
  for (const spec of [`memcache:${file}`, 'tcp:127.0.0.1:1', 'socketmap:inet:127.0.0.1:1:x', `unionmap:{inline:{a=b},memcache:${file}}`]) {
    using log = captureLog()
    const table = openTable(spec, tableOptions({}, { sensitive: true }))
    assert.equal((await table.lookup('k')).kind, 'error', spec)
    assert.match(log.texts().join('\n'), /map is not allowed for security-sensitive data/, spec)
    table.close()
  }
})
