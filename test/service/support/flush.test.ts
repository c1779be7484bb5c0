/** The flush service at work: see src/support/flush. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test, type TestContext } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openSpool } from '#queue/spool.ts'
import { askFlushService, FLUSH_STATUS, FlushClient } from '#service/flush-client.ts'
import { FlushService } from '#support/flush/service.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool, type TestSpool } from '#test/support/spool.ts'
import { startWorker, type TestWorker } from '#test/support/worker.ts'

function flush(spool: TestSpool): Promise<TestWorker> {
  const config = configFrom({ queue_directory: spool.path, fast_flush_domains: 'example.com' })
  const service = new FlushService(openSpool(config), config)
  return startWorker(() => ({ connection: (socket) => service.serve(socket) }), { type: 'unix', config })
}

/** Takes triggers in the place of qmgr. */
async function queueManager(t: TestContext, spool: TestSpool): Promise<string[]> {
  const triggers: string[] = []
  const server = createServer((socket) => {
    socket.on('data', (chunk: Buffer) => {
      triggers.push(chunk.toString('latin1'))
      socket.end()
    })
  })
  server.listen(`${spool.path}/public/qmgr`)
  await once(server, 'listening')
  t.after(() => server.close())
  return triggers
}

test('flush keeps lists for its domains, and serves them', async (t) => {
  using spool = createSpool()
  const triggers = await queueManager(t, spool)
  await using worker = await flush(spool)
  spool.put('deferred', 'AAAAA1', 'x')
  assert.equal(await askFlushService(worker.path, { kind: 'add', site: 'mail.example.com', id: 'AAAAA1' }), FLUSH_STATUS.ok)
  assert.equal(await askFlushService(worker.path, { kind: 'add', site: 'example.net', id: 'AAAAA1' }), FLUSH_STATUS.deny)
  assert.equal(await askFlushService(worker.path, { kind: 'add', site: 'example.com', id: '../x' }), FLUSH_STATUS.bad)
  assert.equal(await askFlushService(worker.path, { kind: 'send_site', site: 'example.net' }), FLUSH_STATUS.deny)
  assert.deepEqual(triggers, [])
  assert.equal(await askFlushService(worker.path, { kind: 'send_site', site: 'mail.example.com' }), FLUSH_STATUS.ok)
  assert.deepEqual(triggers, ['F\0', 'I\0'])
  assert.deepEqual(spool.names('incoming'), ['AAAAA1'])
})

test('flush serves one message; an unknown one is no error', async (t) => {
  using spool = createSpool()
  const triggers = await queueManager(t, spool)
  await using worker = await flush(spool)
  spool.put('deferred', 'AAAAA1', 'x')
  for (const id of ['GONE1', 'AAAAA1']) assert.equal(await askFlushService(worker.path, { kind: 'send_file', id }), FLUSH_STATUS.ok)
  assert.equal(await askFlushService(worker.path, { kind: 'send_file', id: 'a.b' }), FLUSH_STATUS.bad)
  assert.deepEqual(triggers, ['I\0'])
})

test('flush takes the wakeup of master for a refresh, and purges on request', async (t) => {
  using spool = createSpool()
  const triggers = await queueManager(t, spool)
  await using worker = await flush(spool)
  spool.put('deferred', 'AAAAA1', 'x')
  assert.equal(await askFlushService(worker.path, { kind: 'add', site: 'example.com', id: 'AAAAA1' }), FLUSH_STATUS.ok)
  const client = await worker.client()
  client.end('W\0')
  client.resume()
  await once(client, 'close')
  assert.deepEqual(triggers, [])
  assert.equal(await askFlushService(worker.path, { kind: 'rfrsh' }), FLUSH_STATUS.ok)
  assert.deepEqual(triggers, [])
})

test('FlushClient does not ask for domains without a list, and says when nobody answers', async () => {
  using log = captureLog()
  using spool = createSpool()
  const client = new FlushClient(configFrom({ queue_directory: spool.path, fast_flush_domains: 'example.com' }))
  assert.equal(await client.sendSite('example.net'), FLUSH_STATUS.deny)
  assert.deepEqual(log.texts(), [])
  assert.equal(await client.add('example.com', 'AAAAA1'), FLUSH_STATUS.fail)
  assert.equal(await client.sendFile('AAAAA1'), FLUSH_STATUS.fail)
  assert.deepEqual(log.texts(), Array.from({ length: 2 }, () => `warning: connect to ${spool.path}/public/flush: No such file or directory`))
})
