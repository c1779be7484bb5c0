/** Content of queue files: see src/queue/content.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentChunks, openMessage, type ChunkOptions, type ContentTaker } from '#queue/content.ts'
import { paddedNumber, QueueFileError, RECORD } from '#queue/record.ts'
import { createSpool, messageBytes, recordBytes, type RecordPair, type TestSpool } from '#test/support/spool.ts'

function put(spool: TestSpool, content: readonly RecordPair[]) {
  return spool.put('active', 'AAAAA1', messageBytes({ content }))
}

function bytesOf(content: readonly RecordPair[], options: ChunkOptions): string {
  using spool = createSpool()
  using message = openMessage(spool.spool, 'active', put(spool, content))
  return Buffer.concat([...contentChunks(message, options)]).toString('latin1')
}

test('contentChunks() gives lines their ends and doubles dots', () => {
  const content: RecordPair[] = [
    [RECORD.text, 'S: x'], [RECORD.text, ''], [RECORD.text, '.'], [RECORD.textPart, ''], [RECORD.textPart, '.a'], [RECORD.text, '.b'],
  ]
  const cases = [
    [{ eol: 'lf' }, 'S: x\n\n.\n.a.b\n'],
    [{ eol: 'crlf' }, 'S: x\r\n\r\n.\r\n.a.b\r\n'],
    [{ eol: 'crlf', dots: true }, 'S: x\r\n\r\n..\r\n..a.b\r\n'],
  ] as const
  for (const [options, expected] of cases) assert.equal(bytesOf(content, options), expected)
})

test('contentChunks() ends a last line that has no end', () => {
  assert.equal(bytesOf([[RECORD.text, ''], [RECORD.textPart, 'x']], { eol: 'crlf' }), '\r\nx\r\n')
  assert.equal(bytesOf([[RECORD.text, 'x']], { eol: 'lf' }), 'x\n')
})

test('contentChunks() gives chunks of bounded size whatever the lines', () => {
  using spool = createSpool()
  const content = Array.from({ length: 3000 }, (_, i): RecordPair => [i % 7 === 0 ? RECORD.textPart : RECORD.text, 'x'.repeat(i % 200)])
  using message = openMessage(spool.spool, 'active', put(spool, [...content, [RECORD.text, 'y'.repeat(100_000)]]))
  const chunks = [...contentChunks(message, { eol: 'crlf' })]
  assert.ok(chunks.length > 4)
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.length <= 65_536))
  const expected = content.map(([type, text]) => (type === RECORD.text ? `${String(text)}\r\n` : text)).join('')
  assert.equal(Buffer.concat(chunks).toString(), `${expected}${'y'.repeat(100_000)}\r\n`)
})

test('headers() ends at the empty line, not at an empty end of a long one', () => {
  using spool = createSpool()
  const content: RecordPair[] = [[RECORD.text, 'A: 1'], [RECORD.textPart, 'B: '], [RECORD.text, ''], [RECORD.text, ''], [RECORD.text, 'body']]
  using message = openMessage(spool.spool, 'active', put(spool, content))
  assert.deepEqual([...message.headers()].map(({ data }) => Buffer.from(data).toString()), ['A: 1', 'B: ', ''])
})

/** Takes up to two lines at a time, of those that start with `x`. */
function listTaker(): ContentTaker & { readonly list: string[] } {
  const list: string[] = []
  return {
    list,
    addLines: (records) => {
      let at = 0
      for (let lines = 0; lines < 2; lines++) {
        const length = records[at + 1] ?? records.length
        if (records[at] !== RECORD.text || records[at + 2] !== 0x78 || length > 127 || at + 2 + length > records.length) break
        list.push(`N ${Buffer.from(records.subarray(at + 2, at + 2 + length)).toString()}`)
        at += 2 + length
      }
      return at
    },
    add: (data, ends) => list.push(`${ends ? 'N' : 'L'} ${Buffer.from(data).toString()}`),
  }
}

test('contentFor() gives all records in order, also where milter edits jump, however many are taken at a time', () => {
  using spool = createSpool()
  const lines = Array.from({ length: 4000 }, (_, i): RecordPair => [i % 9 === 0 ? RECORD.textPart : RECORD.text, `${i % 5 === 0 ? '' : 'x'}${i}`.repeat(i % 40)])
  const plain = messageBytes({ content: [...lines, [RECORD.pointer, paddedNumber(0)], [RECORD.text, 'x-after']] })
  const pointerAt = Buffer.from(plain).indexOf(`p\x0f${paddedNumber(0)}`)
  const added = recordBytes([[RECORD.text, 'x-added'], [RECORD.pointer, paddedNumber(pointerAt + 17)]])
  const bytes = Buffer.concat([plain, added])
  bytes.write(paddedNumber(plain.length), pointerAt + 2)
  using message = openMessage(spool.spool, 'active', spool.put('active', 'AAAAA1', bytes))
  const taker = listTaker()
  for (const _ of message.contentFor(taker)) assert.ok(taker.list.length > 0)
  const records = Array.from(message.contentRecords(), ({ type, data }) => `${type} ${Buffer.from(data).toString()}`)
  assert.ok(records.length === taker.list.length && records.every((record, i) => record === taker.list[i]))
  assert.deepEqual(taker.list.slice(-2), ['N x-added', 'N x-after'])
})

test('contentFor() refuses content that does not end where it should', () => {
  using spool = createSpool()
  const bytes = messageBytes()
  using message = openMessage(spool.spool, 'active', spool.put('active', 'AAAAA1', bytes.subarray(0, bytes.length - 4)))
  assert.throws(() => [...message.contentFor(listTaker())], QueueFileError)
})

test('contentRecords() refuses content that does not end where it should', () => {
  using spool = createSpool()
  const bytes = messageBytes()
  const id = spool.put('active', 'AAAAA1', bytes.subarray(0, bytes.length - 4))
  using message = openMessage(spool.spool, 'active', id)
  assert.throws(() => [...message.contentRecords()], QueueFileError)
})

test('openMessage() lets agents share a message, and says when it is gone', () => {
  using spool = createSpool()
  const id = put(spool, [[RECORD.text, '']])
  using first = openMessage(spool.spool, 'active', id)
  using second = openMessage(spool.spool, 'active', id)
  assert.notEqual(first.fd, second.fd)
  assert.throws(() => openMessage(spool.spool, 'deferred', id), { code: 'ENOENT' })
})
