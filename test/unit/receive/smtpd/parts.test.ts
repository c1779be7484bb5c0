/** Small parts of smtpd: words, keywords, counters, headers, footers, addresses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressOf } from '#receive/smtpd/address.ts'
import { CommandCounters, counterOf } from '#receive/smtpd/counters.ts'
import { withFooter } from '#receive/smtpd/footer.ts'
import { InputLines } from '#receive/smtpd/input-lines.ts'
import { discardedNames, discardMask, ehloReply, type Offer } from '#receive/smtpd/keywords.ts'
import { networkOf, presentAddress } from '#receive/smtpd/network-of.ts'
import { receivedHeader, type ReceivedFacts } from '#receive/smtpd/received.ts'
import { escapeInput, neuter, replyText } from '#receive/smtpd/text.ts'
import { commandTokens } from '#receive/smtpd/tokens.ts'

test('commandTokens() splits at blanks outside brackets and quotes, and after to: and from:', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['', []],
    ['  \t ', []],
    ['EHLO x', ['EHLO', 'x']],
    ['MAIL FROM:<a b@c> SIZE=1', ['MAIL', 'FROM:', '<a b@c>', 'SIZE=1']],
    ['mail from: <a>', ['mail', 'from:', '<a>']],
    ['RCPT TO:"a b"@c', ['RCPT', 'TO:', '"a b"@c']],
    [String.raw`RCPT TO:"a\"b c"@d`, ['RCPT', 'TO:', String.raw`"a\"b c"@d`]],
    ['RCPT TO:<a<b c>d>e', ['RCPT', 'TO:', '<a<b c>d>e']],
    ['X-TO:a b:c', ['X-TO:a', 'b:c']],
    ['Subject: hi', ['Subject:', 'hi']],
  ]
  for (const [line, words] of cases) {
    assert.deepEqual(commandTokens(line), words.map((text) => ({ text, broken: false })), line)
  }
})

test('commandTokens() marks what is not closed, however deep', () => {
  for (const line of ['<a', '"a', '<a"b>', '<'.repeat(10_000), String.raw`"a\"`]) {
    assert.deepEqual(commandTokens(line), [{ text: line, broken: true }], line.slice(0, 20))
  }
})

test('addressOf() takes one address, in brackets or not', () => {
  const cases: readonly (readonly [string, string | undefined, string | undefined])[] = [
    // The text; what is taken; what is taken in strict mode.
    ['<>', '', ''],
    ['<a@b.c>', 'a@b.c', 'a@b.c'],
    ['a@b.c', 'a@b.c', undefined],
    ['<a@b.c (x)>', 'a@b.c', undefined],
    ['<"a b"@c.d>', 'a b@c.d', 'a b@c.d'],
    ['<a b@c.d>', undefined, undefined],
    ['<a>,<b>', undefined, undefined],
    ['<a@b>x', undefined, undefined],
    ['<@x,@y:a@b>', '@x,@y:a@b', '@x,@y:a@b'],
    ['<a%b@c>', 'a%b@c', 'a%b@c'],
  ]
  for (const [text, loose, strict] of cases) {
    assert.equal(addressOf(text, false), loose, text)
    assert.equal(addressOf(text, true), strict, `strict ${text}`)
  }
})

const OFFER: Offer = {
  hostname: 'h', discard: new Set(), messageBytesMax: 10, vrfy: true, starttls: true, mechanisms: ['PLAIN', 'LOGIN'], authEquals: true,
  verp: true, xclient: true, xforward: true, smtputf8: true, requireTls: true,
}

test('ehloReply() lists keywords in the order of Postfix', () => {
  assert.deepEqual(ehloReply(OFFER).split('\r\n'), [
    '250-h', '250-PIPELINING', '250-SIZE 10', '250-VRFY', '250-ETRN', '250-STARTTLS', '250-AUTH PLAIN LOGIN', '250-AUTH=PLAIN LOGIN', '250-XVERP',
    '250-XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT', '250-XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT',
    '250-ENHANCEDSTATUSCODES', '250-8BITMIME', '250-DSN', '250-SMTPUTF8', '250-CHUNKING', '250 REQUIRETLS',
  ])
  const all = discardMask('pipelining size vrfy etrn starttls auth verp xclient xforward enhancedstatuscodes 8bitmime dsn smtputf8 chunking requiretls')
  assert.equal(ehloReply({ ...OFFER, discard: all }), '250 h')
  assert.equal(ehloReply({ ...OFFER, messageBytesMax: 0 }).split('\r\n')[2], '250-SIZE')
})

test('discardedNames() says nothing when there is nothing to say', () => {
  assert.equal(discardedNames(discardMask('Chunking, DSN foo')), 'DSN, CHUNKING')
  assert.equal(discardedNames(discardMask('dsn, silent-discard')), undefined)
  assert.equal(discardedNames(discardMask('')), undefined)
})

test('CommandCounters sums up as the log has it', () => {
  const counters = new CommandCounters()
  assert.equal(counters.summary(), 'commands=0/0')
  const rcpt = counterOf('rcpt')
  counters.started(counterOf('quit'))
  counters.succeeded(counterOf('quit'))
  counters.started(rcpt)
  assert.equal(counters.summary(), 'rcpt=0/1 quit=1 commands=1/2')
  counters.succeeded(rcpt)
  assert.equal(counters.summary(), 'rcpt=1 quit=1 commands=2')
})

const RECEIVED: ReceivedFacts = {
  heloName: 'client.example', clientName: 'mx.example', clientAddress: '192.0.2.7', tls: undefined, authenticated: undefined, hostname: 'h',
  mailName: 'Mail', protocol: 'ESMTP', overTls: false, login: false, smtputf8: false, queueId: 'ABC', recipient: 'b@c', date: 'DATE', hidden: false,
}

test('receivedHeader() tells client, protocol and recipient [RFC 5321 §4.4, RFC 3848]', () => {
  assert.deepEqual(
    receivedHeader(RECEIVED),
    ['Received: from client.example (mx.example [192.0.2.7])', '\tby h (Mail) with ESMTP id ABC', '\tfor <b@c>; DATE'],
  )
  assert.deepEqual(receivedHeader(
    { ...RECEIVED, heloName: '', recipient: undefined, queueId: undefined, protocol: 'SMTP' },
  ),
    ['Received: from mx.example (mx.example [192.0.2.7])', '\tby h (Mail) with SMTP;', '\tDATE'])
  const word = (facts: Partial<ReceivedFacts>): string | undefined => / with (\w+)/.exec(receivedHeader({ ...RECEIVED, ...facts })[1] ?? '')?.[1]
  assert.equal(word({ overTls: true }), 'ESMTPS')
  assert.equal(word({ overTls: true, login: true }), 'ESMTPSA')
  assert.equal(word({ smtputf8: true, login: true }), 'UTF8SMTPA')
  assert.equal(word({ protocol: 'SMTP', overTls: true }), 'SMTP')
})

test('receivedHeader() tells TLS and login where asked to, and nothing of the client where not', () => {
  const tls = {
    protocol: 'TLSv1.3',
    cipher: 'C',
    usedBits: 256,
    algorithmBits: 256,
    exchange: 'key-exchange X',
    clientSignature: '',
    certificate: '(none)',
  }
  assert.deepEqual(receivedHeader({ ...RECEIVED, tls, authenticated: 'bob (x)' }).slice(1, 5), [
    '\t(using TLSv1.3 with cipher C (256/256 bits)', '\t key-exchange X)', '\t(none)', '\t(Authenticated sender: bob ?x?)',
  ])
  assert.deepEqual(receivedHeader({ ...RECEIVED, hidden: true }), ['Received: by h (Mail) id ABC', '\tfor <b@c>; DATE'])
})

test('withFooter() repeats code and status on each line', () => {
  assert.equal(withFooter('554 5.7.1 no', 'call\\nme'), '554-5.7.1 no\r\n554-5.7.1 call\r\n554 5.7.1 me')
  assert.equal(withFooter('554 5.7.1 no', '\\c; call\\nme'), '554-5.7.1 no; call\r\n554 5.7.1 me')
  assert.equal(withFooter('500-a\r\n500 b', 'c'), '500-a\r\n500-b\r\n500 c')
  assert.equal(withFooter('250 ok', 'c'), '250 ok')
  assert.equal(withFooter('554 no', 'a\r\nb'), '554-no\r\n554 a  b')
})

test('networkOf() cuts addresses to their networks', () => {
  const cases: readonly (readonly [string, number, number, string])[] = [
    ['192.0.2.77', 32, 84, '192.0.2.77'],
    ['192.0.2.77', 24, 84, '192.0.2.0/24'],
    ['192.0.2.77', 26, 84, '192.0.2.64/26'],
    ['192.0.2.77', 0, 84, '0.0.0.0/0'],
    ['2001:db8::ffff:1', 32, 128, '2001:db8::ffff:1'],
    ['2001:db8:1:2:3:ffff:5:6', 32, 84, '2001:db8:1:2:3:f000::/84'],
    ['unknown', 24, 64, 'unknown'],
  ]
  for (const [address, ipv4, ipv6, network] of cases) assert.equal(networkOf(address, ipv4, ipv6), network, address)
  assert.equal(presentAddress('2001:DB8:0:0:0:0:0:1'), '2001:db8::1')
})

test('texts for replies, headers and log lines hold nothing that does harm', () => {
  assert.equal(neuter('a<b>(c);d@e"f\\g h\n'), 'a?b??c??d?e?f?g?h?')
  assert.equal(replyText(`a\r\nb${'x'.repeat(600)}`).length, 510)
  assert.equal(escapeInput(Buffer.from('a\r\n\t"\\\x01\xff', 'latin1')), String.raw`a\r\n\t"\\\001\377`)
})

test('InputLines gives lines of any length in any pieces, and says what is wrong with them', () => {
  const lines = new InputLines(8, 16)
  const read = (text: string): string[] => {
    lines.add(Buffer.from(text))
    const out: string[] = []
    for (let line = lines.line(); line !== undefined; line = lines.line()) {
      const flags = [line.bare && 'bare', line.tooLong && 'long', line.endless && 'endless'].filter(
        (flag) => flag !== false,
      )
      out.push([Buffer.from(line.bytes).toString(), ...flags].join(' '))
    }
    return out
  }
  assert.deepEqual(read('NOOP\r\nQ'), ['NOOP'])
  assert.deepEqual(read('UIT\r'), [])
  assert.deepEqual(read('\n\r\nab\n'), ['QUIT', '', 'ab bare'])
  assert.deepEqual(read('1234567\r\n'), ['1234567'])
  assert.deepEqual(read('12345678\r\nNOOP\r\n'), ['12345678 long', 'NOOP'])
  assert.deepEqual(read('x'.repeat(16)), ['xxxxxxxx long endless'])
})
