/**
 * What src/receive/smtpd takes for granted about smtp-server: methods that it overrides or calls although the package
 * does not promise them. A new version of the package that fails here needs a look at connection.ts.
 */
/* eslint-disable no-underscore-dangle -- the names of the package */
import assert from 'node:assert/strict'
import { createServer, connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { SMTPServer } from 'smtp-server'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { tcpPort } from '#test/support/ports.ts'

const CONNECTION_METHODS = [
  'init',
  'close',
  'send',
  'upgrade',
  '_createParser',
  '_setListeners',
  '_armTimeout',
  '_onTimeout',
  '_onError',
  '_onClose',
] as const

/** A connection that only writes down what happens to it. */
class Recorder extends SMTPConnection {
  // The package's constructor calls _createParser(): no field of a subclass is there yet.
  declare events: string[] | undefined

  note(event: string): void {
    this.events = [...this.events ?? [], event]
  }

  override init(): void {
    this._setListeners(() => this.note('listening'))
  }

  override _createParser(): SMTPStream {
    this.note('parser')
    return new SMTPStream()
  }

  override _armTimeout(socket?: Socket): void {
    this.note(socket instanceof TLSSocket ? 'timeout of handshake' : 'timeout')
  }

  override _onError(error: Error): void {
    this.note(`error ${error.message === '' ? '' : 'with text'}`)
  }
}

async function pair(server: SMTPServer): Promise<{ connection: Recorder; client: Socket; listener: ReturnType<typeof createServer> }> {
  const listener = createServer()
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const client = connect(tcpPort(listener), '127.0.0.1')
  const [socket]: Socket[] = await once(listener, 'connection')
  if (socket === undefined) throw new Error('no socket')
  const connection = new Recorder(server, socket, { id: '1' })
  connection.init()
  return { connection, client, listener }
}

test('smtp-server has the methods that are overridden or called', () => {
  for (const name of CONNECTION_METHODS) assert.equal(typeof SMTPConnection.prototype[name], 'function', name)
  assert.equal(typeof SMTPStream.prototype._write, 'function')
  assert.equal(typeof SMTPStream.prototype._flushData, 'function')
  assert.equal(typeof SMTPServer.prototype._resolveSNI, 'function')
})

test('SMTPServer keeps connections in a set and contexts by name, and is silent', () => {
  const server = new SMTPServer({ logger: false, secured: true })
  assert.ok(server.connections instanceof Set)
  assert.ok(server.secureContext.has('*'))
  assert.equal(server.listenerCount('error'), 0)
})

test('SMTPConnection makes its parser in the constructor, pipes into it, and arms the timeout', async () => {
  const { connection, client, listener } = await pair(new SMTPServer({ logger: false, secured: true }))
  assert.deepEqual(connection.events, ['parser', 'timeout', 'listening'])
  assert.equal(connection._closing, false)
  assert.equal(connection._upgrading, false)
  connection.close()
  assert.equal(connection._closing, true)
  client.destroy()
  listener.close()
})

test('SMTPConnection.upgrade() retires the parser, arms the handshake, takes all listeners off the socket, and calls back when secure', async () => {
  const { connection, client, listener } = await pair(new SMTPServer({ logger: false, secured: true }))
  const raw = connection._socket
  const parser = connection._parser
  let outer = 0
  const onClose = (): number => outer++
  raw.on('close', onClose)
  const secured = new Promise<void>((resolve) => connection.upgrade(() => undefined, resolve))
  assert.equal(connection._upgrading, true)
  assert.notEqual(connection._parser, parser)
  assert.equal(parser !== false && parser.isClosed, true)
  assert.ok(!raw.listeners('close').includes(onClose), 'listeners of others are gone: connection.ts puts them back')
  const tls = connectTls({ socket: client, rejectUnauthorized: false })
  await secured
  assert.equal(connection._upgrading, false)
  assert.ok(connection._socket instanceof TLSSocket)
  assert.deepEqual(connection.events?.slice(-2), ['parser', 'timeout of handshake'])
  connection._socket.destroy()
  await once(tls, 'close')
  assert.equal(outer, 0)
  listener.close()
})

test('SMTPConnection.upgrade() reports a failed handshake to _onError()', async () => {
  const { connection, client, listener } = await pair(new SMTPServer({ logger: false, secured: true }))
  connection.upgrade(() => undefined, () => assert.fail('there is no handshake'))
  client.resume()
  client.write('nonsense\r\n')
  await once(client, 'close')
  assert.ok(connection.events?.includes('error with text'))
  listener.close()
})
