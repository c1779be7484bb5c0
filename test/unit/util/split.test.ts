/** Words of configuration values. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { balancedBraces, splitAtChars, splitOutsideBraces, stripBraces } from '#util/split.ts'

test('splitAtChars() gives the words between separators', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['', []],
    [' ,\t', []],
    ['a', ['a']],
    ['a, b\tc\n d,', ['a', 'b', 'c', 'd']],
  ]
  for (const [text, words] of cases) assert.deepEqual(splitAtChars(text), words, JSON.stringify(text))
  assert.deepEqual(splitAtChars('a:b c', ':'), ['a', 'b c'])
})

test('splitOutsideBraces() keeps braces and what is in them', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['a { b, c } d', ['a', '{ b, c }', 'd']],
    ['{a{b c}d} e', ['{a{b c}d}', 'e']],
    ['a } b', ['a', '}', 'b']],
    ['{ a b', ['{ a b']],
  ]
  for (const [text, words] of cases) assert.deepEqual(splitOutsideBraces(text), words, text)
})

test('stripBraces() gives the content or says what is wrong', () => {
  assert.equal(balancedBraces('{a{b}c}d'), 6)
  assert.equal(balancedBraces('{a'), undefined)
  assert.deepEqual(stripBraces('{ a, b }'), { kind: 'ok', text: 'a, b' })
  assert.equal(stripBraces('{ a').kind, 'error')
  assert.equal(stripBraces('{ a } b').kind, 'error')
})
