/** master with real processes: reload, throttling, stop, locks, and its own sudden death. See src/master. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { runningMaster } from '#service/instance.ts'
import { instanceFolder, spawnMaster, startMaster, until, type TestMaster } from '#test/support/master.ts'

const ECHO = '127.0.0.1:$port inet n - n - 3 echo\n'

function workerOf(greeting: string): number {
  return Number(/pid=(\d+)/.exec(greeting)?.[1])
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function echoes(socket: Socket, text: string): Promise<boolean> {
  socket.write(text)
  const [chunk] = await once(socket, 'data')
  return String(chunk) === text
}

async function output(master: TestMaster['child']): Promise<string> {
  let text = ''
  master.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(master, 'close')
  return text
}

test('a reload lets old workers finish, gives new clients fresh workers, and drops nobody who waits', async () => {
  await using master = await startMaster(ECHO)
  const old = await Promise.all([master.client(), master.client(), master.client()])
  const waiting = connect(master.port, '127.0.0.1')
  const greeting = once(waiting, 'data')
  await once(waiting, 'connect')
  await master.reload(`${ECHO}extra unix - - n - - echo\n`)
  const fresh = String((await greeting)[0])
  assert.notEqual(workerOf(fresh), workerOf(old[0].greeting))
  for (const { socket } of old) assert.ok(await echoes(socket, 'still here'))
  const extra = await master.client('private/extra')
  for (const { socket } of [...old, extra]) socket.destroy()
  await until(() => !isAlive(workerOf(old[0].greeting)), () => 'for the old worker to end')
  waiting.destroy()
})

test('a reload closes the listeners of removed services only', async () => {
  await using master = await startMaster(`${ECHO}extra unix - - n - - echo\n`)
  const client = await master.client('private/extra')
  await master.reload(ECHO)
  await assert.rejects(master.client('private/extra'), /ENOENT/)
  assert.ok(await echoes(client.socket, 'still served'))
  client.socket.destroy()
  const other = await master.client()
  other.socket.destroy()
})

test('a reload with a bad master.cf is refused with its line, and the mail system goes on', async () => {
  await using master = await startMaster(ECHO)
  await master.reload(`${ECHO}oops\n`)
  assert.match(master.log(), /master: error: reload failed, .*line 2: missing "transport type" field|error: reload failed, .*line 2: /)
  const client = await master.client()
  client.socket.destroy()
})

test('a worker that fails before its first client stops the service for service_throttle_time', async () => {
  await using master = await startMaster('bad unix - - n - - broken\n', 'service_throttle_time = 1s')
  const first = connect(join(master.folder, 'queue/private/bad'))
  first.on('error', () => undefined)
  const log = await master.logged(/bad command startup -- throttling$/)
  assert.match(log, /broken\[\d+\]: fatal: no such luck\n/)
  assert.match(log, /master\[\d+\]: warning: process \S+\/etc\/broken pid \d+ exit status 1\n/)
  assert.match(log, /master\[\d+\]: warning: \S+\/etc\/broken: bad command startup -- throttling\n/)
  await master.logged(/bad command startup -- throttling$/, 2)
  first.destroy()
})

test('what Node.js says about a program that it cannot load is in the log', async () => {
  await using master = await startMaster('bad unix - - n - - unloadable\n')
  const client = connect(join(master.folder, 'queue/private/bad'))
  client.on('error', () => undefined)
  const log = await master.logged(/bad command startup -- throttling$/)
  assert.match(log, /warning: process \S+\/unloadable pid \d+: .*Cannot find module/)
  client.destroy()
})

test('an entry with an unknown command is refused with its line; the others run', async () => {
  await using master = await startMaster(`nothing unix - - n - - nosuchprogram\n${ECHO}`)
  assert.match(master.log(), /error: \S+master\.cf: line 1: cannot run service nothing\/unix: command nosuchprogram: /)
  const client = await master.client()
  client.socket.destroy()
})

/** How a master on these files ends: its exit status and what it logged. */
async function refused(masterCf: string, mainCf = ''): Promise<{ status: number | null; log: string }> {
  const folder = instanceFolder(masterCf, mainCf)
  try {
    const child = spawnMaster(folder)
    await output(child)
    return { status: child.exitCode, log: readFileSync(join(folder, 'log'), 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('a bad master.cf starts nothing: exit status 1, and what is wrong in which line', async () => {
  const cases = [
    ['# nothing\nsmtp inet x - n - - echo\n', /line 2: field "private": bad value: "x"\n$/],
    ['a unix - - n - - echo\nnosuchport inet n - n - - echo\n', /line 2: unknown service name: nosuchport\n$/],
    ['a unix - - n - - echo\n[::1]:25 inet n - n - - echo\n', /line 2: bad hostname or network address: \[::1\]:25\n$/],
  ] as const
  for (const [text, reason] of cases) {
    const { status, log } = await refused(text)
    assert.equal(status, 1)
    assert.match(log, /master\[\d+\]: fatal: \S+\/master\.cf: /)
    assert.match(log, reason)
    assert.doesNotMatch(log, /daemon started|process/)
  }
})

test('a start says what is wrong with main.cf, and which lines of master.cf it skips', async () => {
  await using master = await startMaster(`  skipped\n${ECHO}`, 'relayhost = a\nrelayhost = b')
  assert.match(master.log(), /warning: \S+\/main\.cf, line \d+: overriding earlier entry: relayhost=a\n/)
  assert.match(master.log(), /warning: \S+\/master\.cf: logical line must not start with whitespace: " {2}skipped"\n/)
})

test('SIGTERM ends workers and master; the locks are free and can be taken again', async () => {
  await using master = await startMaster(ECHO)
  const client = await master.client()
  assert.equal(runningMaster(join(master.folder, 'queue')), master.child.pid)
  const pidFile = readFileSync(join(master.folder, 'queue/pid/master.pid'), 'latin1')
  assert.equal(pidFile, `${String(master.child.pid).padStart(32)}\n`)
  assert.equal(readFileSync(join(master.folder, 'data/master.lock'), 'latin1'), pidFile)
  master.child.kill('SIGTERM')
  client.socket.destroy()
  assert.equal(await master.exit(), 0)
  assert.match(master.log(), /master\[\d+\]: terminating on signal 15\n/)
  await until(() => !isAlive(workerOf(client.greeting)), () => 'for the worker to end')
  assert.equal(runningMaster(join(master.folder, 'queue')), undefined)
})

test('a worker that does not finish is killed some seconds after SIGTERM', async () => {
  await using master = await startMaster(ECHO)
  const client = await master.client()
  client.socket.on('error', () => undefined)
  master.child.kill('SIGTERM')
  assert.equal(await master.exit(), 0)
  assert.equal(isAlive(workerOf(client.greeting)), false)
})

test('a second master on the same queue gives up, with the reason', async () => {
  await using master = await startMaster(ECHO)
  const second = spawnMaster(master.folder)
  await output(second)
  assert.equal(second.exitCode, 1)
  assert.match(master.log(), /fatal: open lock file pid\/master\.pid: unable to set exclusive lock: Resource temporarily unavailable\n/)
  const tester = spawnMaster(master.folder, ['-t'])
  await output(tester)
  assert.equal(tester.exitCode, 1)
})

test('after kill -9 of master its workers finish their clients, and a new master binds the same port', async () => {
  await using master = await startMaster(ECHO)
  const client = await master.client()
  master.child.kill('SIGKILL')
  await master.exit()
  await using next = await master.again()
  assert.ok(await echoes(client.socket, 'still served by the old worker'))
  const fresh = await next.client()
  assert.notEqual(workerOf(fresh.greeting), workerOf(client.greeting))
  client.socket.destroy()
  await until(() => !isAlive(workerOf(client.greeting)), () => 'for the orphaned worker to end')
  fresh.socket.destroy()
})

test('master -w returns when the mail system works, and 1 when it does not start', async (t) => {
  const folder = instanceFolder('echo unix - - n - - echo\n')
  t.after(() => rmSync(folder, { recursive: true }))
  const waiting = spawnMaster(folder, ['-w'])
  await output(waiting)
  assert.equal(waiting.exitCode, 0)
  const pid = runningMaster(join(folder, 'queue'))
  assert.ok(pid !== undefined)
  const second = spawnMaster(folder, ['-w'])
  assert.match(await output(second), /fatal: open lock file pid\/master\.pid/)
  assert.equal(second.exitCode, 1)
  process.kill(pid, 'SIGTERM')
  await until(() => runningMaster(join(folder, 'queue')) === undefined, () => 'for master to end')
})
