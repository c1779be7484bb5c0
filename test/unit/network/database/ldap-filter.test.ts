/** Search filters to bytes: see src/network/database/ldap-filter.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeFilter, FilterError } from '#network/database/ldap-filter.ts'
import { escapeDn, escapeFilter } from '#tables/database/ldap-escape.ts'

const hex = (text: string): string => Buffer.from(encodeFilter(text)).toString('hex')
const value = (text: string): string => Buffer.from(text).toString('hex')

test('encodeFilter() makes each kind of comparison [RFC 4511 §4.5.1.7, RFC 4515]', () => {
  const cases: readonly (readonly [text: string, bytes: string])[] = [
    ['(cn=ab)', `a3080402${value('cn')}0402${value('ab')}`],
    ['cn=ab', `a3080402${value('cn')}0402${value('ab')}`],
    ['(cn=*)', `8702${value('cn')}`],
    ['(cn>=a)', `a5070402${value('cn')}0401${value('a')}`],
    ['(cn<=a)', `a6070402${value('cn')}0401${value('a')}`],
    ['(cn~=a)', `a8070402${value('cn')}0401${value('a')}`],
    ['(cn=a*b*c)', `a40f0402${value('cn')}30098001${value('a')}8101${value('b')}8201${value('c')}`],
    ['(cn=*b*)', `a4090402${value('cn')}30038101${value('b')}`],
    ['(cn=a\\2ab)', `a3090402${value('cn')}0403${value('a*b')}`],
    ['(cn=a\\*b)', `a3090402${value('cn')}0403${value('a*b')}`],
    ['(2.5.4.3;lang-en=a)', `a314040f${value('2.5.4.3;lang-en')}0401${value('a')}`],
    ['(cn:=a)', `a9078202${value('cn')}8301${value('a')}`],
    ['(cn:dn:2.4:=a)', `a90f8103${value('2.4')}8202${value('cn')}8301${value('a')}8401ff`],
    ['(:2.4:=a)', `a9088103${value('2.4')}8301${value('a')}`],
    ['(&)', 'a000'],
    ['(!(a=*))', `a2038701${value('a')}`],
    [' ( & ( a=*) \n (|(b=*)\t) ) ', `a0088701${value('a')}a1038701${value('b')}`],
  ]
  for (const [text, bytes] of cases) assert.equal(hex(text), bytes, text)
})

test('encodeFilter() refuses what is no filter', () => {
  for (const text of ['', '(', ')', '()', '(a)', '(=a)', '(a=b', '(&(a=b)', '(!(a=b)(c=d))', '(!)', '((a=b))', '(a b=c)', '(a=b)(c=d)', '(a=\\zz)', '(a=\\)', '(a=**)', '(:=x)', '(a:b:c:=x)']) {
    assert.throws(() => encodeFilter(text), FilterError, text)
  }
  assert.throws(() => encodeFilter('(!'.repeat(10_000) + '(a=b)' + ')'.repeat(10_000)), FilterError)
})

const HOSTILE = ['*', ')(uid=*', '\\', '\\2a', 'a\0b', '((', '*)(|(a=*', 'ünï*', '"<>;,+=#', ' lead', 'x\r\ny']

test('escapeFilter() makes any key one value of one comparison [RFC 4515 §3]', () => {
  for (const key of HOSTILE) {
    const bytes = Buffer.from(encodeFilter(`(mail=${escapeFilter(key)})`))
    const expected = Buffer.from(key)
    assert.equal(bytes[0], 0xa3, key)
    assert.deepEqual(bytes.subarray(-expected.length), expected, key)
    assert.equal(bytes.length, 2 + 2 + 4 + 2 + expected.length)
  }
})

test('escapeDn() leaves nothing that has a meaning in a name [RFC 4514 §2.4]', () => {
  for (const key of HOSTILE) {
    const escaped = escapeDn(key)
    assert.doesNotMatch(escaped.replaceAll(/\\[\dA-F]{2}/g, ''), /[ "#+,;<=>\\\0]/, key)
  }
  assert.equal(escapeDn('a, b=c'), 'a\\2C\\20b\\3Dc')
})
