/** Hosts with back-off, and connections that are shared: see src/tables/database/servers.ts. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Servers, type Attempt, type Connection, type ServerPlace, type ServersOptions } from '#tables/database/servers.ts'
import { captureLog } from '#test/support/log.ts'

/** A connection that does what it is told, and what has happened to it. */
class FakeConnection implements Connection {
  alive = true
  closed = false
  readonly host: string

  constructor(host: string) {
    this.host = host
  }

  setIdle(): void {
    // No process waits for it.
  }

  close(): void {
    this.closed = true
  }
}

/** Hosts that can be told to be down. */
class FakeHosts {
  readonly made: FakeConnection[] = []
  readonly down = new Set<string>()

  places(...names: string[]): ServerPlace<FakeConnection>[] {
    return names.map((name) => ({
      name,
      kind: name.startsWith('unix:') ? 'unix' : 'inet',
      connect: async () => {
        if (this.down.has(name)) throw new Error('is down')
        const connection = new FakeConnection(name)
        this.made.push(connection)
        return connection
      },
    }))
  }
}

const OPTIONS: ServersOptions = { type: 'mysql', retryMs: 1000, idleMs: 60_000, connectionsMax: 2, waitMs: 60_000, random: () => 0 }

const done = <T>(value: T): Attempt<T> => ({ kind: 'done', value })
const nameOf = async (connection: FakeConnection): Promise<Attempt<string>> => done(connection.host)

function open(t: TestContext, hosts: FakeHosts, names: readonly string[], options: Partial<ServersOptions> = {}): Servers<FakeConnection> {
  const servers = new Servers(hosts.places(...names), { ...OPTIONS, ...options })
  t.after(() => servers.close())
  return servers
}

test('run() prefers UNIX sockets and keeps its connection', async (t) => {
  const hosts = new FakeHosts()
  const servers = open(t, hosts, ['a', 'unix:/b', 'c'])
  assert.deepEqual([await servers.run(nameOf), await servers.run(nameOf)], ['unix:/b', 'unix:/b'])
  assert.equal(hosts.made.length, 1)
})

test('run() picks one of the hosts of a class at random', async (t) => {
  const names = []
  for (const random of [0, 0.5, 0.99]) names.push(await open(t, new FakeHosts(), ['a', 'b', 'c'], { random: () => random }).run(nameOf))
  assert.deepEqual(names, ['a', 'b', 'c'])
})

test('run() leaves a host alone that cannot be connected to, until retry_interval is over', async (t) => {
  using log = captureLog()
  const hosts = new FakeHosts()
  hosts.down.add('a').add('b')
  let now = 0
  const servers = open(t, hosts, ['a', 'b'], { now: () => now })
  assert.equal(await servers.run(nameOf), undefined)
  hosts.down.clear()
  now = 999
  assert.equal(await servers.run(nameOf), undefined)
  now = 1000
  assert.equal(await servers.run(nameOf), 'a')
  assert.deepEqual(log.texts(), ['warning: connect to mysql server a: is down', 'warning: connect to mysql server b: is down'])
})

test('run() tries a single host once more', async (t) => {
  using log = captureLog()
  const hosts = new FakeHosts()
  hosts.down.add('a')
  assert.equal(await open(t, hosts, ['a']).run(nameOf), undefined)
  assert.equal(log.texts().length, 2)
})

test('run() goes on to the next host after a refusal, and keeps the connection', async (t) => {
  const hosts = new FakeHosts()
  const servers = open(t, hosts, ['a', 'b'])
  const asked: string[] = []
  const refuse = async (connection: FakeConnection): Promise<Attempt<string>> => {
    asked.push(connection.host)
    return { kind: 'refused' }
  }
  assert.equal(await servers.run(refuse), undefined)
  assert.deepEqual(asked, ['a', 'b'])
  assert.ok(await servers.run(nameOf))
  assert.deepEqual(hosts.made.map(({ closed }) => closed), [false, false])
})

test('run() closes a connection that is lost, and asks another host', async (t) => {
  const hosts = new FakeHosts()
  const servers = open(t, hosts, ['a', 'b'])
  const answer = await servers.run(async (connection): Promise<Attempt<string>> => (connection.host === 'a' ? { kind: 'lost' } : done(connection.host)))
  assert.equal(answer, 'b')
  assert.deepEqual(hosts.made.map(({ host, closed }) => `${host} ${closed}`), ['a true', 'b false'])
})

test('run() does not use an idle connection that the server has closed', async (t) => {
  const hosts = new FakeHosts()
  const servers = open(t, hosts, ['a'])
  await servers.run(nameOf)
  for (const connection of hosts.made) connection.alive = false
  assert.equal(await servers.run(nameOf), 'a')
  assert.deepEqual(hosts.made.map(({ closed }) => closed), [true, false])
})

test('run() makes no more connections than it may; others wait for their turn', async (t) => {
  const hosts = new FakeHosts()
  const servers = open(t, hosts, ['a'])
  const gate = Promise.withResolvers<void>()
  const answers = Array.from({ length: 5 }, () => servers.run(async (connection) => {
    await gate.promise
    return done(connection.host)
  }))
  gate.resolve()
  assert.deepEqual(await Promise.all(answers), ['a', 'a', 'a', 'a', 'a'])
  assert.equal(hosts.made.length, 2)
})

test('run() lets all who wait know that there is no host any more', async (t) => {
  using log = captureLog()
  const hosts = new FakeHosts()
  const servers = open(t, hosts, ['a'], { connectionsMax: 1 })
  const gate = Promise.withResolvers<Attempt<string>>()
  const answers = Array.from({ length: 5 }, () => servers.run(() => gate.promise))
  await Promise.resolve()
  hosts.down.add('a')
  gate.resolve({ kind: 'lost' })
  assert.deepEqual(await Promise.all(answers), Array.from({ length: 5 }, () => undefined))
  assert.deepEqual(log.texts(), ['warning: connect to mysql server a: is down'])
})

test('run() gives up when all connections stay busy', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  using log = captureLog()
  const servers = open(t, new FakeHosts(), ['a'], { connectionsMax: 1 })
  const gate = Promise.withResolvers<Attempt<string>>()
  const first = servers.run(() => gate.promise)
  await Promise.resolve()
  const second = servers.run(nameOf)
  await Promise.resolve()
  t.mock.timers.tick(OPTIONS.waitMs)
  assert.equal(await second, undefined)
  gate.resolve(done('late'))
  assert.equal(await first, 'late')
  assert.deepEqual(log.texts(), ['warning: mysql: all 1 connections are busy'])
})

test('an idle connection is closed after idle_interval, and all by close()', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const hosts = new FakeHosts()
  const servers = open(t, hosts, ['a'])
  await servers.run(nameOf)
  t.mock.timers.tick(OPTIONS.idleMs)
  assert.deepEqual(hosts.made.map(({ closed }) => closed), [true])
  await servers.run(nameOf)
  servers.close()
  assert.deepEqual(hosts.made.map(({ closed }) => closed), [true, true])
})
