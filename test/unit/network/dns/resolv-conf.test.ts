/** resolv.conf and hosts files: see src/network/dns/resolv-conf.ts and hosts.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseHosts } from '#network/dns/hosts.ts'
import { parseResolvConf, parseServer } from '#network/dns/resolv-conf.ts'
import { candidates } from '#network/dns/stub.ts'

test('parseResolvConf() reads servers, search list and options', () => {
  const conf = parseResolvConf([
    '# nameserver 9.9.9.9', 'nameserver 192.0.2.1', 'nameserver 2001:db8::1', 'nameserver bogus',
    'search a.example b.example', 'options ndots:2 timeout:99 attempts:0 rotate trust-ad use-vc unheard-of:1',
  ].join('\n'))
  assert.deepEqual(conf, {
    servers: [{ address: '192.0.2.1', port: 53 }, { address: '2001:db8::1', port: 53 }],
    search: ['a.example', 'b.example'], ndots: 2, timeoutMs: 30_000, attempts: 1, rotate: true, useTcp: true, trustAd: true,
  })
})

test('parseResolvConf() falls back to the server of this machine, and keeps three at most', () => {
  assert.deepEqual(parseResolvConf('').servers, [{ address: '127.0.0.1', port: 53 }])
  assert.equal(parseResolvConf('nameserver 192.0.2.1\n'.repeat(5)).servers.length, 3)
})

test('parseServer() reads address and port, and refuses names', () => {
  assert.deepEqual(parseServer('127.0.0.1:5353'), { address: '127.0.0.1', port: 5353 })
  assert.deepEqual(parseServer('[::1]:5353'), { address: '::1', port: 5353 })
  assert.deepEqual(parseServer('127.0.0.1'), { address: '127.0.0.1', port: 53 })
  for (const bad of ['localhost:53', '127.0.0.1:0', '', '127.0.0.1:x']) {
    assert.throws(() => parseServer(bad), { name: 'SyntaxError', message: `bad name server address: "${bad}"` })
  }
})

test('candidates() applies the search list only when asked', () => {
  const conf = parseResolvConf('search a.example b.example')
  assert.deepEqual(candidates(conf, 'host', {}), ['host'])
  assert.deepEqual(candidates(conf, 'host', { search: true }), ['host.a.example', 'host.b.example', 'host'])
  assert.deepEqual(candidates(conf, 'h.x', { search: true }), ['h.x', 'h.x.a.example', 'h.x.b.example'])
  assert.deepEqual(candidates(conf, 'host', { defaultDomain: true }), ['host.a.example'])
  assert.deepEqual(candidates(conf, 'h.x', { defaultDomain: true }), ['h.x'])
})

test('parseHosts() keeps both directions', () => {
  const { names, addresses } = parseHosts('127.0.0.1 localhost\n::1\tlocalhost ip6-localhost # six\n192.0.2.1 Mail.example mail\nbad line')
  assert.deepEqual(names.get('192.0.2.1'), ['Mail.example', 'mail'])
  assert.deepEqual(names.get('0:0:0:0:0:0:0:1'), ['localhost', 'ip6-localhost'])
  assert.deepEqual(addresses.get('localhost'), ['127.0.0.1', '::1'])
  assert.deepEqual(addresses.get('mail.example'), ['192.0.2.1'])
})
