/** The table of services and its changes: see src/master/table.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { parseMasterCf } from '#config/master-cf.ts'
import { endpointsOf, endpointText, listenerName } from '#master/endpoints.ts'
import { workerArguments } from '#master/process.ts'
import { compareTables, isDisabled, lastEntries, processCount, serviceSpec, shares, type ServiceSpec } from '#master/table.ts'

const config = configFrom({ inet_interfaces: '127.0.0.1', inet_protocols: 'ipv4' })

async function table(text: string): Promise<ServiceSpec[]> {
  const entries = parseMasterCf(text, 'master.cf')
  return Promise.all(entries.map(async (entry) => serviceSpec(entry, config, { kind: 'library' }, await endpointsOf(entry, config))))
}

function entryOf(line: string) {
  const [entry] = parseMasterCf(line, 'master.cf')
  if (entry === undefined) throw new Error('no entry')
  return entry
}

test('compareTables() keeps the listeners that both tables have', async () => {
  const before = await table('2525 inet n - n - - smtpd\n[127.0.0.1]:587 inet n - n - - smtpd\na unix - - n - - x\nqmgr unix n - n - 1 qmgr\n')
  const after = await table('2525 inet n - n - 5 smtpd\na unix n - n - - x\nqmgr unix n - n - 1 qmgr\nb unix - - n - - x\n')
  const change = compareTables(before, after)
  assert.deepEqual(change.removedKeys, ['[127.0.0.1]:587/inet'])
  assert.deepEqual(change.added.map(({ key }) => key), ['b/unix'])
  assert.deepEqual(change.kept.map(({ key }) => key), ['2525/inet', 'a/unix', 'qmgr/unix'])
  assert.deepEqual(change.closed, ['inet:127.0.0.1:587', 'unix:private/a'])
  assert.deepEqual(change.opened.map(endpointText), ['unix:public/a', 'unix:private/b'])
})

test('endpointsOf() understands ports, service names, addresses and hosts', async () => {
  const cases = [
    ['smtp inet n - n - - smtpd', ['inet:127.0.0.1:25'], '25'],
    [':25 inet n - n - - smtpd', ['inet:127.0.0.1:25'], '25'],
    ['[::1]:10025 inet n - n - - smtpd', ['inet:::1:10025'], '::1:10025'],
    ['::1:10025 inet n - n - - smtpd', ['inet:::1:10025'], '::1:10025'],
    ['127.0.0.2:submission inet n - n - - smtpd', ['inet:127.0.0.2:587'], '127.0.0.2:587'],
    ['pickup fifo n - n - - pickup', ['fifo:public/pickup'], 'public/pickup'],
    ['postlog unix-dgram n - n - - postlogd', ['datagram:public/postlog'], 'public/postlog'],
    ['smtpd pass - - n - - smtpd', ['unix:private/smtpd'], 'private/smtpd'],
  ] as const
  const site = configFrom({ inet_interfaces: '127.0.0.1', inet_protocols: 'all' })
  for (const [line, endpoints, listener] of cases) {
    assert.deepEqual((await endpointsOf(entryOf(line), site)).map(endpointText), endpoints, line)
    assert.equal(listenerName(entryOf(line), site), listener, line)
  }
})

test('endpointsOf() takes the names of known_tcp_ports before those of the machine', async () => {
  const site = configFrom({ inet_interfaces: '127.0.0.1', inet_protocols: 'ipv4', known_tcp_ports: 'smtp=nosuchname=2525' })
  for (const name of ['smtp', 'NoSuchName']) {
    assert.deepEqual((await endpointsOf(entryOf(`${name} inet n - n - - smtpd`), site)).map(endpointText), ['inet:127.0.0.1:2525'])
  }
})

function inet(name: string): string {
  return `${name} inet n - n - - smtpd`
}

test('endpointsOf() refuses what is no place to listen at', async () => {
  const cases = [
    ['nosuchport', {}, 'unknown service name: nosuchport'],
    ['99999', {}, 'bad port number: 99999'],
    ['nohost.invalid:25', {}, 'bad hostname or network address: nohost.invalid:25'],
    ['[::1]:25', {}, 'bad hostname or network address: [::1]:25'],
    ['127.0.0.1:25', { inet_protocols: 'ipv6' }, 'bad hostname or network address: 127.0.0.1:25'],
    ['25', { inet_interfaces: '' }, 'service definition requires valid host name or address, or non-empty inet_interfaces setting'],
    ['25', { inet_interfaces: '127.0.0.1 ::1' }, 'config variable inet_interfaces: host not found: ::1'],
    ['25', { inet_interfaces: 'all 127.0.0.1' }, 'config variable inet_interfaces: host not found: all'],
    ['25', { inet_interfaces: 'nohost.invalid' }, 'config variable inet_interfaces: host not found: nohost.invalid'],
  ] as const
  for (const [name, values, message] of cases) {
    const site = configFrom({ inet_interfaces: '127.0.0.1', inet_protocols: 'ipv4', ...values })
    await assert.rejects(endpointsOf(entryOf(inet(name)), site), { message })
  }
})

test('inet_interfaces = all listens on the wildcard addresses', async () => {
  const all = configFrom({ inet_interfaces: 'all', inet_protocols: 'ipv4' })
  assert.deepEqual((await endpointsOf(entryOf('2525 inet n - n - - smtpd'), all)).map(endpointText), ['inet:0.0.0.0:2525'])
})

test('lastEntries() keeps the last of two entries with one name and type', () => {
  const duplicates: number[] = []
  const entries = parseMasterCf('a unix - - n - - x\na inet n - n - - y\na unix - - n - - z\n', 'master.cf')
  const kept = lastEntries(entries, ({ line }) => duplicates.push(line))
  assert.deepEqual(kept.map(({ command }) => command), ['z', 'y'])
  assert.deepEqual(duplicates, [3])
})

test('isDisabled() takes the first item that fits: types, services, and ! before them', () => {
  const smtp = entryOf('smtp inet n - n - - smtpd')
  const cases = [[[], false], [['inet'], true], [['smtp/inet'], true], [['unix', 'smtp/unix'], false], [['!smtp/inet', 'inet'], false]] as const
  for (const [items, expected] of cases) assert.equal(isDisabled(smtp, items), expected, items.join(' '))
})

test('processCount() follows the parameters, the kind of program, and never exceeds the limit', () => {
  const cases = [
    ['smtp inet n - n - 100 smtpd', {}, 4],
    ['smtp inet n - n - 3 smtpd', {}, 3],
    ['smtp inet n - n - 0 smtpd', {}, 4],
    ['pickup unix n - n 60 1 pickup', {}, 1],
    ['bounce unix - - n - 0 bounce', {}, 1],
    ['bounce unix - - n - 0 bounce', { worker_processes: '2' }, 2],
    ['smtp unix - - n - - smtp', { worker_processes: '2', smtp_worker_processes: '6' }, 6],
  ] as const
  for (const [line, values, expected] of cases) assert.equal(processCount(entryOf(line), configFrom(values), 4), expected, line)
})

test('shares() divides a limit without a rest', () => {
  assert.deepEqual([shares(10, 3), shares(2, 2), shares(0, 2), shares(1, 1), shares(5, 0)], [[4, 3, 3], [1, 1], [0, 0], [1], []])
})

test('workerArguments() writes the command line of Postfix', async () => {
  const [spec] = await table('smtp inet n - y - - smtpd -v -o { a = b c }\n')
  assert.ok(spec !== undefined)
  assert.deepEqual(workerArguments(spec, { listeners: [5, 6], limit: 1, stress: true }),
    ['-n', 'smtp', '-t', 'inet', '-u', '-c', '-s', '2', '-o', 'stress=yes', '-v', '-o', 'a = b c'])
  const [pipe] = await table('uucp unix - n n - 1 pipe user=uucp argv=uux - $nexthop\n')
  assert.ok(pipe !== undefined)
  assert.deepEqual(workerArguments(pipe, { listeners: [5], limit: 1, stress: false }),
    ['-n', 'uucp', '-t', 'unix', '-l', 'user=uucp', 'argv=uux', '-', '$nexthop'])
})

test('services without a host listen where inet_interfaces says', async () => {
  const cases = [
    ['loopback-only', 'ipv4', ['inet:127.0.0.1:2525']],
    ['loopback-only', 'all', ['inet:127.0.0.1:2525', 'inet:::1:2525']],
    ['127.0.0.1, 127.0.0.2', 'ipv4', ['inet:127.0.0.1:2525', 'inet:127.0.0.2:2525']],
    ['all', 'all', ['inet:0.0.0.0:2525', 'inet::::2525']],
  ] as const
  for (const [inet_interfaces, inet_protocols, expected] of cases) {
    const site = configFrom({ inet_interfaces, inet_protocols })
    const found = (await endpointsOf(entryOf('2525 inet n - n - - smtpd'), site)).map(endpointText)
    assert.deepEqual(new Set(found), new Set<string>(expected), `${inet_interfaces} ${inet_protocols}`)
    // A host in master.cf counts more.
    assert.deepEqual((await endpointsOf(entryOf('127.0.0.3:2525 inet n - n - - smtpd'), site)).map(endpointText), ['inet:127.0.0.3:2525'])
  }
})
