/** Address lists: what is kept, what is rewritten, how it is folded. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  addressesOf, addressText, formatAddressHeader, formatAddressList, parseAddressList, rewriteAddressList,
} from '#mail/address-list.ts'

test('addressesOf() finds the addresses and nothing else', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['', []],
    ['a@b', ['a@b']],
    ['a@b, c@d', ['a@b', 'c@d']],
    ['Joe Q. Public <a@b>', ['a@b']],
    ['"Last, First" <a@b>, c', ['a@b', 'c']],
    ['<>', []],
    ['(comment) a@b (more (nested))', ['a@b']],
    ['group: a@b, c@d; e@f', ['a@b', 'c@d', 'e@f']],
    ['group:;', []],
    ['undisclosed-recipients:;', []],
    ['a@b c@d', ['a@b', 'c@d']],
    ['first last', ['first', 'last']],
    ['<@a,@b:c@d>', ['@a,@b:c@d']],
    ['"a b"@c', ['"a b"@c']],
    ['a@[1.2.3.4]', ['a@[1.2.3.4]']],
    ['a%b@c, d!e', ['a%b@c', 'd!e']],
    ['x <y (z) @w>', ['y@w']],
    ['a,,b,', ['a', 'b']],
    ['a\\,b@c', ['"a,b"@c']],
  ]
  for (const [value, addresses] of cases) assert.deepEqual(addressesOf(value), addresses, value)
})

test('formatAddressList() writes back phrases, comments, groups, and adds missing commas', () => {
  const cases = [
    ['a@b,c@d', 'a@b, c@d'],
    ['"Joe \\"Q\\"" <a@b>', '"Joe \\"Q\\"" <a@b>'],
    ['Joe   Public<a@b>', 'Joe Public <a@b>'],
    ['a@b(Bob)', 'a@b (Bob)'],
    ['(Bob) a@b', 'a@b (Bob)'],
    ['a@b c@d', 'a@b, c@d'],
    ['g:a,b;c', 'g: a, b;, c'],
    ['<>', '<>'],
    ['a b@c', 'a, b@c'],
    ['"a.b"@c', 'a.b@c'],
    ['a @ b . c', 'a@b.c'],
    ['grp: <a@b>', 'grp: <a@b>'],
    ['<a@b>:c <d@e>', '<a@b>:c <d@e>'],
  ] as const
  for (const [value, expected] of cases) assert.equal(formatAddressList(parseAddressList(value)), expected, value)
})

test('formatAddressList() drops comments and phrases that are too long', () => {
  const stripped: string[] = []
  const list = parseAddressList(`a@b, ${'x'.repeat(260)} <c@d>`)
  assert.equal(formatAddressList(list, { onStripped: (start) => stripped.push(start) }), 'a@b, <c@d>')
  assert.deepEqual(stripped, ['x'.repeat(100)])
})

const rewrite = (address: string): string => (address.includes('@') ? address : `${address}@example.org`)

test('rewriteAddressList() changes addresses, or says that nothing changed', () => {
  assert.equal(rewriteAddressList('a@b  ,c@d', rewrite), undefined)
  const list = rewriteAddressList('alice,bob (Bob), "X Y" <x.y>, carol@example.com', rewrite)
  assert.ok(list !== undefined)
  assert.equal(
    formatAddressList(list), 'alice@example.org, bob@example.org (Bob), "X Y" <x.y@example.org>, carol@example.com',
  )
  assert.deepEqual(
    list.addresses.map(addressText), ['alice@example.org', 'bob@example.org', 'x.y@example.org', 'carol@example.com'],
  )
})

test('formatAddressHeader() fills lines below 70 characters and starts the others with a TAB', () => {
  const value = 'alice@example.org, bob@example.org (Bob), "X Y" <x.y@example.org>, carol@example.com,'
    + ' dave@example.com, eve@example.com'
  assert.equal(
    formatAddressHeader('To', parseAddressList(value)),
    'To: alice@example.org, bob@example.org (Bob),\n\t"X Y" <x.y@example.org>, carol@example.com, dave@example.com,'
      + '\n\teve@example.com',
  )
  assert.equal(formatAddressHeader('To', parseAddressList('a@b')), 'To: a@b')
})

test('formatAddressList() writes well-formed lists in the form that it reads unchanged', () => {
  const mailbox = fc.constantFrom(
    'a@b', '"q p" <c@d>', 'e@f (g)', 'Ann Other <h@i>', '<j>', '"k l"@m', 'n@[1.2.3.4]', 'g: a@b, c;', 'é@ö',
  )
  fc.assert(fc.property(fc.array(mailbox, { maxLength: 8 }), (mailboxes) => {
    const text = mailboxes.join(', ')
    assert.equal(formatAddressList(parseAddressList(text)), text)
  }))
})

test('parseAddressList() stops at its limit of tokens', () => {
  assert.equal(parseAddressList('a,b,c,d', 3).addresses.length, 2)
})
