/** Content on the wire: see src/deliver/smtp/content.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WireEncoder } from '#deliver/smtp/content.ts'

type Piece = readonly [text: string, ends: boolean]

function encode(pieces: readonly Piece[], limit: number): { text: string; breaks: number } {
  let breaks = 0
  const encoder = new WireEncoder(limit, () => breaks++, 10)
  for (const [text, ends] of pieces) encoder.add(Buffer.from(text), ends)
  encoder.finish()
  return { text: Buffer.from(encoder.take()).toString(), breaks }
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

test('WireEncoder hands out chunks that stay as they are', () => {
  const encoder = new WireEncoder(998, () => undefined)
  const line = Buffer.from('y'.repeat(70))
  const chunks: Uint8Array[] = []
  for (let i = 0; i < 3000; i++) {
    encoder.add(line, true)
    if (encoder.full) chunks.push(encoder.take())
  }
  chunks.push(encoder.take())
  assert.ok(chunks.length > 2)
  assert.equal(Buffer.concat(chunks).toString(), `${'y'.repeat(70)}\r\n`.repeat(3000))
})
