/** Header lines and names. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerInfo, headerNameLength, headerValue, normalizeHeaderLine, parseHeaderName } from '#mail/header.ts'
import { HeaderScanner, MIME_SPECIALS } from '#mail/header-tokens.ts'

test('headerNameLength() knows names, blanks before the colon, and other lines [RFC 5322 §2.2, §4.5]', () => {
  const cases = [
    ['To: x', 2], ['X-A_b!:', 6], ['To : x', 2], ['To\t:x', 2], [': x', 0], ['To x: y', 0], [' To: x', 0], ['', 0],
    ['From ', 0], ['Ä: x', 0], ['a\u0001: x', 0],
  ] as const
  for (const [line, length] of cases) assert.equal(headerNameLength(line), length, line)
  assert.equal(parseHeaderName('To : x'), 'To')
  assert.equal(normalizeHeaderLine('To  : x'), 'To: x')
  assert.equal(normalizeHeaderLine('no header'), undefined)
})

test('headerInfo() classifies names whatever their case', () => {
  assert.equal(headerInfo('fROM: x')?.name, 'From')
  assert.equal(headerInfo('from')?.kind, 'sender')
  assert.equal(headerInfo('Resent-To: x')?.resent, true)
  assert.equal(headerInfo('resent-reply-to')?.extract, false)
  assert.equal(headerInfo('content-type :x')?.mime, true)
  assert.equal(headerInfo('X-Other: y'), undefined)
  assert.equal(headerValue('To: a:b'), ' a:b')
})

test('HeaderScanner gives tokens up to a terminator, without comments', () => {
  const scanner = new HeaderScanner('text/plain (note; \\) (nested)); charset="a\\"b"; x', MIME_SPECIALS)
  assert.deepEqual(scanner.next(3, ';')?.map((token) => token.text), ['text', '/', 'plain'])
  assert.deepEqual(scanner.next(3, ';')?.map((token) => token.text), ['charset', '=', 'a"b'])
  assert.deepEqual(scanner.next(3, ';')?.map((token) => token.text), ['x'])
  assert.equal(scanner.next(3, ';'), undefined)
})
