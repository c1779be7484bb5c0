/** Reading envelopes: see src/queue/envelope.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvelope, readRecipients } from '#queue/envelope.ts'
import { queueId } from '#queue/id.ts'
import { paddedNumber, QueueFileError, RECORD } from '#queue/record.ts'
import { captureLog } from '#test/support/log.ts'
import { messageBytes, recipientRecords, recordBytes, TEST_SENDER, TEST_TIME, type RecordPair } from '#test/support/spool.ts'

const id = queueId('90E7F2544D2')

/** The example of a local submission: every byte as Postfix 3.11 writes it. */
const LOCAL = Buffer.concat([
  Buffer.from(`C_${[297, 265, 1, 0, 297, 0].map(paddedNumber).join(' ')}`),
  Buffer.from('T\x111795168578 593490A\x16create_time=1795168578A\x15rewrite_context=localF\x07Alice A'),
  Buffer.from('S\x11alice@example.orgA$dsn_orig_rcpt=rfc822;bob@example.netO\x0fbob@example.netR\x0fbob@example.netM\0'),
  recordBytes([
    [RECORD.text, 'Received: by mail.example.org (Postfix, from userid 1000)'],
    [RECORD.text, '\tid 90E7F2544D2; Fri, 20 Nov 2026 09:56:18 +0000 (UTC)'],
    [RECORD.text, 'Subject: hi'], [RECORD.text, 'To: bob@example.net'],
    [RECORD.text, 'Message-Id: <20261120095618.90E7F2544D2@mail.example.org>'],
    [RECORD.text, 'Date: Fri, 20 Nov 2026 09:56:18 +0000 (UTC)'], [RECORD.text, 'From: Alice A <alice@example.org>'],
    [RECORD.text, ''], [RECORD.text, 'Hello'], [RECORD.extracted, ''],
    [RECORD.attribute, 'message_id=<20261120095618.90E7F2544D2@mail.example.org>'], [RECORD.end, ''],
  ]),
])

test('readEnvelope() reads the example of a local submission', () => {
  assert.equal(LOCAL.length, 624)
  const envelope = readEnvelope(LOCAL, { id })
  assert.deepEqual(envelope, {
    contentSize: 297, dataOffset: 265, contentLength: 297, recipientCount: 1, qmgrFlags: 0, sendOptions: 0,
    arrival: { seconds: 1795168578, microseconds: 593490 }, createTime: 1795168578, sender: 'alice@example.org',
    warnTime: undefined, warnOffset: undefined, encoding: '', rewriteContext: 'local', envelopeId: '', retFlags: 0,
    contentFilter: undefined, redirect: undefined, inspector: undefined, verp: undefined, traceFlags: 0, traceOffset: undefined,
    attributes: new Map([
      ['rewrite_context', 'local'], ['message_id', '<20261120095618.90E7F2544D2@mail.example.org>'],
    ]),
    recipients: [{
      offset: 246, address: 'bob@example.net', original: 'bob@example.net', dsnOrcpt: 'rfc822;bob@example.net', notify: 0,
    }],
    unread: 0, more: undefined,
  })
})

test('readEnvelope() follows the pointers that milter edits leave', () => {
  const start = 97 + recordBytes([...TEST_TIME, TEST_SENDER]).length
  const envelope: RecordPair[] = [...TEST_TIME, TEST_SENDER, ...recipientRecords('bob@example.net')]
  const pointerAt = start + recordBytes(recipientRecords('bob@example.net')).length
  const plain = messageBytes({ envelope: [...envelope, [RECORD.pointer, paddedNumber(0)]], size: { recipientCount: 2 } })
  const added = recordBytes([...recipientRecords('late@example.net'), [RECORD.pointer, paddedNumber(pointerAt + 17)]])
  const bytes = Buffer.concat([plain, added])
  bytes.write(paddedNumber(plain.length), pointerAt + 2)
  const { recipients } = readEnvelope(bytes, { id })
  assert.deepEqual(recipients.map(({ address }) => address), ['bob@example.net', 'late@example.net'])
  assert.ok((recipients[1]?.offset ?? 0) > plain.length)
})

test('readEnvelope() leaves out recipients that are done, and what was said about them', () => {
  const envelope: RecordPair[] = [
    ...TEST_TIME, TEST_SENDER,
    [RECORD.attribute, 'notify_flags=8'], [RECORD.originalRecipient, 'o1'], [RECORD.done, 'd1'],
    [RECORD.attribute, 'dsn_orig_rcpt=rfc822;x'], [RECORD.canceled, 'd2'],
    [RECORD.attribute, 'notify_flags=2'], [RECORD.recipient, 'r1'],
  ]
  const { recipients } = readEnvelope(messageBytes({ envelope, size: { recipientCount: 3 } }), { id })
  const { offset = 0 } = recipients[0] ?? {}
  assert.deepEqual(recipients, [{ offset, address: 'r1', original: '', dsnOrcpt: '', notify: 2 }])
})

test('readEnvelope() holds so many recipients at a time, and still reads what comes after the content', () => {
  const names = Array.from({ length: 10 }, (_, i) => `r${i}@example.net`)
  const envelope = [...TEST_TIME, TEST_SENDER, ...names.flatMap(recipientRecords)]
  const extracted: RecordPair[] = [[RECORD.filter, 'smtp:x'], ...recipientRecords('last@example.net')]
  const bytes = messageBytes({ envelope, extracted, size: { recipientCount: 11 } })
  const first = readEnvelope(bytes, { id, recipientLimit: 4 })
  assert.equal(first.contentFilter, 'smtp:x')
  assert.equal(first.unread, 7)
  const found = first.recipients.map(({ address }) => address)
  for (let more = first.more; more !== undefined;) {
    const pass = readRecipients(bytes, first, more, { id, recipientLimit: 4 })
    assert.ok(pass.recipients.length <= 4)
    found.push(...pass.recipients.map(({ address }) => address))
    more = pass.more
  }
  assert.deepEqual(found, [...names, 'last@example.net'])
})

test('readEnvelope() reads on after the limit when recipients and other records are mixed', () => {
  const envelope: RecordPair[] = [...TEST_TIME, TEST_SENDER, ...recipientRecords('a'), ...recipientRecords('b'), [RECORD.attribute, 'encoding=8bit']]
  const bytes = messageBytes({ envelope, size: { recipientCount: 2, qmgrFlags: 1 } })
  const { encoding, recipients, more } = readEnvelope(bytes, { id, recipientLimit: 1 })
  assert.equal(encoding, '8bit')
  assert.equal(recipients.length, 1)
  assert.deepEqual(readRecipients(bytes, readEnvelope(bytes, { id }), more ?? 0, { id }).recipients.map(({ address }) => address), ['b'])
})

test('readEnvelope() says which of two records counts', () => {
  const envelope: RecordPair[] = [
    ...TEST_TIME, [RECORD.time, '5 6'], TEST_SENDER, [RECORD.sender, 'second'], [RECORD.filter, 'f1'], [RECORD.redirect, 'x1'],
    [RECORD.attribute, 'envelope_id=1'], [RECORD.attribute, 'envelope_id=2'], [RECORD.attribute, 'encoding=7bit'],
    [RECORD.warnTime, paddedNumber(1)], [RECORD.warnTime, paddedNumber(2)], ...recipientRecords('a'),
  ]
  const extracted: RecordPair[] = [[RECORD.filter, 'f2'], [RECORD.redirect, 'x2'], [RECORD.attribute, 'encoding=8bit']]
  const read = readEnvelope(messageBytes({ envelope, extracted }), { id })
  assert.equal(read.arrival.seconds, 1795168578)
  assert.equal(read.sender, 'alice@example.org')
  assert.equal(read.contentFilter, 'f2')
  assert.equal(read.redirect, 'x2')
  assert.equal(read.envelopeId, '2')
  assert.equal(read.encoding, '8bit')
  assert.equal(read.warnTime, 1)
})

/** The attributes read from a file that has these, with the value `x`. */
function withNames(...names: string[]): ReadonlyMap<string, string> {
  const records = names.map((name): RecordPair => [RECORD.attribute, `${name}=x`])
  return readEnvelope(messageBytes({ envelope: [...TEST_TIME, TEST_SENDER, ...records, ...recipientRecords('a')] }), { id }).attributes
}

test('readEnvelope() takes client names of old files for the log, unless there are newer ones', () => {
  assert.equal(withNames('client_name', 'helo_name').get('log_client_name'), 'x')
  assert.equal(withNames('client_name', 'log_client_address').get('log_client_name'), undefined)
})

test('readEnvelope() offers only the request of sendmail -v for striking out', () => {
  const cases = [[1024, true], [512, false], [256, false], [0, false]] as const
  for (const [flags, offered] of cases) {
    const envelope: RecordPair[] = [...TEST_TIME, TEST_SENDER, [RECORD.attribute, `trace_flags=${flags}`], ...recipientRecords('a')]
    const read = readEnvelope(messageBytes({ envelope }), { id })
    assert.equal(read.traceFlags, flags)
    assert.equal(read.traceOffset !== undefined, offered, String(flags))
  }
})

test('readEnvelope() warns about what it ignores', () => {
  using log = captureLog()
  const envelope: RecordPair[] = [
    ...TEST_TIME, [RECORD.verp, '+='], [RECORD.sender, ''], [RECORD.verp, '+='], [RECORD.attribute, 'ret_flags=7'],
    [RECORD.attribute, 'notify_flags=3'], [RECORD.attribute, 'sasl_method=A'], [RECORD.attribute, 'sasl_method=B'],
    [RECORD.originalRecipient, 'o1'], [RECORD.originalRecipient, 'o2'],
    [RECORD.attribute, 'dsn_orig_rcpt=p1'], [RECORD.attribute, 'dsn_orig_rcpt=p2'], [RECORD.recipient, 'r'],
  ]
  readEnvelope(messageBytes({ envelope, size: { recipientCount: 5 } }), { id })
  assert.deepEqual(log.texts(), [
    'warning: 90E7F2544D2: ignoring VERP request for null sender',
    'warning: 90E7F2544D2: ignoring VERP request for null sender',
    'warning: 90E7F2544D2: ignoring malformed DSN RET flags in queue file record:7',
    'warning: 90E7F2544D2: ignoring malformed DSN notify flags <3>',
    'warning: 90E7F2544D2: ignoring multiple sasl_method attribute: B',
    'warning: 90E7F2544D2: ignoring out-of-order original recipient <o1>',
    'warning: 90E7F2544D2: ignoring out-of-order DSN original recipient address <p1>',
    'warning: 90E7F2544D2: rcpt count mismatch (4)',
  ])
})

test('readEnvelope() refuses damaged files', () => {
  const recipient = recipientRecords('a')
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [new Uint8Array(), /missing end record/],
    [LOCAL.subarray(0, 300), /missing end record|unexpected EOF/],
    [LOCAL.subarray(0, 620), /unexpected EOF in data/],
    [messageBytes({ envelope: [TEST_SENDER, ...recipient] }), /missing arrival time record/],
    [messageBytes({ envelope: [...TEST_TIME, ...recipient] }), /missing sender record/],
    [recordBytes([...TEST_TIME, TEST_SENDER, [RECORD.end, '']]), /missing size record/],
    [recordBytes([[RECORD.size, '1 2'], [RECORD.end, '']]), /weird size record/],
    [messageBytes({ size: { contentSize: 0 } }), /invalid size record/],
    [messageBytes({ size: { contentLength: -1 } }), /invalid size record/],
    [messageBytes({ size: { qmgrFlags: 32 } }), /invalid flags in size record/],
    [messageBytes({ size: { contentSize: 5 } }), /Unexpected record type|unexpected EOF|too many length bits|missing end/],
    [messageBytes({ envelope: [...TEST_TIME, TEST_SENDER, [RECORD.text, 'x']] }), /Unexpected record type 'N' at offset/],
    [messageBytes({ envelope: [...TEST_TIME, TEST_SENDER, [RECORD.attribute, 'x']] }), /bad attribute record: missing '='/],
  ]
  using _ = captureLog()
  for (const [bytes, pattern] of cases) {
    assert.throws(() => readEnvelope(bytes, { id }), (error) => error instanceof QueueFileError && pattern.test(error.message), String(pattern))
  }
})
