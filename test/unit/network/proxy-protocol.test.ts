/** Headers of proxies: see src/network/proxy-protocol.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProxyHeader } from '#network/proxy-protocol.ts'

const v1 = (text: string): ReturnType<typeof parseProxyHeader> => parseProxyHeader(Buffer.from(text))
const v2 = (hex: string): ReturnType<typeof parseProxyHeader> => parseProxyHeader(
  Buffer.from(`0d0a0d0a000d0a515549540a${hex}`.replaceAll(' ', ''), 'hex'),
)

test('parseProxyHeader() reads version 1', () => {
  assert.deepEqual(v1('PROXY TCP4 192.0.2.7 192.0.2.1 41562 25\r\nEHLO x\r\n'), {
    kind: 'proxied', length: 41, addresses: {
      clientAddress: '192.0.2.7', clientPort: 41_562, serverAddress: '192.0.2.1', serverPort: 25,
    },
  })
  assert.equal(v1('PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n').kind, 'proxied')
  assert.equal(v1('PRO').kind, 'more')
  assert.equal(v1('PROXY TCP4 192.0.2.7').kind, 'more')
  const errors: readonly (readonly [string, string])[] = [
    ['EHLO x\r\n', 'unrecognized protocol header'],
    ['PROXY UNKNOWN\r\n', 'bad or missing protocol type'],
    ['PROXY TCP4 2001:db8::7 192.0.2.1 1 2\r\n', 'bad or missing client address'],
    ['PROXY TCP4 192.0.2.7 x 1 2\r\n', 'bad or missing server address'],
    ['PROXY TCP4 192.0.2.7 192.0.2.1 99999 2\r\n', 'bad or missing client port'],
    ['PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n', 'bad or missing server port'],
    [`PROXY ${'x'.repeat(200)}`, 'missing protocol header terminator'],
  ]
  for (const [text, reason] of errors) assert.deepEqual(v1(text), { kind: 'error', reason }, text)
})

test('parseProxyHeader() reads version 2', () => {
  assert.deepEqual(v2('21 11 000c c0000207 c0000201 a25a 0019'), {
    kind: 'proxied', length: 28, addresses: {
      clientAddress: '192.0.2.7', clientPort: 41_562, serverAddress: '192.0.2.1', serverPort: 25,
    },
  })
  const ipv6 = v2('21 21 0024 20010db8000000000000000000000007 20010db8000000000000000000000001 0001 0002')
  assert.deepEqual(ipv6.kind === 'proxied' && ipv6.addresses.clientAddress, '2001:db8:0:0:0:0:0:7')
  assert.deepEqual(v2('20 00 0000'), { kind: 'local', length: 16 })
  assert.deepEqual(
    v2('21 11 000f c0000207 c0000201 a25a 0019 040000').kind, 'proxied', 'what follows the addresses is left out',
  )
  assert.equal(v2('21 11 000c c0').kind, 'more')
  assert.deepEqual(v2('11 11 000c'), { kind: 'error', reason: 'unrecognized protocol version' })
  assert.deepEqual(v2('21 31 0000'), { kind: 'error', reason: 'unsupported network protocol' })
  assert.deepEqual(v2('21 11 0004 c0000207'), { kind: 'error', reason: 'short protocol header' })
  assert.deepEqual(v2('21 11 ffff'), { kind: 'error', reason: 'protocol header too long' })
})
