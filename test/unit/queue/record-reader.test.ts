/** Reading records from files and memory: see src/queue/record-reader.ts. */
import assert from 'node:assert/strict'
import { openSync, closeSync } from 'node:fs'
import { test } from 'node:test'
import { paddedNumber, QueueFileError, RECORD } from '#queue/record.ts'
import { RecordReader, type ReaderOptions, type RecordSource } from '#queue/record-reader.ts'
import { createSpool, recordBytes } from '#test/support/spool.ts'

function readAll(source: RecordSource, options?: ReaderOptions): string[] {
  using reader = new RecordReader(source, 0, options)
  const found: string[] = []
  for (let type = reader.read(); type !== 0; type = reader.read()) found.push(String.fromCharCode(type) + reader.text())
  return found
}

test('read() follows pointers, skips padding, stops at the end record', () => {
  // N "a" at 0, p at 3, N "dead" at 20, N "b" at 26, w at 29, E at 33, N "late" at 35
  const bytes = recordBytes([
    [RECORD.text, 'a'], [RECORD.pointer, paddedNumber(26)], [RECORD.text, 'dead'], [RECORD.text, 'b'], [RECORD.padding, ' 0'],
    [RECORD.end, ''], [RECORD.text, 'late'],
  ])
  assert.deepEqual(readAll(bytes), ['Na', 'Nb', 'E'])
  assert.deepEqual(
    readAll(bytes, { followPointers: false, skipPadding: false, stopAtEnd: false }),
    ['Na', `p${paddedNumber(26)}`, 'Ndead', 'Nb', 'w 0', 'E', 'Nlate'],
  )
})

test('read() takes a pointer to 0 for none', () => {
  assert.deepEqual(readAll(recordBytes([[RECORD.pointer, ' 0'], [RECORD.text, 'a']])), ['Na'])
})

test('read() refuses loops and pointers that are no numbers', () => {
  const loop = recordBytes([[RECORD.text, 'a'], [RECORD.pointer, paddedNumber(3)]])
  assert.throws(() => readAll(loop), new QueueFileError('too many reverse jump records'))
  assert.throws(() => readAll(recordBytes([[RECORD.pointer, 'zzz']])), new QueueFileError('malformed pointer record value: zzz'))
})

test('read() reads records larger than its buffer, from a file', (t) => {
  using spool = createSpool()
  const big = 'x'.repeat(200_000)
  const id = spool.put('incoming', 'AAAAA1', recordBytes([[RECORD.text, 'a'], [RECORD.text, big], [RECORD.text, 'b'], [RECORD.end, '']]))
  const fd = openSync(`${spool.path}/incoming/${id}`, 'r')
  t.after(() => closeSync(fd))
  for (const readBytes of [16, 4096, 65_536]) assert.deepEqual(readAll(fd, { readBytes }), ['Na', `N${big}`, 'Nb', 'E'])
})

test('read() refuses a length beyond the end of the file before it takes the memory', () => {
  const bytes = Uint8Array.from([0x4e, 0xff, 0xff, 0xff, 0x7f, 0x61])
  assert.throws(() => readAll(bytes), new QueueFileError('unexpected EOF in data, record type 78 length 268435455'))
})

test('read() refuses payloads beyond the limit', () => {
  const bytes = recordBytes([[RECORD.text, 'x'.repeat(100)]])
  assert.throws(() => readAll(bytes, { payloadBytesMax: 99 }), new QueueFileError('illegal length 100, record type 78'))
})
