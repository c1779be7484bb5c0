/** The stub resolver against a name server on loopback: see src/network/dns.ts. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { test } from 'node:test'
import { isNullMx, openResolver, verifiedClientName } from '#network/dns.ts'
import { isOnThisMachine } from '#network/dns/udp.ts'
import { startDnsServer, type Zone } from '#test/support/dns.ts'

const zone: Zone = {
  'example.com': { mx: [[20, 'mx2.example.com'], [10, 'mx1.example.com']], txt: ['v=spf1 -all'] },
  'mx1.example.com': { a: ['192.0.2.1'], aaaa: ['2001:db8::1'] },
  'null.example': { mx: [[0, '.']] },
  'badmx.example': { mx: [[10, '1.2.3.4']] },
  'alias.example': { cname: 'alias2.example' },
  'alias2.example': { cname: 'mx1.example.com' },
  'loop.example': { cname: 'loop.example' },
  'big.example': { a: Array.from({ length: 120 }, (_, i) => `192.0.2.${i}`) },
  'broken.example': { fail: 'SERVFAIL' },
  'formerr.example': { fail: 'FORMERR' },
  '1.2.0.192.in-addr.arpa': { ptr: ['mx1.example.com'] },
  '2.2.0.192.in-addr.arpa': { ptr: ['mx1.example.com'] },
  '3.2.0.192.in-addr.arpa': { ptr: ['nowhere.example'] },
  '4.2.0.192.in-addr.arpa': { fail: 'SERVFAIL' },
}

function error(name: string, type: string): string {
  return `Host or domain name not found. Name service error for name=${name} type=${type}`
}

test('openResolver() finds records and follows aliases', async () => {
  await using dns = await startDnsServer(zone)
  const resolver = openResolver({ servers: [dns.server] })
  const mx = await resolver.mx('example.com')
  assert.deepEqual(mx.kind === 'ok' && mx.records, [
    { preference: 20, host: 'mx2.example.com' }, { preference: 10, host: 'mx1.example.com' },
  ])
  const a = await resolver.a('alias.example')
  assert.deepEqual(a, { kind: 'ok', records: ['192.0.2.1'], ttl: 300, name: 'mx1.example.com', secure: false })
  const aaaa = await resolver.aaaa('MX1.Example.COM')
  assert.deepEqual(aaaa.kind === 'ok' && aaaa.records, ['2001:db8::1'])
  const txt = await resolver.txt('example.com')
  assert.deepEqual(txt.kind === 'ok' && txt.records, ['v=spf1 -all'])
  assert.ok(isNullMx(await resolver.mx('null.example')))
})

test('openResolver() tells the ways of failing apart, in the words of Postfix', async () => {
  await using dns = await startDnsServer(zone)
  const resolver = openResolver({ servers: [dns.server], timeoutMs: 500 })
  assert.deepEqual(await resolver.a('absent.example'),
    { kind: 'notfound', exists: false, reason: `${error('absent.example', 'A')}: Host not found` })
  assert.deepEqual(await resolver.a('example.com'),
    { kind: 'notfound', exists: true, reason: `${error('example.com', 'A')}: Host found but no data record of requested type` })
  assert.deepEqual(await resolver.mx('broken.example'),
    { kind: 'retry', reason: `${error('broken.example', 'MX')}: Host not found, try again` })
  assert.deepEqual(await resolver.mx('formerr.example'),
    { kind: 'fail', reason: `${error('formerr.example', 'MX')}: Non-recoverable error` })
  assert.deepEqual(await resolver.a('loop.example'),
    { kind: 'retry', reason: 'Name service error for name=loop.example type=A: Malformed or unexpected name server reply' })
  assert.deepEqual(await resolver.mx('badmx.example'),
    { kind: 'invalid', reason: 'Name service error for badmx.example: invalid host or domain name' })
  assert.deepEqual(await resolver.mx('bad name'),
    { kind: 'notfound', exists: false, reason: 'Name service error for bad name: invalid host or domain name' })
})

test('openResolver() turns to TCP for what does not fit, and looks at 100 records at most', async () => {
  await using dns = await startDnsServer(zone)
  const answer = await openResolver({ servers: [dns.server] }).a('big.example')
  assert.equal(answer.kind === 'ok' && answer.records.length, 100)
  assert.deepEqual(dns.questions, ['A big.example', 'A big.example/tcp'])
})

test('openResolver() passes over servers that refuse, are silent, or are not there', async () => {
  await using refusing = await startDnsServer({ 'example.com': { fail: 'REFUSED' } })
  await using silent = await startDnsServer({ 'example.com': { fail: 'silent' } })
  await using good = await startDnsServer(zone)
  const gone = createSocket('udp4')
  await new Promise<void>((resolve) => gone.bind(0, '127.0.0.1', resolve))
  const closed = `127.0.0.1:${gone.address().port}`
  gone.close()
  const servers = [refusing.server, silent.server, closed, good.server]
  const answer = await openResolver({ servers, timeoutMs: 100 }).txt('example.com')
  assert.equal(answer.kind, 'ok')
})

test('openResolver() ignores answers with a foreign id or question', async () => {
  await using dns = await startDnsServer(zone, {
    mangle: (bytes) => {
      bytes[0] = (bytes[0] ?? 0) ^ 0xff
      return bytes
    },
  })
  assert.equal((await openResolver({ servers: [dns.server], timeoutMs: 50 }).a('mx1.example.com')).kind, 'retry')
})

test('openResolver() asks once for what is asked twice at the same time', async () => {
  await using dns = await startDnsServer(zone)
  const resolver = openResolver({ servers: [dns.server] })
  await Promise.all([resolver.a('mx1.example.com'), resolver.a('mx1.example.com')])
  assert.equal(dns.questions.length, 1)
})

test('verifiedClientName() believes a name that leads back, and says why not otherwise', async () => {
  await using dns = await startDnsServer(zone)
  const resolver = openResolver({ servers: [dns.server], timeoutMs: 500, hosts: '/nonexistent' })
  const name = (address: string) => verifiedClientName(resolver, address)
  assert.deepEqual(await name('192.0.2.1'),
    { name: 'mx1.example.com', reverseName: 'mx1.example.com', nameStatus: 'ok', reverseNameStatus: 'ok' })
  assert.deepEqual(await name('192.0.2.2'), {
    name: 'unknown', reverseName: 'mx1.example.com', nameStatus: 'forged', reverseNameStatus: 'ok',
    warning: 'hostname mx1.example.com does not resolve to address 192.0.2.2',
  })
  assert.deepEqual(await name('192.0.2.3'), {
    name: 'unknown', reverseName: 'nowhere.example', nameStatus: 'permanent', reverseNameStatus: 'ok',
    warning: 'hostname nowhere.example does not resolve to address 192.0.2.3: Name or service not known',
  })
  assert.deepEqual(await name('192.0.2.4'),
    { name: 'unknown', reverseName: 'unknown', nameStatus: 'temporary', reverseNameStatus: 'temporary' })
  assert.deepEqual(await name('192.0.2.5'),
    { name: 'unknown', reverseName: 'unknown', nameStatus: 'permanent', reverseNameStatus: 'permanent' })
})

/** A name server that knows no name and waits for `count` questions before it answers; the ports that they came from. */
async function startPatientServer(count: number): Promise<AsyncDisposable & { readonly server: string; readonly ports: number[] }> {
  const socket = createSocket('udp4')
  const ports: number[] = []
  const waiting: (() => void)[] = []
  socket.on('message', (bytes, { port, address }) => {
    ports.push(port)
    const answer = Buffer.from(bytes)
    answer.writeUInt16BE(0x8183, 2)
    answer.writeUInt16BE(0, 10)
    // The question ends where the additional record of 11 octets starts.
    waiting.push(() => socket.send(answer.subarray(0, -11), port, address))
    if (ports.length >= count) for (const send of waiting.splice(0).toReversed()) send()
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return {
    server: `127.0.0.1:${socket.address().port}`, ports,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  }
}

test('openResolver() asks a server on this machine over sockets that stay open, a limited number of questions on each', async () => {
  await using dns = await startPatientServer(100)
  const resolver = openResolver({ servers: [dns.server], timeoutMs: 5000 })
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => resolver.a(`name${i}.example`)))
  assert.ok(answers.every(({ kind }) => kind === 'notfound'))
  assert.deepEqual(answers.map((answer, i) => answer.kind === 'notfound' && answer.reason.includes(`name=name${i}.example `)), answers.map(() => true))
  const [first] = dns.ports
  assert.deepEqual([new Set(dns.ports).size, dns.ports.filter((port) => port === first).length], [2, 64])
  await resolver.a('again.example')
  assert.equal(dns.ports.at(-1), first)
})

test('openResolver() asks a server again that was not there', async () => {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  const resolver = openResolver({ servers: [`127.0.0.1:${port}`], timeoutMs: 5000 })
  const gone = await Promise.all([resolver.a('one.example'), resolver.a('two.example')])
  assert.deepEqual(gone.map(({ kind }) => kind), ['retry', 'retry'])
  const back = createSocket('udp4')
  back.on('message', (bytes, from) => {
    bytes.writeUInt16BE(0x8183, 2)
    bytes.writeUInt16BE(0, 10)
    back.send(bytes.subarray(0, -11), from.port, from.address)
  })
  await new Promise<void>((resolve) => back.bind(port, '127.0.0.1', resolve))
  const there = await resolver.a('one.example')
  await new Promise<void>((resolve) => back.close(() => resolve()))
  assert.equal(there.kind, 'notfound')
})

test('isOnThisMachine() holds for addresses that no packet from outside can have [RFC 1122 §3.2.1.3]', () => {
  assert.deepEqual(['127.0.0.1', '127.0.0.53', '::1'].map(isOnThisMachine), [true, true, true])
  assert.deepEqual(['10.0.0.1', '192.0.2.127', '::2', 'fe80::1', '::ffff:127.0.0.1'].map(isOnThisMachine), Array(5).fill(false))
})
