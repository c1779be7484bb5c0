/** Serving clients in-process: see src/service/serve.ts and test/support/worker.ts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { connectDatagram, sendDatagram, socketpair } from '#system/sockets.ts'
import { attribute } from '#service/attributes.ts'
import { passClient } from '#service/pass.ts'
import { openClient, serveConversation, ConversationError } from '#service/conversation.ts'
import { openIntake } from '#service/intake.ts'
import { sendTrigger } from '#service/trigger.ts'
import { hasShape } from '#service/shape.ts'
import { deferred } from '#util/deferred.ts'
import { captureLog } from '#test/support/log.ts'
import { startWorker } from '#test/support/worker.ts'

type Ask = { readonly add: readonly [number, number] }
type Sum = { readonly sum: number }
const isAsk = (message: unknown): message is Ask => hasShape(message, { add: ['number'] })
const isSum = (message: unknown): message is Sum => hasShape(message, { sum: 'number' })

/** Recognizes the error of a request without a reply. */
function problem(name: string): (error: unknown) => boolean {
  return (error) => error instanceof ConversationError && error.problem === name
}

test('Serving lets clients beyond the limit wait in the backlog and serves them in turn', async () => {
  const greeted: number[] = []
  await using service = await startWorker(() => ({ connection: (socket) => void socket.write('hello') }), { clientLimit: 2 })
  const clients = await Promise.all(Array.from({ length: 5 }, () => service.client()))
  const waits = clients.map(async (client, i) => {
    await once(client, 'data')
    greeted.push(i)
    client.destroy()
  })
  await Promise.all(waits)
  assert.equal(greeted.length, 5)
  assert.ok(service.worker.slots.used <= 2)
})

test('Serving.finished() waits for the clients at work, and takes no new one', async () => {
  const service = await startWorker(() => ({ connection: (socket) => void socket.write('hello') }))
  const client = await service.client()
  await once(client, 'data')
  let done = false
  const stopped = service.stop().then(() => (done = true))
  await new Promise(setImmediate)
  assert.equal(done, false)
  client.destroy()
  await stopped
  assert.equal(service.worker.stop.aborted, true)
})

test('a handler that throws ends its client only', async () => {
  using caught = captureLog()
  await using service = await startWorker(() => ({
    connection: (socket) => {
      if (service.worker.slots.used > 1) throw new Error('no good')
      socket.write('hello')
    },
  }))
  const first = await service.client()
  await once(first, 'data')
  const second = await service.client()
  second.resume()
  await once(second, 'close')
  assert.match(caught.texts().join('\n'), /^error: cannot serve a client: Error: no good/)
  assert.equal(first.closed, false)
  first.destroy()
})

test('sendTrigger() gives the bytes without the closing NUL, and ends when the service has read them', async () => {
  const seen: string[] = []
  await using service = await startWorker(() => ({ trigger: (bytes) => void seen.push(Buffer.from(bytes).toString()) }), { type: 'unix' })
  await sendTrigger(service.path, 'FADI')
  assert.deepEqual(seen, ['FADI'])
})

test('a trigger socket also takes frames', async () => {
  const got = deferred<unknown>()
  await using service = await startWorker(() => ({ trigger: () => got.reject(new Error('trigger')), frame: got.resolve }), { type: 'unix' })
  const intake = openIntake(service.path)
  intake.notify(['A'])
  intake.notify(['B', 'C'])
  assert.deepEqual(await got.promise, { kind: 'intake', ids: ['A', 'B', 'C'] })
  intake.close()
})

test('serveConversation() answers many requests of one connection, each when it is ready', async () => {
  const slow = deferred<void>()
  await using service = await startWorker(() => ({
    connection: (socket) => serveConversation<Ask, Sum>(socket, isAsk, async ({ add: [a, b] }) => {
      if (a === 1) await slow.promise
      return { sum: a + b }
    }),
  }), { type: 'unix' })
  const client = openClient<Ask, Sum>(service.path, isSum)
  const first = client.request({ add: [1, 1] })
  assert.deepEqual(await client.request({ add: [2, 3] }), { sum: 5 })
  slow.resolve()
  assert.deepEqual(await first, { sum: 2 })
  client.close()
})

test('serveConversation() does not carry out what still waits for a place when the client goes', async () => {
  const seen: number[] = []
  const slow = deferred<void>()
  const gone = deferred<void>()
  await using service = await startWorker((worker) => ({
    connection: (socket) => {
      socket.on('close', () => gone.resolve())
      serveConversation<Ask, Sum>(socket, isAsk, async ({ add: [a] }) => {
        seen.push(a)
        if (a === 1) await slow.promise
        return { sum: a }
      }, { slots: worker.slots })
    },
    counted: false,
  }), { type: 'unix', clientLimit: 1 })
  const client = openClient<Ask, Sum>(service.path, isSum)
  const requests = [1, 2].map(async (number) => client.request({ add: [number, 0] }))
  const lost = Promise.all(requests.map(async (request) => assert.rejects(request, problem('lost'))))
  while (service.worker.slots.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  client.close()
  await Promise.all([lost, gone.promise])
  slow.resolve()
  await service.worker.slots.empty()
  assert.deepEqual(seen, [1])
})

test('openClient() leaves a connection whose requests wait for places: another process may have some', async () => {
  let connections = 0
  const slow = deferred<void>()
  await using service = await startWorker((worker) => ({
    connection: (socket) => {
      connections += 1
      serveConversation<Ask, Sum>(socket, isAsk, async ({ add: [a] }) => {
        if (a === 1) await slow.promise
        return { sum: a }
      }, { slots: worker.slots })
    },
    counted: false,
  }), { type: 'unix', clientLimit: 1 })
  const client = openClient<Ask, Sum>(service.path, isSum)
  const crowd = [1, 2].map(async (number) => client.request({ add: [number, 0] }))
  while (service.worker.slots.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  slow.resolve()
  assert.deepEqual(await Promise.all(crowd), [{ sum: 1 }, { sum: 2 }])
  for (const number of [3, 4]) {
    await service.worker.slots.empty()
    assert.deepEqual(await client.request({ add: [number, 0] }), { sum: number })
  }
  assert.equal(connections, 2)
  client.close()
})

test('openClient() tells an absent service from a lost connection and a failed request', async () => {
  const service = await startWorker((worker) => ({
    connection: (socket) => serveConversation<Ask, Sum>(socket, isAsk, ({ add: [a] }) => {
      if (a === 0) throw new Error('no zero')
      socket.destroy()
      return { sum: 0 }
    }, { slots: worker.slots }),
    counted: false,
  }), { type: 'unix' })
  const client = openClient<Ask, Sum>(service.path, isSum)
  await assert.rejects(client.request({ add: [0, 0] }), problem('failed'))
  await assert.rejects(client.request({ add: [1, 0] }), problem('lost'))
  await service.stop()
  await assert.rejects(client.request({ add: [0, 0] }), problem('absent'))
})

test('a peer that sends no frames is cut off', async () => {
  await using service = await startWorker(() => ({
    connection: (socket) => serveConversation<Ask, Sum>(socket, isAsk, () => ({ sum: 0 })),
  }), { type: 'unix' })
  const client = await service.client()
  client.write('EHLO there, this is no frame\r\n')
  client.resume()
  await once(client, 'close')
})

test('a unix-dgram service gets each datagram whole', async () => {
  const seen: string[] = []
  const got = deferred<void>()
  await using service = await startWorker(() => ({
    datagram: (bytes) => {
      seen.push(Buffer.from(bytes).toString())
      if (seen.length === 3) got.resolve()
    },
  }), { type: 'unix-dgram' })
  const fd = connectDatagram(service.path, 1000)
  for (const text of ['one', 'two', 'three']) sendDatagram(fd, Buffer.from(text))
  const alive = setInterval(() => undefined, 1000)
  await got.promise
  clearInterval(alive)
  assert.deepEqual(seen, ['one', 'two', 'three'])
})

test('a pass service gets the clients that another program passes on, with what it says about them', async () => {
  await using service = await startWorker(() => ({
    connection: (socket, info) => void socket.end(`hello ${attribute(info.attributes ?? [], 'client_address')}`),
  }), { type: 'pass', clientLimit: 1 })
  const alive = setInterval(() => undefined, 1000)
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) {
    const [ours, theirs] = socketpair()
    passClient(service.path, theirs, [['client_address', address]])
    closeSync(theirs)
    const client = new Socket({ fd: ours, readable: true, writable: true })
    assert.equal(String((await once(client, 'data'))[0]), `hello ${address}`)
    client.destroy()
  }
  clearInterval(alive)
})

test('a pass service refuses a connection that brings no client', async () => {
  using caught = captureLog()
  await using service = await startWorker(() => ({ connection: () => undefined }), { type: 'pass' })
  const alive = setInterval(() => undefined, 1000)
  const client = await service.client()
  client.write('EHLO x')
  client.resume()
  // The service may reset what it does not want to read.
  client.on('error', () => undefined)
  await new Promise((resolve) => client.on('close', resolve))
  clearInterval(alive)
  assert.deepEqual(caught.texts(), ['warning: accept connection: Cannot take a descriptor as the peer sent none'])
})
