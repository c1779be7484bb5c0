/** Text of unknown encoding: see src/util/raw-text.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'

test('decodeRaw() and encodeRaw() keep every byte', () => {
  const cases = [
    [], [0x61, 0x62], [0xc3, 0xb6], [0xf6], [0x61, 0xf6, 0x62], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80],
    [0xf0, 0x9f, 0x93, 0xae], [0xff, 0xfe, 0x00, 0x41], [0xef, 0xbb, 0xbf, 0x41], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82],
    Array.from({ length: 256 }, (_, i) => i),
  ]
  for (const bytes of cases) {
    const raw = Uint8Array.from(bytes)
    assert.deepEqual(Uint8Array.from(encodeRaw(decodeRaw(raw))), raw, raw.toString())
  }
})

test('decodeRaw() reads UTF-8, and escapes what is none', () => {
  assert.equal(decodeRaw(new TextEncoder().encode('zö📮')), 'zö📮')
  assert.equal(decodeRaw(Uint8Array.of(0x61, 0xf6)), 'a\udcf6')
})
