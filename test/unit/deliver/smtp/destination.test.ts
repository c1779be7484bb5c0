/** Next hops as text: see src/deliver/smtp/destination.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DestinationError, parseDestination, portNumber, splitNexthop } from '#deliver/smtp/destination.ts'
import { parseKnownPorts } from '#util/known-ports.ts'

const SMTP = { lmtp: false, defaultService: 'smtp' }

test('parseDestination() reads hosts, brackets and ports', () => {
  const cases = [
    ['example.com', 'example.com', 'smtp', true], ['example.com:587', 'example.com', '587', true],
    ['example.com:submission', 'example.com', 'submission', true], ['[mail.example.com]', 'mail.example.com', 'smtp', false],
    ['[mail.example.com]:25', 'mail.example.com', '25', false], ['[192.0.2.1]:2525', '192.0.2.1', '2525', false],
    ['[ipv6:2001:db8::1]:25', '2001:db8::1', '25', false], ['[2001:db8::1]', '2001:db8::1', 'smtp', false],
    ['2001:db8::1', '2001:db8::1', 'smtp', true], ['unix:/x', 'unix', '/x', true],
  ] as const
  for (const [text, host, service, plain] of cases) {
    assert.deepEqual(parseDestination(text, SMTP), { kind: 'inet', text, host, service, plain }, text)
  }
})

test('parseDestination() knows sockets and inet: with LMTP only', () => {
  const options = { lmtp: true, defaultService: '24' }
  assert.deepEqual(parseDestination('unix:private/lmtp', options), { kind: 'unix', path: 'private/lmtp' })
  assert.deepEqual(parseDestination('inet:host:2003', options), { kind: 'inet', text: 'host:2003', host: 'host', service: '2003', plain: true })
})

test('parseDestination() refuses what makes no sense', () => {
  for (const bad of ['[host', '[host]x', '[]', ':25']) assert.throws(() => parseDestination(bad, SMTP), DestinationError, bad)
})

test('splitNexthop() puts the fallback relay behind the elements of the next hop', () => {
  assert.deepEqual(splitNexthop('a.example, b.example:26', '[relay]', false), { sites: ['a.example', 'b.example:26', '[relay]'], fallbackFrom: 2 })
  assert.deepEqual(splitNexthop('unix:/a b', '[relay]', true), { sites: ['unix:/a b'], fallbackFrom: 1 })
})

test('portNumber() takes numbers and the names of known_tcp_ports', () => {
  const known = parseKnownPorts('lmtp=24, smtp=25, smtps=submissions=465, broken')
  for (const [service, port] of [['smtp', 25], ['SUBMISSIONS', 465], ['2525', 2525], ['65535', 65535]] as const) {
    assert.equal(portNumber(service, known, 'x'), port)
  }
  assert.throws(() => portNumber('0', known, 'host:0'), { message: 'bad network port: 0 for destination: host:0' })
  assert.throws(() => portNumber('65536', known, 'x'), DestinationError)
  assert.throws(() => portNumber('gopher', known, 'x'), { message: 'unknown service: gopher/tcp' })
})
