/** Text of main.cf: see src/config/main-cf.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '#config/error.ts'
import { parseMainCf, splitNameValue } from '#config/main-cf.ts'

const valuesOf = (text: string) => Object.fromEntries(parseMainCf(text, 'main.cf').values)

test('parseMainCf() joins lines that start with white space, over comments and empty lines', () => {
  assert.deepEqual(valuesOf('a = 1\n  2\n# c\n  # d\n\n \t3\nb=x \n'), { a: '1  2 \t3', b: 'x' })
})

test('parseMainCf() takes # for a comment only at the start of a line', () => {
  assert.deepEqual(valuesOf('a = b # c\n#a = d\n'), { a: 'b # c' })
})

test('parseMainCf() lets the last definition win and warns where it differs', () => {
  const { values, warnings } = parseMainCf('a = 1\nb = 2\n\na =\n 3\nb = 2\n', 'main.cf')
  assert.deepEqual(Object.fromEntries(values), { a: '3', b: '2' })
  assert.deepEqual(warnings, ['main.cf, line 4: overriding earlier entry: a=1'])
})

test('parseMainCf() skips a first line that starts with white space, with a warning', () => {
  const { values, warnings } = parseMainCf(' relayhost = xxxxxxxxxxxxxxxxxxxxxxxxxx\nb = 1', 'main.cf')
  assert.deepEqual(Object.fromEntries(values), { b: '1' })
  const start = ' relayhost = xxxxxxxxxxxxxxxxx...'
  assert.deepEqual(warnings, [`main.cf: logical line must not start with whitespace: "${start}"`])
})

test('parseMainCf() refuses a line without a name or without =, and names it', () => {
  const cases = [
    ['\n\nfoo\n bar\nx = 1', `main.cf, line 3: missing '=' after attribute name: "foo bar"`],
    ['= foo', 'main.cf, line 1: missing attribute name: "= foo"'],
    ['foo bar = x', `main.cf, line 1: missing '=' after attribute name: "foo bar = x"`],
  ] as const
  for (const [text, message] of cases) assert.throws(() => parseMainCf(text, 'main.cf'), new ConfigError(message))
})

test('splitNameValue() drops white space around both sides and keeps = in the value', () => {
  assert.deepEqual(splitNameValue(' a =  b = c '), { name: 'a', value: 'b = c' })
  assert.deepEqual(splitNameValue('a='), { name: 'a', value: '' })
})
