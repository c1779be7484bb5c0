/** From destinations to server addresses: see src/deliver/smtp/address-lookup.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { lookupAddresses, type AddressList, type LookupTarget } from '#deliver/smtp/address-lookup.ts'
import { readSettings } from '#deliver/smtp/settings.ts'
import { fakeResolver, type Zone } from '#test/support/dns.ts'
import { captureLog } from '#test/support/log.ts'

const ZONE: Zone = {
  'two.example': { mx: [[20, 'b.example'], [10, 'a.example']] },
  'a.example': { a: ['192.0.2.1'], aaaa: ['2001:db8::1'] },
  'b.example': { a: ['192.0.2.2'] },
  'bare.example': { a: ['192.0.2.3'] },
  'null.example': { mx: [[0, '']] },
  'dead.example': { mx: [[10, 'nowhere.example'], [20, 'shaky.example']] },
  'gone.example': { mx: [[10, 'nowhere.example']] },
  'shaky.example': { fail: 'SERVFAIL' },
  'badmx.example': { fail: 'FORMERR' },
  'empty.example': { txt: ['x'] },
  'self.example': { mx: [[5, 'a.example'], [10, 'me.example'], [20, 'b.example']] },
  'selffirst.example': { mx: [[10, 'me.example']] },
  'selfunknown.example': { mx: [[5, 'nowhere.example'], [10, 'me.example']] },
  'me.example': { a: ['198.51.100.9'] },
  '_submission._tcp.srv.example': { srv: [{ priority: 2, weight: 0, port: 2587, host: 'b.example' }, { priority: 1, weight: 5, port: 1587, host: 'a.example' }] },
}

async function lookup(host: string, parameters: Record<string, string> = {}, more: Partial<LookupTarget> = {}): Promise<AddressList & { log: string[] }> {
  const config = configFrom({ inet_protocols: 'ipv4', inet_interfaces: 'loopback-only', proxy_interfaces: '198.51.100.9', ...parameters })
  using caught = captureLog()
  const tools = { resolver: fakeResolver(ZONE), settings: readSettings(config, 'smtp', false), random: () => 0 }
  const found = await lookupAddresses({ host, service: 'smtp', mx: true, srv: false, loopDetect: true, ...more }, tools)
  return { ...found, log: caught.texts() }
}

const NAME_ERROR = 'Host or domain name not found. Name service error for name='

test('lookupAddresses() follows MX records in their order, and addresses where there are none', async () => {
  const two = await lookup('two.example')
  assert.deepEqual(two.list, [{ host: 'a.example', address: '192.0.2.1', preference: 10 }, { host: 'b.example', address: '192.0.2.2', preference: 20 }])
  assert.deepEqual((await lookup('two.example', { inet_protocols: 'all', smtp_address_preference: 'ipv6' })).list.map(({ address }) => address), ['2001:db8::1', '192.0.2.1', '192.0.2.2'])
  assert.deepEqual((await lookup('bare.example')).list, [{ host: 'bare.example', address: '192.0.2.3', preference: 0 }])
  assert.deepEqual((await lookup('192.0.2.77', {}, { mx: false })).list, [{ host: '192.0.2.77', address: '192.0.2.77', preference: 0 }])
  assert.deepEqual((await lookup('two.example', {}, { mx: false })).failure, {
    dsn: '5.4.4', reason: `${NAME_ERROR}two.example type=A: Host found but no data record of requested type`,
  })
})

test('lookupAddresses() says why there are no servers', async () => {
  const cases = [
    ['null.example', '5.1.0', 'Domain null.example does not accept mail (nullMX)'],
    ['absent.example', '5.4.4', `${NAME_ERROR}absent.example type=A: Host not found`],
    ['shaky.example', '4.4.3', `${NAME_ERROR}shaky.example type=MX: Host not found, try again`],
    ['badmx.example', '5.4.3', `${NAME_ERROR}badmx.example type=MX: Non-recoverable error`],
    ['empty.example', '5.4.4', `${NAME_ERROR}empty.example type=A: Host found but no data record of requested type`],
    ['gone.example', '5.4.4', `${NAME_ERROR}nowhere.example type=A: Host not found`],
    ['dead.example', '4.4.3', `${NAME_ERROR}shaky.example type=A: Host not found, try again`],
    ['selffirst.example', '5.4.6', 'mail for selffirst.example loops back to myself'],
    ['selfunknown.example', '4.4.4', 'unable to find primary relay for selfunknown.example'],
  ] as const
  for (const [host, dsn, reason] of cases) assert.deepEqual((await lookup(host)).failure, { dsn, reason }, host)
  assert.deepEqual((await lookup('gone.example')).log, ['warning: no MX host for gone.example has a valid address record'])
  assert.equal((await lookup('gone.example', { smtp_defer_if_no_mx_address_found: 'yes' })).failure?.dsn, '4.4.4')
})

test('lookupAddresses() stops before this machine, on ports where mail could come back', async () => {
  const found = await lookup('self.example')
  assert.equal(found.selfIsMx, true)
  assert.deepEqual(found.list.map(({ host }) => host), ['a.example'])
  const elsewhere = await lookup('self.example', {}, { loopDetect: false })
  assert.equal(elsewhere.selfIsMx, false)
  assert.deepEqual(elsewhere.list.map(({ host }) => host), ['a.example', 'me.example', 'b.example'])
})

test('lookupAddresses() takes ports and order from SRV records, and MX records where there are none [RFC 2782]', async () => {
  const srv = { service: 'submission', srv: true, loopDetect: false } as const
  assert.deepEqual((await lookup('srv.example', {}, srv)).list, [
    { host: 'a.example', preference: 1, port: 1587, address: '192.0.2.1' }, { host: 'b.example', preference: 2, port: 2587, address: '192.0.2.2' },
  ])
  const fallback = await lookup('two.example', { allow_srv_lookup_fallback: 'yes' }, srv)
  assert.equal(fallback.list.length, 2)
  assert.equal(fallback.log.length, 1)
})
