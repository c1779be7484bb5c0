/** Database servers that say nothing, nonsense, or goodbye: every connection ends in time, with a reason. */
import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { connectMysql } from '#network/database/mysql.ts'
import { connectPgsql } from '#network/database/pgsql.ts'
import { pgTarget } from '#network/database/pgsql-target.ts'
import { tcpPort } from '#test/support/ports.ts'

const TIMEOUTS = { connectMs: 300, queryMs: 300 }
const LOGIN = { user: 'u', password: 'p', database: 'd', environment: {} }

/** What a server does with a client. */
const BEHAVIOURS: Readonly<Record<string, (socket: Socket) => void>> = {
  'says nothing': () => undefined,
  'hangs up': (socket) => socket.destroy(),
  'hangs up after the first byte': (socket) => socket.once('data', () => socket.destroy()),
  'sends nonsense': (socket) => socket.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(20))),
  'sends zeros': (socket) => socket.write(Buffer.alloc(1000)),
  'sends the head of a huge packet': (socket) => socket.write(Buffer.from([0xff, 0xff, 0xff, 0, 10, 0x52, 0x7f, 0xff, 0xff, 0xff])),
}

for (const [behaviour, behave] of Object.entries(BEHAVIOURS)) {
  test(`a database server that ${behaviour} is an error in time`, async (t) => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined))
      behave(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const port = tcpPort(server)
    await assert.rejects(connectPgsql(pgTarget(`127.0.0.1:${port}`, LOGIN), TIMEOUTS), Error)
    await assert.rejects(connectPgsql(pgTarget(`postgres://u@127.0.0.1:${port}/d?sslmode=disable`, LOGIN), TIMEOUTS), Error)
    await assert.rejects(connectMysql({ place: { host: '127.0.0.1', port }, user: 'u', password: 'p', database: 'd' }, TIMEOUTS), Error)
  })
}
