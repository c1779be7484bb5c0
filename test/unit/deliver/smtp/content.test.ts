/** Content on the wire: see src/deliver/smtp/content.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WireEncoder } from '#deliver/smtp/content.ts'
import { appendRecord, readHead, RECORD } from '#queue/record.ts'
import { ByteWriter } from '#util/byte-writer.ts'

type Piece = readonly [text: string, ends: boolean]

function encode(pieces: readonly Piece[], limit: number): { text: string; breaks: number } {
  let breaks = 0
  const encoder = new WireEncoder(limit, () => breaks++, 10)
  for (const [text, ends] of pieces) encoder.add(Buffer.from(text), ends)
  return { text: Buffer.from(encoder.finish()).toString(), breaks }
}

test('WireEncoder doubles dots at line starts only, also across pieces [RFC 5321 §4.5.2]', () => {
  const cases: readonly (readonly [readonly Piece[], string])[] = [
    [[['.', true]], '..\r\n'], [[['..', true], ['a.b', true]], '...\r\na.b\r\n'], [[['', true]], '\r\n'],
    [[['a', false], ['.b', true]], 'a.b\r\n'], [[['', false], ['.b', true]], '..b\r\n'], [[['x', false]], 'x\r\n'],
    [[['.', false], ['.', true]], '...\r\n'],
  ]
  for (const [pieces, expected] of cases) assert.equal(encode(pieces, 998).text, expected)
})

test('WireEncoder breaks long lines with a blank, and lines of just the limit not', () => {
  assert.deepEqual(encode([['abcd', true]], 4), { text: 'abcd\r\n', breaks: 0 })
  assert.deepEqual(encode([['abcde', true]], 4), { text: 'abcd\r\n e\r\n', breaks: 1 })
  assert.deepEqual(encode([['abcdefgh', true]], 4), { text: 'abcd\r\n efg\r\n h\r\n', breaks: 2 })
  assert.deepEqual(encode([['ab', false], ['cd', false], ['ef', true]], 4), { text: 'abcd\r\n ef\r\n', breaks: 1 })
  assert.deepEqual(encode([['abcd.f', true]], 4), { text: 'abcd\r\n .f\r\n', breaks: 1 })
  assert.deepEqual(encode([['x'.repeat(5000), true]], 0), { text: `${'x'.repeat(5000)}\r\n`, breaks: 0 })
})

test('WireEncoder hands out chunks that stay as they are until the next but one', () => {
  const encoder = new WireEncoder(998, () => undefined, 300_000)
  const text: string[] = []
  let last: Uint8Array | undefined
  for (let i = 0; i < 3000; i++) {
    encoder.add(Buffer.from(String(i).padEnd(70, 'y')), true)
    if (!encoder.full) continue
    if (last) text.push(Buffer.from(last).toString())
    last = encoder.take()
  }
  const rest = encoder.finish()
  if (last) text.push(Buffer.from(last).toString())
  encoder.release()
  assert.ok(text.length > 2)
  // What others do with the buffers does not touch the last chunk.
  const other = new WireEncoder(998, () => undefined, 300_000)
  for (let i = 0; i < 1000; i++) other.add(Buffer.from('z'.repeat(70)), true)
  text.push(Buffer.from(rest).toString())
  assert.equal(text.join(''), Array.from({ length: 3000 }, (_, i) => `${String(i).padEnd(70, 'y')}\r\n`).join(''))
})

/** Content as a queue file has it; whole lines are taken together where `fast`. */
function wire(pieces: readonly Piece[], limit: number, fast: boolean, window: number): { text: string; breaks: number } {
  const file = new ByteWriter()
  for (const [text, ends] of pieces) appendRecord(file, ends ? RECORD.text : RECORD.textPart, Buffer.from(text))
  const records = file.bytes()
  let breaks = 0
  const encoder = new WireEncoder(limit, () => breaks++, 100_000)
  let text = ''
  for (let at = 0; at < records.length;) {
    const taken = fast ? encoder.addLines(records.subarray(at, at + window)) : 0
    at += taken
    const head = taken === 0 ? readHead(records, at) : undefined
    if (head !== undefined) {
      at = head.start + head.length
      encoder.add(records.subarray(head.start, at), head.type === RECORD.text)
    }
    if (encoder.full) text += Buffer.from(encoder.take()).toString()
  }
  return { text: text + Buffer.from(encoder.finish()).toString(), breaks }
}

test('WireEncoder sends the same whether it takes lines one by one or together', () => {
  const lines = [
    '', '.', '..', '.a', 'a', '.'.repeat(127), 'a'.repeat(76), 'b'.repeat(126), 'c'.repeat(127), 'd'.repeat(128),
    `.${'e'.repeat(200)}`, 'f'.repeat(998), 'g'.repeat(999), `.${'h'.repeat(1500)}`, 'i'.repeat(16_384), 'j'.repeat(17_000),
  ]
  const piece = fc.tuple(fc.constantFrom(...lines), fc.boolean(), fc.boolean()).map(([text, a, b]): Piece => [text, a || b])
  fc.assert(fc.property(
    fc.array(piece, { maxLength: 60 }), fc.constantFrom(0, 80, 998, 1_000_000), fc.constantFrom(3, 300, 65_536, 1e6), fc.nat(30),
    (some, limit, window, times) => {
      const pieces = Array.from({ length: 1 + times }, () => some).flat()
      assert.deepEqual(wire(pieces, limit, true, window), wire(pieces, limit, false, window))
    },
  ), { numRuns: 150 })
})
