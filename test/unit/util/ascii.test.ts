/** ASCII case and printable text. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asciiLower, asciiUpper, equalsIgnoreCase, foldCase, isAscii, isDigits } from '#util/ascii.ts'
import { printable, printableAscii } from '#util/printable.ts'

test('asciiLower() and asciiUpper() change letters of ASCII only', () => {
  assert.equal(asciiLower('AbZ-09'), 'abz-09')
  assert.equal(asciiLower('ÄA\u212aK'), 'Äa\u212ak')
  assert.equal(asciiUpper('äb'), 'äB')
  assert.equal(foldCase('ÄA'), 'äa')
})

test('equalsIgnoreCase(), isAscii(), isDigits() tell what they say', () => {
  assert.ok(equalsIgnoreCase('Ab', 'aB'))
  assert.ok(!equalsIgnoreCase('Ab', 'aBc'))
  assert.ok(!equalsIgnoreCase('Ä', 'ä'))
  assert.ok(isAscii('a~') && !isAscii('ä'))
  assert.ok(isDigits('0123') && !isDigits('') && !isDigits('1a'))
})

test('printable() replaces controls, printableAscii() also what is not ASCII', () => {
  assert.equal(printable('a\r\nb\u007fä'), 'a??b?ä')
  assert.equal(printable('a\tb', ' '), 'a b')
  assert.equal(printableAscii('aäb\n'), 'a?b?')
  assert.equal(printable('a\nb', '$&'), 'a$&b')
})
