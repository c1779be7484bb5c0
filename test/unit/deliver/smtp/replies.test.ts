/** Replies and what they come to: see src/deliver/smtp/failure.ts and capabilities.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { discardedWords, parseCapabilities, parseDiscard } from '#deliver/smtp/capabilities.ts'
import { isProtocolError, parseServerReply, refused, refusedToTalk } from '#deliver/smtp/failure.ts'

test('parseServerReply() takes the status code of the last line, if its class fits [RFC 2034 §4]', () => {
  const cases = [
    ['250 ok', 250, '2.0.0'], ['250 2.1.5 ok', 250, '2.1.5'], ['450-4.1.1 a\n450 4.2.2 b', 450, '4.2.2'], ['550 4.1.1 odd', 550, '5.0.0'],
    ['550', 550, '5.0.0'], ['550 5.7.1', 550, '5.7.1'], ['354 go', 354, '5.5.0'], ['099 x', 99, '5.5.0'], ['garbage', 0, '5.5.0'],
    ['2500 x', 0, '5.5.0'], ['', 0, '5.5.0'], ['552 5.3.4.9 x', 552, '5.0.0'],
  ] as const
  for (const [raw, code, dsn] of cases) {
    assert.deepEqual(parseServerReply(raw), { code, dsn, text: raw.replaceAll('\n', ' ') }, raw)
  }
})

test('refused() and refusedToTalk() have the words that log readers know', () => {
  const reply = parseServerReply('550 5.7.1 no')
  assert.deepEqual(refused('mx', 'mx[192.0.2.1]', reply, 'dot'), {
    dsn: '5.7.1', reason: 'host mx[192.0.2.1] said: 550 5.7.1 no (in reply to end of DATA command)', mta: 'mx', diagnostic: '550 5.7.1 no',
  })
  assert.equal(refusedToTalk('mx', 'mx[192.0.2.1]', reply, true).dsn, '4.7.1')
  assert.equal(refusedToTalk('mx', 'mx[192.0.2.1]', reply, false).reason, 'host mx[192.0.2.1] refused to talk to me: 550 5.7.1 no')
  assert.equal(refused('mx', 'mx', parseServerReply('250 odd'), 'data').reason, 'Protocol error: host mx said: 250 odd (in reply to DATA command)')
})

test('isProtocolError() picks the replies that say we broke the rules [RFC 5321 §4.2.4]', () => {
  const codes = [[250, true], [354, true], [450, false], [500, true], [509, true], [510, false], [550, false], [555, true], [600, true]] as const
  for (const [code, expected] of codes) assert.equal(isProtocolError({ code, dsn: '', text: '' }), expected, String(code))
})

test('parseCapabilities() reads keywords and their values, in any case', () => {
  const raw = ['250-Mx.Example greets you', '250-pipelining', '250-SIZE 1000', '250-AUTH PLAIN login', '250-AUTH=CRAM-MD5', '250-XFORWARD NAME addr', '250 SMTPUTF8'].join('\n')
  const all = parseCapabilities(raw, parseDiscard(''))
  assert.equal(all.name, 'Mx.Example')
  assert.deepEqual([all.pipelining, all.size, all.sizeLimit, all.eightBitMime, all.smtpUtf8, all.dsn], [true, true, 1000, true, true, false])
  assert.deepEqual(all.auth, ['PLAIN', 'LOGIN', 'CRAM-MD5'])
  assert.deepEqual([...all.xforward], ['NAME', 'ADDR'])
  const discard = parseDiscard('pipelining, size silent-discard')
  assert.equal(discard.silent, true)
  assert.equal(discardedWords(discard), 'PIPELINING SIZE')
  const some = parseCapabilities(raw, discard)
  assert.deepEqual([some.pipelining, some.size, some.smtpUtf8], [false, false, true])
  assert.equal(parseCapabilities('250-x\n250 SIZE many', parseDiscard('')).badSize, 'many')
})
