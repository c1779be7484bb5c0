/** Parts and forms of addresses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  externalAddress, internalAddress, isDotString, quoteLocal, splitAddress, splitExtension, stripExtension,
} from '#mail/address.ts'

test('splitAddress() cuts at the last @', () => {
  assert.deepEqual(splitAddress('a@b@c'), { local: 'a@b', domain: 'c' })
  assert.deepEqual(splitAddress('a'), { local: 'a', domain: undefined })
  assert.deepEqual(splitAddress('a@'), { local: 'a', domain: '' })
})

test('externalAddress() quotes local parts that RFC 5322 does not allow bare', () => {
  const cases = [
    ['', ''],
    ['user@example.com', 'user@example.com'],
    ['first.last@x', 'first.last@x'],
    ['a b@x', '"a b"@x'],
    ['a@b@x', '"a@b"@x'],
    ['.a@x', '".a"@x'],
    ['a.@x', '"a."@x'],
    ['a..b@x', '"a..b"@x'],
    ['@x', '""@x'],
    ['a"b\\c@x', '"a\\"b\\\\c"@x'],
    ['a\rb@x', '"a\\\rb"@x'],
    ['a%b!c@x', 'a%b!c@x'],
    ['ä@x', 'ä@x'],
    ['@a,@b:c d@x', '@a,@b:"c d"@x'],
    ['user', 'user'],
    ['a b', '"a b"'],
  ] as const
  for (const [internal, external] of cases) assert.equal(externalAddress(internal), external, internal)
})

test('internalAddress() takes quotes away before the last unquoted @', () => {
  const cases = [
    ['"a b"@x', 'a b@x'],
    ['"a@b"@x', 'a@b@x'],
    ['"a\\"b"@x', 'a"b@x'],
    ['""', ''],
    ['user@x', 'user@x'],
    ['a\\ b@x', 'a b@x'],
    ['a@"x"', 'a@"x"'],
    ['"a@x', 'a@x'],
    ['a\\', 'a'],
  ] as const
  for (const [external, internal] of cases) assert.equal(internalAddress(external), internal, external)
})

test('internalAddress() undoes externalAddress() for any local part', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (local) => {
    const internal = `${local}@example.com`
    // A leading @ with a colon is a source route, which has no local part of its own.
    fc.pre(!local.startsWith('@'))
    assert.equal(internalAddress(externalAddress(internal)), internal)
  }))
})

test('quoteLocal() and isDotString() agree', () => {
  for (const local of ['', 'a', 'a.b', '.', 'a b', 'ä']) {
    assert.equal(quoteLocal(local) === local, isDotString(local), local)
  }
})

test('splitExtension() cuts at the leftmost delimiter, and leaves special names whole', () => {
  const cases: readonly (readonly [string, string, string | undefined, string?])[] = [
    ['user+ext', 'user', 'ext'],
    ['user+a+b', 'user', 'a+b'],
    ['user-a+b', 'user', 'a+b', '+-'],
    ['user', 'user', undefined],
    ['+ext', '+ext', undefined],
    ['+a+b', '+a+b', undefined],
    ['user+', 'user', ''],
    ['Postmaster', 'Postmaster', undefined, 'm'],
    ['MAILER-DAEMON', 'MAILER-DAEMON', undefined, '-'],
    ['double-bounce', 'double-bounce', undefined, '-'],
    ['owner-list', 'owner-list', undefined, '-'],
    ['list-request', 'list-request', undefined, '-'],
    ['-request', '-request', undefined, '-'],
    ['list-x', 'list', 'x', '-'],
    ['user+ext', 'user+ext', undefined, ''],
  ]
  for (const [local, user, extension, delimiters = '+'] of cases) {
    const parts = splitExtension(local, delimiters, { doubleBounceSender: 'double-bounce' })
    assert.equal(parts.user, user, local)
    assert.equal(parts.extension, extension, local)
  }
  assert.equal(splitExtension('owner-list', '-', { ownerRequestSpecial: false }).extension, 'list')
})

test('stripExtension() keeps the delimiter with the extension', () => {
  assert.deepEqual(stripExtension('a+b@c', '+'), { address: 'a@c', extension: '+b' })
  assert.deepEqual(stripExtension('a@c+d', '+'), { address: 'a@c+d', extension: undefined })
  assert.deepEqual(stripExtension('a+b', '+'), { address: 'a', extension: '+b' })
})
