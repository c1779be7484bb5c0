/** Lines of the log: see src/system/log-line.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { facilityNumber, jsonLine, maillogLine, safeText, syslogDatagram, TEXT_BYTES_MAX, textFields, type LogLine } from '#system/log-line.ts'

const time = new Date(2026, 10, 5, 9, 56, 18).getTime()
const line: LogLine = {
  time, severity: 'warning', ident: 'postfix/smtpd', pid: 12, text: 'no good', json: '{"severity":"warning","queue_id":"A","message":"no good"}',
}

test('maillogLine() pads the day with a zero, syslogDatagram() with a blank', () => {
  assert.equal(maillogLine(line, 'host'), 'Nov 05 09:56:18 host postfix/smtpd[12]: warning: no good')
  assert.equal(syslogDatagram(line, facilityNumber('mail') ?? 0), '<20>Nov  5 09:56:18 postfix/smtpd[12]: warning: no good')
  assert.equal(maillogLine({ ...line, severity: 'info' }, 'host'), 'Nov 05 09:56:18 host postfix/smtpd[12]: no good')
})

test('severities have the priorities of syslog', () => {
  const numbers = (['info', 'warning', 'error', 'fatal', 'panic'] as const).map((severity) => {
    return Number(/^<(\d+)>/.exec(syslogDatagram({ ...line, severity }, 2))?.[1]) - 16
  })
  assert.deepEqual(numbers, [6, 4, 3, 2, 2])
})

test('jsonLine() is one object with the fields of the call', () => {
  assert.deepEqual(JSON.parse(jsonLine(line, 'host')), {
    time: new Date(time).toISOString(), host: 'host', program: 'postfix/smtpd', pid: 12, severity: 'warning', queue_id: 'A', message: 'no good',
  })
})

test('safeText() keeps one line: controls and bytes beyond UTF-8 become ?, long text is cut', () => {
  const cases = [
    ['plain', true, 'plain'], ['a\r\nb\tc\u0000', true, 'a??b?c?'], ['grün', true, 'grün'], ['grün', false, 'gr??n'],
    ['a\udcffb', true, 'a?b'], ['a\udcffb', false, 'a?b'], ['😀', false, '????'], ['a\u0085b', true, 'a?b'],
  ] as const
  for (const [text, utf8, expected] of cases) assert.equal(safeText(text, utf8), expected, JSON.stringify(text))
  assert.equal(safeText('x'.repeat(3000), true).length, TEXT_BYTES_MAX)
  assert.equal(Buffer.byteLength(safeText(`x${'ü'.repeat(1500)}`, true)), TEXT_BYTES_MAX - 1)
})

test('textFields() reads what a line about a message says', () => {
  const delivery = 'A1B2C3D4: to=<b@x>, orig_to=<a@x>, relay=mx.x[192.0.2.1]:25, conn_use=2, delay=0.8, delays=0.1/0.2/0.3/0.2, dsn=4.2.0, status=deferred (host said: 450 (no, not=now))'
  assert.deepEqual(textFields(delivery), {
    queue_id: 'A1B2C3D4', to: 'b@x', orig_to: 'a@x', relay: 'mx.x[192.0.2.1]:25', conn_use: 2, delay: 0.8, delays: '0.1/0.2/0.3/0.2', dsn: '4.2.0',
    status: 'deferred', reason: 'host said: 450 (no, not=now)',
  })
  assert.deepEqual(textFields('4gXYZ12345zw: from=<>, size=10, nrcpt=1 (queue active)'), { queue_id: '4gXYZ12345zw', from: '', size: 10, nrcpt: 1, reason: 'queue active' })
  assert.deepEqual(textFields('A1B2C3D4: message-id=<a@b>'), { queue_id: 'A1B2C3D4', message_id: 'a@b' })
  assert.deepEqual(textFields('A1B2C3D4: client=x[1.2.3.4], sasl_method=PLAIN, sasl_username='), { queue_id: 'A1B2C3D4', client: 'x[1.2.3.4]', sasl_method: 'PLAIN', sasl_username: '' })
  for (const text of ['A1B2C3D4: removed', 'connect from x[1.2.3.4]', 'warning: a=b', 'NOQUEUE: reject: RCPT from x: 550 no; from=<a> to=<b>']) assert.deepEqual(textFields(text), {})
})

test('jsonLine() has the fields of the text, and those of the call count before them', () => {
  const text = 'A1B2C3D4: to=<a>, status=sent>, delay=1, status=bounced (no)'
  const json = JSON.stringify({ severity: 'info', to: 'a>, status=sent', status: 'bounced', message: text })
  const { to, status, delay, reason, message }: Record<string, unknown> = JSON.parse(jsonLine({ ...line, text, json }, 'host'))
  assert.deepEqual({ to, status, delay, reason, message }, { to: 'a>, status=sent', status: 'bounced', delay: 1, reason: 'no', message: text })
})
