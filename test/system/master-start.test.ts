/** master with real processes: start on demand, limits, wakeup. See src/master. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { sendTrigger } from '#service/trigger.ts'
import { connectDatagram, sendDatagram } from '#system/sockets.ts'
import { startMaster, until } from '#test/support/master.ts'

const WORKER_REGEXP = /pid=(\d+) stress=(\w*) limit=(\d+)/

function workerOf(greeting: string): number {
  return Number(WORKER_REGEXP.exec(greeting)?.[1])
}

test('master starts a worker with its first client, and serves further clients with the same one', async () => {
  await using master = await startMaster('127.0.0.1:$port inet n - n - - echo\necho unix - - n - - echo\n')
  const first = await master.client()
  const second = await master.client()
  assert.equal(workerOf(first.greeting), workerOf(second.greeting))
  assert.notEqual(workerOf(first.greeting), master.child.pid)
  first.socket.write('hello')
  assert.equal(String((await once(first.socket, 'data'))[0]), 'hello')
  const local = await master.client('private/echo')
  assert.notEqual(workerOf(local.greeting), workerOf(first.greeting))
  for (const { socket } of [first, second, local]) socket.destroy()
})

test('clients beyond the process limit wait for a place, and the first time is worth a warning', async () => {
  await using master = await startMaster('127.0.0.1:$port inet n - n - 2 echo\n')
  const first = await master.client()
  const second = await master.client()
  const waiting = connect(master.port, '127.0.0.1')
  let greeted = false
  waiting.on('data', () => (greeted = true))
  await master.logged(/warning: service "127\.0\.0\.1:\d+" \(127\.0\.0\.1:\d+\) has reached its process limit "2": new clients may experience noticeable delays$/)
  assert.equal(greeted, false)
  first.socket.destroy()
  await until(() => greeted, () => 'for the third client to be served')
  second.socket.destroy()
  const late = await master.client()
  assert.match(late.greeting, /stress=yes/)
  late.socket.destroy()
  waiting.destroy()
})

test('a worker that is idle for max_idle ends, and the next client gets another one', async () => {
  await using master = await startMaster('127.0.0.1:$port inet n - n - - echo -o max_idle=1s\n')
  const first = await master.client()
  first.socket.destroy()
  const pid = workerOf(first.greeting)
  await until(() => !isAlive(pid), () => `for worker ${pid} to end`)
  const second = await master.client()
  assert.notEqual(workerOf(second.greeting), pid)
  second.socket.destroy()
})

test('a worker makes place for a fresh one after max_use clients for each process that it stands for', async () => {
  await using master = await startMaster('127.0.0.1:$port inet n - n - 2 echo -o max_use=2\n')
  const pids: number[] = []
  const serve = async (): Promise<number> => {
    const { socket, greeting } = await master.client()
    socket.destroy()
    return workerOf(greeting)
  }
  for (let client = 0; client < 4; client += 1) pids.push(await serve())
  assert.equal(new Set(pids).size, 1)
  await until(() => !isAlive(pids[0] ?? 0), () => `for worker ${pids[0]} to end`)
  assert.notEqual(await serve(), pids[0])
})

test('a wakeup time sends W at once and again; triggers and datagrams reach their service', async () => {
  await using master = await startMaster(
    'tick unix n - n 1 1 ticker\nlazy unix n - n 1? 1 ticker\nnotes unix-dgram n - n - 1 ticker\npipe fifo n - n - 1 ticker\n',
  )
  await master.logged(/trigger W$/, 2)
  await sendTrigger(`${master.folder}/queue/public/lazy`, 'FADI')
  await master.logged(/trigger FADI$/)
  await sendTrigger(`${master.folder}/queue/public/pipe`, 'XY')
  await master.logged(/trigger XY$/)
  sendDatagram(connectDatagram(`${master.folder}/queue/public/notes`, 1000), Buffer.from('first'))
  await master.logged(/datagram first$/)
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
