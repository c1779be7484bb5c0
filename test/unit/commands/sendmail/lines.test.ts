/** Standard input of sendmail as lines. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeaderRecipients } from '#commands/sendmail/header-recipients.ts'
import { MessageLines, type LineEndings } from '#commands/sendmail/lines.ts'

type Options = { readonly dotEnds?: boolean; readonly endings?: LineEndings; readonly pieces?: number; readonly max?: number }

/** Complete lines end in `$`. */
function lines(text: string, { dotEnds = true, endings = 'always', pieces = 1, max = 10 }: Options = {}): string[] {
  const out: string[] = []
  const reader = new MessageLines({ lineBytesMax: max, dotEnds, endings }, (bytes, complete) => {
    out.push(Buffer.from(bytes).toString('latin1') + (complete ? '$' : ''))
  })
  const bytes = Buffer.from(text, 'latin1')
  const size = Math.max(1, Math.ceil(bytes.length / pieces))
  for (let at = 0; at < bytes.length && !reader.ended; at += size) reader.push(bytes.subarray(at, at + size))
  reader.end()
  return out
}

test('MessageLines cuts lines, and long ones in pieces', () => {
  assert.deepEqual(lines('a\nb\n\nc'), ['a$', 'b$', '$', 'c'])
  assert.deepEqual(lines('0123456789\n0123456789a\n'), ['0123456789', '$', '0123456789', 'a$'])
  assert.deepEqual(lines(''), [])
})

test('MessageLines ends at a dot of its own line, unless told not to', () => {
  assert.deepEqual(lines('a\n.\nb\n'), ['a$'])
  assert.deepEqual(lines('a\n.\nb\n', { dotEnds: false }), ['a$', '.$', 'b$'])
  assert.deepEqual(lines('0123456789.\nx\n'), ['0123456789', '.$', 'x$'])
  assert.deepEqual(lines('a\n.'), ['a$'])
  assert.deepEqual(lines('..\n'), ['..$'])
})

test('MessageLines drops the From line of a mailbox', () => {
  assert.deepEqual(lines('From x y\n>>From z\na\nFrom b\n', { max: 100 }), ['a$', 'From b$'])
  assert.deepEqual(lines('From', { max: 100 }), ['From'])
})

test('MessageLines takes CR LF for a line end as sendmail_fix_line_endings says', () => {
  assert.deepEqual(lines('a\r\nb\nc\r\r\n'), ['a$', 'b$', 'c$'])
  assert.deepEqual(lines('a\nb\r\n', { endings: 'strict' }), ['a$', 'b\r$'])
  assert.deepEqual(lines('a\r\nb\nc\r\n', { endings: 'strict' }), ['a$', 'b$', 'c$'])
  assert.deepEqual(lines('a\r\n.\r\n', { endings: 'never' }), ['a\r$', '.\r$'])
})

test('MessageLines gives the same from pieces of any size', () => {
  const text = 'From x\nSubject: something long\r\n\r\nbody\r\nmore and more and more\r\n.x\r\n.\r\nlost'
  const whole = lines(text)
  for (const pieces of [2, 5, text.length]) assert.deepEqual(lines(text, { pieces }), whole)
})

/** The recipients that `sendmail -t` finds in a message, and the message. */
function extract(text: string): { recipients: readonly string[]; records: string[] } {
  const records: string[] = []
  const headers = new HeaderRecipients({
    lineBytesMax: 20, headerBytesMax: 200,
    record: (type, payload) => { records.push(`${String.fromCharCode(type)} ${Buffer.from(payload).toString()}`) },
    fail: (reason) => { throw new Error(reason) },
  })
  for (const line of text.split('\n')) headers.line(Buffer.from(line), true)
  return { recipients: headers.end(), records }
}

test('HeaderRecipients takes To, Cc and Bcc, or their Resent- forms alone [RFC 5322 §3.6.6]', () => {
  assert.deepEqual(extract('To: a, "b c" <d@e>\nCc: g: h;\nBcc: i (j)\nFrom: k\n\nTo: body').recipients, ['a', 'd@e', 'h', 'i'])
  assert.deepEqual(extract('To: a\nResent-To: b\nResent-Bcc: c\nCc: d\n\n').recipients, ['b', 'c'])
  assert.deepEqual(extract('To: "q q"@x\n\n').recipients, ['q q@x'])
})

test('HeaderRecipients passes the message through', () => {
  const { records } = extract('To: a,\n b\nX: 0123456789012345678901234\n\nbody')
  assert.deepEqual(records, ['N To: a,', 'N  b', 'L X: 01234567890123456', 'N 78901234', 'N ', 'N body'])
  assert.throws(() => extract(`To: ${'a,\n '.repeat(100)}b\n\n`), /message header length exceeds safety limit/)
})
