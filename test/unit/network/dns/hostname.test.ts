/** Host names and addresses as text: see src/network/dns/hostname.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalAddress, isValidHostname, reverseName, sameAddress } from '#network/dns/hostname.ts'

test('isValidHostname() takes host names and nothing else [RFC 1123 §2.1]', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['example.com', true], ['a', true], ['_dmarc.example.com', true], ['3com.com', true], ['x-y', true],
    ['', false], ['.', false], ['example.com.', false], ['a..b', false], ['.a', false], ['-a.b', false], ['a-.b', false],
    ['1.2.3.4', false], ['12', false], ['a b', false], ['a:b', false], ['é.fr', false],
    ['a'.repeat(63), true], ['a'.repeat(64), false], [`${'a.'.repeat(127)}a`, true], [`${'a.'.repeat(128)}a`, false],
  ]
  for (const [name, expected] of cases) assert.equal(isValidHostname(name), expected, name)
})

test('reverseName() turns addresses around [RFC 1035 §3.5, RFC 3596 §2.5]', () => {
  assert.equal(reverseName('192.0.2.1'), '1.2.0.192.in-addr.arpa')
  const rest = '0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'
  assert.equal(reverseName('2001:db8::1'), `1.${rest}`)
  assert.equal(reverseName('::ffff:192.0.2.1')?.slice(0, 16), '1.0.2.0.0.0.0.c.')
  assert.equal(reverseName('example.com'), undefined)
})

test('sameAddress() sees through the spellings of IPv6', () => {
  assert.ok(sameAddress('2001:db8::1', '2001:0DB8:0:0:0:0:0:1'))
  assert.ok(sameAddress('::ffff:192.0.2.1', '192.0.2.1'))
  assert.ok(!sameAddress('192.0.2.1', '192.0.2.2'))
  assert.equal(canonicalAddress('::'), '0:0:0:0:0:0:0:0')
})
