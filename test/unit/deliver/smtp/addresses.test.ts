/** Order and limits of server addresses: see src/deliver/smtp/addresses.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { orderAddresses, withoutSelf, type OrderOptions, type ServerAddress } from '#deliver/smtp/addresses.ts'

/** `10:192.0.2.1` */
function list(...words: readonly string[]): ServerAddress[] {
  return words.map((word) => {
    const colon = word.indexOf(':')
    return { host: 'h', preference: Number(word.slice(0, colon)), address: word.slice(colon + 1) }
  })
}

function addresses(of: readonly ServerAddress[]): string[] {
  return of.map(({ address }) => address)
}

const PLAIN: OrderOptions = { shuffle: false, family: 'any', balance: false, addressLimit: 5, random: () => 0 }

test('orderAddresses() sorts by preference and keeps the order within one [RFC 5321 §5.1]', () => {
  const given = list('20:192.0.2.3', '10:192.0.2.2', '10:192.0.2.1', '5:192.0.2.4')
  assert.deepEqual(addresses(orderAddresses(given, PLAIN)), ['192.0.2.4', '192.0.2.2', '192.0.2.1', '192.0.2.3'])
})

test('orderAddresses() shuffles within a preference, by the numbers drawn', () => {
  const given = list('10:192.0.2.1', '10:192.0.2.2', '10:192.0.2.3', '20:192.0.2.4')
  // Drawing 0 each time gives 2, 3, 4, 1; sorting then puts 4 last.
  const zero = orderAddresses(given, { ...PLAIN, shuffle: true, random: () => 0 })
  assert.deepEqual(addresses(zero), ['192.0.2.2', '192.0.2.3', '192.0.2.1', '192.0.2.4'])
  assert.deepEqual(addresses(orderAddresses(given, { ...PLAIN, shuffle: true, random: (limit) => limit - 1 })), addresses(given))
})

test('orderAddresses() puts the preferred family first, but never a worse preference', () => {
  const given = list('10:192.0.2.1', '10:2001:db8::1', '20:2001:db8::2', '20:192.0.2.2')
  assert.deepEqual(addresses(orderAddresses(given, { ...PLAIN, family: 'ipv6' })), ['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2'])
  assert.deepEqual(addresses(orderAddresses(given, { ...PLAIN, family: 'ipv4' })), ['192.0.2.1', '2001:db8::1', '192.0.2.2', '2001:db8::2'])
})

function six(n: number): string[] {
  return Array.from({ length: n }, (_, i) => `10:2001:db8::${i + 1}`)
}

function four(n: number): string[] {
  return Array.from({ length: n }, (_, i) => `10:192.0.2.${i + 1}`)
}

/** How many of each family are left: IPv4+IPv6. */
function count(given: readonly string[], addressLimit: number): string {
  const out = orderAddresses(list(...given), { ...PLAIN, balance: true, addressLimit })
  const ipv6 = out.filter(({ address }) => address.includes(':')).length
  return `${out.length - ipv6}+${ipv6}`
}

test('orderAddresses() leaves each family its share of the address limit', () => {
  assert.equal(count([...six(8), ...four(1)], 5), '1+4')
  assert.equal(count([...six(1), ...four(8)], 5), '4+1')
  assert.equal(count([...six(8), ...four(8)], 5), '2+3')
  assert.equal(count([...four(8), ...six(8)], 5), '3+2')
  assert.equal(count([...six(2), ...four(2)], 5), '2+2')
  assert.equal(count(six(8), 5), '0+8')
  assert.equal(count([...six(8), ...four(8)], 0), '8+8')
})

test('withoutSelf() drops this machine and all that is no better [RFC 5321 §5.1]', () => {
  const given = list('5:192.0.2.1', '10:192.0.2.2', '10:192.0.2.3', '20:192.0.2.4')
  assert.deepEqual(withoutSelf(given, new Set(['198.51.100.1'])), { kind: 'clear', list: given })
  const check = withoutSelf(given, new Set(['192.0.2.3']))
  assert.equal(check.kind, 'self')
  assert.deepEqual(addresses(check.list), ['192.0.2.1'])
  assert.deepEqual(withoutSelf(given, new Set(['192.0.2.1'])).list, [])
})
