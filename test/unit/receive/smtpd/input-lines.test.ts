/** Input that waits to be used: see src/receive/smtpd/input-lines.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputLines } from '#receive/smtpd/input-lines.ts'

test('InputLines.take frees input that was taken whole, and no other', () => {
  const lines = new InputLines(100, 100)
  const whole = Buffer.alloc(70_000, 'x')
  lines.add(whole)
  lines.take((bytes) => bytes.length - 1)
  assert.equal(whole.length, 70_000)
  assert.equal(lines.length, 1)
  lines.take((bytes) => bytes.length)
  // Its start was used by another call, which may have kept a part.
  assert.equal(whole.length, 70_000)
  const next = Buffer.alloc(70_000, 'y')
  lines.add(next)
  lines.take((bytes) => bytes.length)
  assert.equal(next.length, 0)
  assert.equal(lines.length, 0)
})

test('InputLines gives the command behind content that was taken', () => {
  const lines = new InputLines(100, 100)
  lines.add(Buffer.from('x\r\n.\r\nQUIT\r\n'))
  lines.take((_bytes, start) => start + 6)
  const line = lines.line()
  assert.equal(line && Buffer.from(line.bytes).toString(), 'QUIT')
})
