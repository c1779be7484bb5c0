/** MIME structure: headers of which region, body lines, errors, downgrade. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MimeParser, mimeErrorText } from '#mail/mime.ts'
import type { MimeError, MimeOptions } from '#mail/mime.ts'
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'

const LIMITS = { headerBytesMax: 2000, nestingMax: 20, boundaryBytesMax: 2000 }
const ALL: ReadonlySet<MimeError> = new Set([
  'nesting', 'truncatedHeader', '8bitInHeader', '8bitIn7bitBody', 'encodingDomain', 'nonEmptyEndOfHeader',
])

/** What comes out of `lines`: `P To: x` primary header, `M`, `N`, `| body`, `END` of primary headers. */
function parse(lines: readonly string[], options: Partial<MimeOptions> = {}): { out: string[]; errors: MimeError[] } {
  const out: string[] = []
  const regions = { primary: 'P', multipart: 'M', nested: 'N' } as const
  const parser = new MimeParser({
    header: (region, _info, header) => out.push(`${regions[region]} ${header}`),
    headerEnd: () => out.push('END'),
    body: (line, complete) => out.push(`${complete ? '|' : '+'} ${decodeRaw(line)}`),
  }, { ...LIMITS, ...options })
  for (const line of lines) parser.line(encodeRaw(line), true)
  parser.end()
  return { out, errors: [...parser.errors] }
}

test('MimeParser tells headers from body, and joins continued headers', () => {
  assert.deepEqual(parse(['To: a', ' b', 'X : c', '', 'text', 'Not: header']).out,
    ['P To: a\n b', 'P X: c', 'END', '| ', '| text', '| Not: header'])
  assert.deepEqual(parse([]).out, ['END'])
  assert.deepEqual(parse(['To: a']).out, ['P To: a', 'END'])
})

test('MimeParser adds the empty line that is missing after headers', () => {
  const { out, errors } = parse(['To: a', 'body'], { report: ALL })
  assert.deepEqual(out, ['P To: a', 'END', '| ', '| body'])
  assert.deepEqual(errors, ['nonEmptyEndOfHeader'])
})

test('MimeParser follows multiparts, nested messages and digests [RFC 2046 §5]', () => {
  const { out } = parse([
    'Content-Type: multipart/mixed; boundary="b1"', '', 'prolog', '--b1', 'Content-Type: message/rfc822', '',
    'Subject: inner', 'Content-Type: multipart/digest; boundary=b2', '', '--b2', 'X-Part: 1', '', 'From: deep', '', 'x',
    '--b2--', '--b1',
    '', 'plain', '--b1--', 'X: epilog',
  ])
  assert.deepEqual(out, [
    'P Content-Type: multipart/mixed; boundary="b1"', 'END', '| ', '| prolog', '| --b1',
    'M Content-Type: message/rfc822', '| ',
    'N Subject: inner', 'N Content-Type: multipart/digest; boundary=b2', '| ', '| --b2', 'M X-Part: 1', '| ',
    'N From: deep', '| ', '| x',
    '| --b2--', '| --b1', '| ', '| plain', '| --b1--', '| X: epilog',
  ])
})

test('MimeParser looks into partial messages only when asked to', () => {
  const lines = ['Content-Type: message/partial; id=x', '', 'Inner: y']
  assert.equal(parse(lines).out.at(-1), '| Inner: y')
  assert.equal(parse(lines, { recurseAllMessages: true }).out.at(-1), 'N Inner: y')
  assert.equal(parse(['Content-Type: message/rfc822', '', 'Inner: y'], { disableMime: true }).out.at(-1), '| Inner: y')
})

test('MimeParser reports each error once, when asked to', () => {
  const cases: readonly (readonly [string[], MimeError])[] = [
    [['Subject: ä', 'X: ö'], '8bitInHeader'],
    [['Subject: a', '', 'ä', 'ö'], '8bitIn7bitBody'],
    [['Content-Type: multipart/mixed; boundary=x', 'Content-Transfer-Encoding: base64', ''], 'encodingDomain'],
    [['Content-Type: message/partial', 'Content-Transfer-Encoding: 8bit', ''], 'encodingDomain'],
    [[`X: ${'y'.repeat(3000)}`, ' more'], 'truncatedHeader'],
  ]
  for (const [lines, error] of cases) {
    assert.deepEqual(parse(lines, { report: ALL }).errors, [error], String(lines))
    assert.deepEqual(parse(lines).errors, [])
  }
  assert.equal(mimeErrorText(new Set<MimeError>(['encodingDomain', 'nesting'])), 'MIME nesting exceeds safety limit')
})

test('MimeParser limits the depth of multiparts', () => {
  const lines = [1, 2, 3, 4].flatMap((n) => [`Content-Type: multipart/mixed; boundary=b${n}`, '', `--b${n}`])
  assert.deepEqual(parse(lines, { report: ALL, nestingMax: 1 }).errors, ['nesting'])
})

test('MimeParser cuts headers at the limit and keeps the rest of the message', () => {
  const { out } = parse([`X: ${'y'.repeat(10)}`, ' dropped', 'Z: 1'], { headerBytesMax: 10 })
  assert.deepEqual(out, [`P X: ${'y'.repeat(10)}`, 'P Z: 1', 'END'])
})

test('MimeParser turns 8-bit parts into quoted-printable [RFC 2045 §6.7]', () => {
  const { out } = parse(
    ['Content-Type: text/plain', 'Content-Transfer-Encoding: 8bit', '', 'ä = b ', 'x'.repeat(80)], { downgrade: true },
  )
  assert.deepEqual(out, [
    'P Content-Type: text/plain', 'P Content-Transfer-Encoding: quoted-printable', 'END', '| ',
    '| =C3=A4 =3D b=20', `| ${'x'.repeat(73)}=`, `| ${'x'.repeat(7)}`,
  ])
  const lines = ['Content-Transfer-Encoding: 8bit', 'Content-Type: multipart/x; boundary=b', '', '--b', '', 'ä']
  assert.deepEqual(parse(lines, { downgrade: true }).out, [
    'P Content-Type: multipart/x; boundary=b', 'P Content-Transfer-Encoding: 7bit', 'END', '| ', '| --b', '| ', '| ä',
  ])
})

test('MimeParser takes long lines in pieces', () => {
  const out: string[] = []
  const parser = new MimeParser({
    header: (_region, _info, header) => out.push(header),
    body: (line, complete) => out.push(`${complete ? '|' : '+'}${decodeRaw(line)}`),
  }, LIMITS)
  const pieces = [['Subject: a', false], ['b', true], ['', true], ['xx', false], ['--yy', false]] as const
  for (const [text, complete] of pieces) {
    parser.line(encodeRaw(text), complete)
  }
  parser.end()
  assert.deepEqual(out, ['Subject: ab', '|', '+xx', '+--yy', '|'])
})

test('MimeParser sees the end of a line before the rest may go without it', () => {
  const parser = new MimeParser({ header: () => undefined, body: () => undefined }, LIMITS)
  parser.line(encodeRaw(''), true)
  assert.equal(parser.onlyBody, true)
  parser.line(encodeRaw('part of a line'), false)
  assert.equal(parser.onlyBody, false)
  parser.line(encodeRaw('its end'), true)
  assert.equal(parser.onlyBody, true)
})

test('MimeParser.hasBoundaries says whether lines may end a part [RFC 2046 §5.1.1]', () => {
  const parser = new MimeParser({ header: () => undefined, body: () => undefined }, LIMITS)
  const lines = [
    ['Content-Type: multipart/mixed; boundary=a', false, false], ['', true, true], ['--a', false, true], ['', true, true],
    ['text', true, true], ['--a--', true, false],
  ] as const
  for (const [text, onlyBody, hasBoundaries] of lines) {
    parser.line(encodeRaw(text), true)
    assert.deepEqual([text, parser.onlyBody, parser.hasBoundaries], [text, onlyBody, hasBoundaries])
  }
})

const squeeze = (value: string): string => value.replaceAll(/\n+/g, '\n').replace(/^\n|\n$/g, '')

test('MimeParser loses nothing: all bytes come out in order', () => {
  const line = fc.constantFrom(
    'To: a', ' b', '', '--x', '--x--', 'Content-Type: multipart/mixed; boundary=x', 'Content-Type: message/rfc822',
    'text',
  )
  fc.assert(fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
    const text = parse(lines).out.filter((item) => item !== 'END').map((item) => item.slice(2)).join('\n')
    assert.equal(squeeze(text), squeeze(lines.join('\n')))
  }))
})
