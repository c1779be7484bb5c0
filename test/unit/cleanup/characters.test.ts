/** Bytes that content may not have. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteSet, containsAny, unescapeBytes, withoutBytes, withoutStrayLineEnds } from '#cleanup/characters.ts'

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))

test('unescapeBytes() knows the escapes of C', () => {
  const cases = [
    ['abc', [97, 98, 99]], [String.raw`\0`, [0]], [String.raw`\n\r\t\a\b\f\v`, [10, 13, 9, 7, 8, 12, 11]],
    [String.raw`\\x`, [92, 120]], [String.raw`\1234`, [83, 52]], ['\\', [92]], [String.raw`\200`, [128]], ['ö', [195, 182]],
  ] as const
  for (const [text, expected] of cases) assert.deepEqual([...unescapeBytes(text)], expected, text)
})

test('byteSet() of nothing is no set; others find and remove bytes', () => {
  assert.equal(byteSet(bytes('')), undefined)
  const set = byteSet(bytes('x\0'))
  assert.ok(set)
  assert.equal(containsAny(bytes('abc'), set), false)
  assert.equal(containsAny(bytes('ab\0'), set), true)
  assert.equal(Buffer.from(withoutBytes(bytes('axb\0c'), set)).toString(), 'abc')
})

test('withoutStrayLineEnds() replaces CR and LF inside a line by blanks', () => {
  assert.equal(Buffer.from(withoutStrayLineEnds(bytes('a\rb\nc\r\n'))).toString(), 'a b c  ')
  const plain = bytes('abc')
  assert.equal(withoutStrayLineEnds(plain), plain)
})
