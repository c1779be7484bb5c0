/** cidr tables and address ranges: see src/tables/cidr.ts, address-range.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress, parseAddress, parseRange } from '#tables/address-range.ts'
import { captureLog } from '#test/support/log.ts'
import { lookups, tableFolder } from '#test/support/tables.ts'

test('parseRange() reads addresses and networks, or says what is wrong [RFC 4291 §2.2]', () => {
  const good = ['1.2.3.4', '1.2.3.0/24', '0.0.0.0/0', '[1.2.3.4]', '::1', '[2001:db8::]/32', '::ffff:1.2.3.4']
  for (const text of good) assert.equal(parseRange(text).kind, 'ok', text)
  const bad: readonly (readonly [string, string])[] = [
    ['1.2.3', 'bad address pattern: "1.2.3"'],
    ['01.2.3.4', 'bad address pattern: "01.2.3.4"'],
    ['1.2.3.4/24', 'non-null host address bits in "1.2.3.4/24", perhaps you should use "1.2.3.0/24" instead'],
    ['2001:db8::1/32', 'non-null host address bits in "2001:db8::1/32", perhaps you should use "2001:db8::/32" instead'],
    ['1.2.3.4/33', 'bad mask length in "1.2.3.4/33"'],
    ['1.2.3.4/', 'bad mask value in "1.2.3.4/"'],
    ['fe80::1%eth0', 'bad address pattern: "fe80::1%eth0"'],
  ]
  for (const [text, reason] of bad) assert.deepEqual(parseRange(text), { kind: 'error', reason })
})

test('formatAddress() shortens the longest run of zeros [RFC 5952 §4.2]', () => {
  for (const text of ['::', '::1', '2001:db8::1', '1:0:0:2::3', '2001:db8:0:1:1:1:1:1', '10.0.255.1']) {
    assert.equal(formatAddress(parseAddress(text) ?? []), text)
  }
})

const RULES = [
  '1.2.3.0/24 a', '!1.2.0.0/16 notb', 'if 1.2.0.0/16', '1.2.5.5 c', '!1.2.6.0/24 d', 'endif', '1.2.3.4/24 x',
  '[2001:db8::]/32 v6', '1.2.3 z', '1.2.3.4', 'endif', '1.2.3.4/33 x', '',
].join('\n')

test('cidr: the first range that holds the address answers; a range says nothing about the other family', async () => {
  using folder = tableFolder()
  const path = folder.write('c', RULES)
  using log = captureLog()
  const keys = ['1.2.3.4', '1.2.5.5', '1.2.6.1', '1.2.7.7', '9.9.9.9', '2001:DB8::5', 'foo', '']
  assert.deepEqual(await lookups(`cidr:${path}`, keys), ['a', 'c', undefined, 'd', 'notb', 'v6', undefined, undefined])
  assert.deepEqual(log.texts().map((text) => text.slice(`warning: cidr map ${path}, `.length)), [
    'line 7: non-null host address bits in "1.2.3.4/24", perhaps you should use "1.2.3.0/24" instead: skipping this rule',
    'line 9: bad address pattern: "1.2.3": skipping this rule',
    'line 10: no lookup result: skipping this rule',
    'line 11: ENDIF without IF: skipping this rule',
    'line 12: bad mask length in "1.2.3.4/33": skipping this rule',
  ])
})

test('cidr: rules in place of a file name', async () => {
  assert.deepEqual(await lookups('cidr:{{1.2.3.0/24 a}, {1.2.4.0/24   b c  }}', ['1.2.3.9', '1.2.4.4']), ['a', 'b c'])
})
