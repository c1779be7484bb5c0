/** tcp and socketmap tables against servers on the loopback: see src/tables/remote. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { openTable } from '#tables/open.ts'
import { captureLog } from '#test/support/log.ts'
import { lookups, tableFolder, tableOptions } from '#test/support/tables.ts'

/** A server that gives each chunk to `answer` and closes the connection after `undefined`. */
async function serve(answer: (request: string) => string | undefined, path?: string): Promise<{ server: Server; port: number; readonly connections: () => number }> {
  let count = 0
  const server = createServer((socket) => {
    count++
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      const reply = answer(chunk.toString())
      if (reply === undefined) socket.destroy()
      else socket.write(reply)
    })
  })
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path })
  server.unref()
  await once(server, 'listening')
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? (address satisfies AddressInfo).port : 0, connections: () => count }
}

test('tcp: found, not found, try later, nonsense [tcp_table(5)]', async () => {
  const replies: Readonly<Record<string, string>> = {
    'get k%20%25%0a\n': '200 a%20b%25\n', 'get absent\n': '500 no%20such\n', 'get later\n': '400 busy\n',
    'get junk\n': 'what?\n', 'get badhex\n': '200 %zz\n', 'get long\n': 'x'.repeat(5000),
  }
  const { server, port, connections } = await serve((request) => replies[request])
  using log = captureLog()
  const spec = `tcp:127.0.0.1:${port}`
  assert.deepEqual(await lookups(spec, ['k %\n', 'absent', 'later', 'junk', 'badhex', 'long']), ['a b%', undefined, Error, Error, Error, Error])
  assert.equal(connections(), 1)
  assert.equal(log.texts()[0], `warning: ${spec}: busy`)
  server.close()
})

test('tcp: requests at once are answered in order; a connection that the server closed is made anew', async () => {
  let served = 0
  const { server, port, connections } = await serve((request) => (++served === 3 ? undefined : `200 ${request.slice(4)}`))
  const table = openTable(`tcp:127.0.0.1:${port}`, tableOptions())
  const results = await Promise.all(['a', 'b', 'c', 'd'].map(async (key) => table.lookup(key)))
  assert.deepEqual(results.map((result) => result.kind === 'found' && result.value), ['a', 'b', 'c', 'd'])
  assert.equal(connections(), 2)
  table.close()
  server.close()
})

test('tcp: no server is an error', async () => {
  const { server, port } = await serve(() => '')
  server.close()
  await once(server, 'close')
  using log = captureLog()
  assert.deepEqual(await lookups(`tcp:127.0.0.1:${port}`, ['k']), [Error])
  assert.deepEqual(log.texts(), [`warning: tcp:127.0.0.1:${port}: Connection refused`])
})

test('socketmap: netstrings over inet and unix sockets [socketmap_table(5)]', async () => {
  const replies: Readonly<Record<string, string>> = {
    '5:map a,': '10:OK value a,', '5:map b,': '9:NOTFOUND ,', '5:map c,': '9:TEMP busy,', '5:map d,': '8:PERM bad,', '5:map e,': '7:TIMEOUT,',
    '5:map f,': '4:what,', '5:map g,': 'x', '5:map h,': '99999999:',
  }
  const answer = (request: string): string | undefined => replies[request]
  const expected = ['value a', undefined, Error, Error, Error, Error, Error, Error]
  const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  using log = captureLog()
  const inet = await serve(answer)
  assert.deepEqual(await lookups(`socketmap:inet:127.0.0.1:${inet.port}:map`, keys), expected)
  using folder = tableFolder()
  const path = join(folder.path, 'socket')
  const unix = await serve(answer, path)
  assert.deepEqual(await lookups(`socketmap:unix:${path}:map`, keys), expected)
  assert.ok(log.texts().includes(`warning: socketmap:unix:${path}:map socketmap server temporary error: busy`))
  inet.server.close()
  unix.server.close()
})
