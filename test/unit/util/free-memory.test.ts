/** Memory given back at once: see src/util/free-memory.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freeMemory } from '#util/free-memory.ts'

test('freeMemory gives back what belongs to nobody else', () => {
  const own = Buffer.alloc(100_000)
  freeMemory(own)
  assert.equal(own.length, 0)
  assert.equal(own.buffer.detached, true)
  freeMemory(own)
})

test('freeMemory leaves memory alone that others share', () => {
  const all = Buffer.alloc(100)
  const part = all.subarray(1)
  const shared = new Uint8Array(new SharedArrayBuffer(10))
  for (const bytes of [part, shared]) {
    freeMemory(bytes)
    assert.ok(bytes.length > 0)
  }
  assert.equal(all.length, 100)
})
