/** Status codes, replies, dates, xtext, DSN parameters. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ctime, rfc5322Date } from '#mail/date.ts'
import { formatNotify, formatOrcpt, parseNotify, parseOrcpt, parseRet } from '#mail/dsn-parameters.ts'
import { formatReply, parseReply, replyLine, softenReply } from '#mail/reply.ts'
import { isStatus, parseStatus, splitStatus, statusForReply, withClass } from '#mail/status.ts'
import { decodeXtext, encodeXtext } from '#mail/xtext.ts'

test('parseStatus() takes a status code at the start of a text [RFC 3463 §2]', () => {
  assert.deepEqual(parseStatus('5.7.1 no'), { status: '5.7.1', rest: 'no' })
  assert.deepEqual(parseStatus('4.1.10'), { status: '4.1.10', rest: '' })
  for (const text of ['3.7.1 x', '5.7 x', '5.7.1x', '5.7.1.2', ' 5.7.1', '5.7.1000', '']) {
    assert.equal(parseStatus(text), undefined, text)
  }
  assert.ok(isStatus('2.0.0') && !isStatus('2.0.0 '))
  assert.deepEqual(splitStatus('5.7.1', ' text'), { status: '5.7.1', rest: 'text' })
  assert.equal(withClass('5.7.1', 450), '4.7.1')
})

test('statusForReply() follows the code where the text has none or another class [RFC 2034 §4]', () => {
  assert.equal(statusForReply(550, '5.1.1 unknown'), '5.1.1')
  assert.equal(statusForReply(450, '5.1.1 unknown'), '4.0.0')
  assert.equal(statusForReply(250, 'Ok'), '2.0.0')
  assert.equal(statusForReply(554, 'no'), '5.0.0')
})

test('formatReply() marks all lines but the last [RFC 5321 §4.2.1]', () => {
  assert.equal(formatReply({ code: 250, status: '2.0.0', text: 'Ok' }), '250 2.0.0 Ok')
  assert.equal(formatReply({ code: 250, text: ['a', 'b'] }), '250-a\r\n250 b')
  assert.equal(formatReply({ code: 550, status: '5.7.1', text: 'a\r\nb' }), '550-5.7.1 a\r\n550 5.7.1 b')
  assert.equal(formatReply({ code: 354, text: [] }), '354')
})

test('parseReply(), replyLine(), softenReply() handle code and class together', () => {
  assert.deepEqual(parseReply('550 5.1.1 no such user'), { code: 550, status: '5.1.1', text: 'no such user' })
  assert.deepEqual(parseReply('250-SIZE'), { code: 250, status: undefined, text: 'SIZE' })
  assert.equal(parseReply('hello'), undefined)
  assert.equal(replyLine(450, '5.7.1', 'x'), '450 4.7.1 x')
  assert.equal(softenReply('554 5.7.1 no'), '454 4.7.1 no')
  assert.equal(softenReply('501 Syntax'), '401 Syntax')
  assert.equal(softenReply('550-5.7.1 a\r\n550 5.7.1 b'), '450-4.7.1 a\r\n450 4.7.1 b')
  assert.equal(softenReply('250 2.0.0 Ok'), '250 2.0.0 Ok')
})

test('rfc5322Date() and ctime() pad the day with a blank', () => {
  const date = new Date(Date.UTC(2026, 10, 6, 9, 5, 7))
  const zone = { offsetMinutes: -330, name: 'XST' }
  assert.equal(rfc5322Date(date, { offsetMinutes: 0, name: 'UTC' }), 'Fri, 06 Nov 2026 09:05:07 +0000 (UTC)')
  assert.equal(rfc5322Date(date, zone), 'Fri, 06 Nov 2026 03:35:07 -0530 (XST)')
  assert.equal(ctime(date, { offsetMinutes: 0, name: 'UTC' }), 'Fri Nov  6 09:05:07 2026')
})

test('encodeXtext() and decodeXtext() are inverse [RFC 3461 §4]', () => {
  assert.equal(encodeXtext('a+b=c d'), 'a+2Bb+3Dc+20d')
  assert.equal(decodeXtext('a+2bb+20'), 'a+b ')
  for (const text of ['a+', 'a+2', 'a+zz', '+FF']) assert.equal(decodeXtext(text), undefined, text)
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => assert.equal(decodeXtext(encodeXtext(text)), text)))
})

test('parseNotify() and parseRet() take what RFC 3461 allows', () => {
  const cases = [
    ['NEVER', 1], ['success,Delay', 10], ['FAILURE', 4], ['NEVER,DELAY', undefined], ['', undefined], ['x', undefined],
  ] as const
  for (const [text, bits] of cases) assert.equal(parseNotify(text), bits, text)
  assert.equal(formatNotify(10), 'SUCCESS,DELAY')
  assert.equal(parseRet('full'), 1)
  assert.equal(parseRet('HDRS'), 2)
  assert.equal(parseRet('half'), undefined)
})

test('parseOrcpt() decodes by address type [RFC 3461 §4.2, RFC 6533 §3]', () => {
  assert.deepEqual(parseOrcpt('rfc822;a+2Bb@x'), { type: 'rfc822', address: 'a+b@x' })
  assert.deepEqual(parseOrcpt('utf-8;\\x{E4}@x'), { type: 'utf-8', address: 'ä@x' })
  for (const text of ['rfc822', ';x', 'rfc822;', 'rfc822;a b', 'utf-8;\\x{110000}']) {
    assert.equal(parseOrcpt(text), undefined, text)
  }
  assert.equal(formatOrcpt('rfc822', 'a+b@x'), 'rfc822;a+2Bb@x')
})
