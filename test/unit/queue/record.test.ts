/** Records: see src/queue/record.ts. Bytes are those that Postfix writes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  PAYLOAD_BYTES_MAX, putHead, QueueFileError, readRecords, RECORD, sizeNumbers, sizePayload, SIZE_RECORD_BYTES, splitAttribute,
} from '#queue/record.ts'
import { recordBytes } from '#test/support/spool.ts'

test('appendRecord() writes type, shortest length, payload', () => {
  assert.equal(Buffer.from(recordBytes([[RECORD.message, '']])).toString('hex'), '4d00')
  assert.equal(Buffer.from(recordBytes([[RECORD.text, 'Hello']])).toString('hex'), '4e0548656c6c6f')
  const lengths = [[127, '7f'], [128, '8001'], [300, 'ac02'], [2048, '8010'], [16384, '808001'], [2_097_152, '80808001']] as const
  for (const [length, hex] of lengths) {
    const bytes = recordBytes([[RECORD.text, new Uint8Array(length)]])
    assert.equal(Buffer.from(bytes.subarray(1, bytes.length - length)).toString('hex'), hex, `length ${length}`)
  }
})

test('appendRecord() writes text as its bytes', () => {
  assert.equal(Buffer.from(recordBytes([[RECORD.sender, 'ö\udcf6']])).toString('hex'), '5303c3b6f6')
})

test('putHead() refuses what a length cannot say', () => {
  const out = new Uint8Array(16)
  assert.equal(putHead(out, 0, RECORD.text, PAYLOAD_BYTES_MAX), 5)
  assert.throws(() => putHead(out, 0, RECORD.text, PAYLOAD_BYTES_MAX + 1), RangeError)
})

test('readRecords() gives back what was written', () => {
  const records = [[RECORD.text, 'a'], [RECORD.textPart, 'x'.repeat(300)], [RECORD.end, '']] as const
  const read = [...readRecords(recordBytes(records), 10)]
  assert.deepEqual(read.map(({ type, data }) => [type, Buffer.from(data).toString()]), records)
  assert.deepEqual(read.map(({ offset }) => offset), [10, 13, 316])
})

test('readRecords() refuses damaged records', () => {
  const cases = [
    [[0x4e], 'unexpected EOF reading length, record type 78'],
    [[0x4e, 0x80], 'unexpected EOF reading length, record type 78'],
    [[0x4e, 5, 0x61], 'unexpected EOF in data, record type 78 length 5'],
    [[0x4e, 0xff, 0xff, 0xff, 0xff, 0x7f], 'too many length bits, record type 78'],
  ] as const
  for (const [bytes, message] of cases) {
    assert.throws(() => [...readRecords(Uint8Array.from(bytes))], new QueueFileError(message))
  }
})

test('sizePayload() has the width that is rewritten in place', () => {
  const fields = { contentSize: 297, dataOffset: 265, recipientCount: 1, qmgrFlags: 0, contentLength: 297, sendOptions: 0 }
  const bytes = recordBytes([[RECORD.size, sizePayload(fields)]])
  assert.equal(bytes.length, SIZE_RECORD_BYTES)
  assert.deepEqual(sizeNumbers(sizePayload(fields)), [297, 265, 1, 0, 297, 0])
})

test('sizeNumbers() stops at what is no number', () => {
  const cases = [['', []], ['xx', []], [' 1 -2 x', [1, -2]], ['1 2 3 4 5 6 7', [1, 2, 3, 4, 5, 6]]] as const
  for (const [text, numbers] of cases) assert.deepEqual(sizeNumbers(text), numbers, text)
})

test('splitAttribute() takes blanks away, and says what is wrong', () => {
  assert.deepEqual(splitAttribute('name=value=x'), { name: 'name', value: 'value=x' })
  assert.deepEqual(splitAttribute(' name = value '), { name: 'name', value: 'value' })
  assert.equal(splitAttribute('name'), "missing '=' after attribute name")
  assert.equal(splitAttribute('=x'), 'missing attribute name')
})
