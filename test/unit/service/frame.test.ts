/** Messages on a byte stream: see src/service/frame.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder, FrameError, FrameWriter } from '#service/frame.ts'
import { target } from '#test/fuzz/frame.ts'

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let i = 0; i < bytes.length; i += size) chunks.push(bytes.subarray(i, i + size))
  return chunks
}

test('FrameDecoder gives back what encodeFrame() wrote, however the bytes are cut', () => {
  fc.assert(fc.property(fc.array(fc.jsonValue(), { maxLength: 8 }), fc.integer({ min: 1, max: 50 }), (messages, size) => {
    const bytes = Buffer.concat(messages.map((message) => encodeFrame(message)))
    const decoder = new FrameDecoder()
    const got = cut(bytes, size).flatMap((chunk) => decoder.push(chunk))
    assert.deepEqual(got, JSON.parse(JSON.stringify(messages)))
    assert.equal(decoder.partial, false)
  }), { seed: 1 })
})

test('text with bytes that are no UTF-8 survives', () => {
  const text = 'a\udc80b'
  assert.deepEqual(new FrameDecoder().push(encodeFrame({ text })), [{ text }])
})

test('the first byte of a frame is zero, so that no trigger looks like one', () => {
  assert.equal(encodeFrame('x'.repeat(100_000))[0], 0)
  assert.ok(FRAME_BYTES_MAX < 2 ** 24)
})

test('FrameDecoder refuses a length beyond the limit before the bytes come', () => {
  assert.throws(() => new FrameDecoder(10).push(Uint8Array.of(0, 0, 0, 11)), FrameError)
  assert.throws(() => new FrameDecoder().push(Buffer.from('EHLO x\r\n')), FrameError)
  assert.deepEqual(new FrameDecoder(10).push(Uint8Array.of(0, 0, 0, 10)), [])
})

test('FrameDecoder refuses what is not JSON', () => {
  assert.throws(() => new FrameDecoder().push(Buffer.concat([Uint8Array.of(0, 0, 0, 2), Buffer.from('{]')])), FrameError)
})

test('encodeFrame() refuses a message beyond the limit', () => {
  assert.throws(() => encodeFrame('x'.repeat(FRAME_BYTES_MAX)), FrameError)
})

test('FrameDecoder survives any bytes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), target), { seed: 1 })
})

test('FrameWriter writes the messages of one turn together, and says when they are written', async () => {
  const writes: Uint8Array[] = []
  const writer = new FrameWriter({ destroyed: false, write: (bytes) => writes.push(bytes) })
  assert.throws(() => writer.send('x'.repeat(FRAME_BYTES_MAX)), FrameError)
  const sent = [writer.send({ id: 1 }), writer.send({ id: 2 })]
  assert.deepEqual([writer.waiting, writes.length], [true, 0])
  await Promise.all(sent)
  assert.deepEqual([writer.waiting, writes.length], [false, 1])
  await writer.send('next turn')
  assert.deepEqual(writes.map((bytes) => new FrameDecoder().push(bytes)), [[{ id: 1 }, { id: 2 }], ['next turn']])
})

test('FrameWriter writes nothing to a connection that has gone, and keeps nobody waiting', async () => {
  const output = { destroyed: false, write: () => assert.fail('written') }
  const sent = new FrameWriter(output).send('late')
  output.destroyed = true
  await sent
})
