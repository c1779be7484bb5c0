/** Keys of session tickets: see src/master/ticket-keys.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TicketKeys } from '#master/ticket-keys.ts'
import { TICKET_KEY_BYTES } from '#service/control.ts'

/** What a worker is told at a time in milliseconds. */
function told(ring: TicketKeys, timeoutSeconds: number, now: number): { keys: string; lifeMs: number } {
  const message = ring.message(timeoutSeconds, now)
  if (message.kind !== 'ticket-keys') throw new Error(message.kind)
  return message
}

test('TicketKeys: all workers are told the same keys until their time is over, then others', () => {
  const ring = new TicketKeys()
  const first = told(ring, 3600, 0)
  assert.equal(Buffer.from(first.keys, 'base64').length, TICKET_KEY_BYTES)
  assert.equal(first.lifeMs, 3_600_000)
  assert.deepEqual(told(ring, 3600, 3_599_999), { kind: 'ticket-keys', keys: first.keys, lifeMs: 1 })
  const second = told(ring, 3600, 3_600_000)
  assert.notEqual(second.keys, first.keys)
  assert.equal(second.lifeMs, 3_600_000)
})

test('TicketKeys: a reload that shortens the time holds for the present keys too', () => {
  const ring = new TicketKeys()
  const first = told(ring, 3600, 0)
  assert.deepEqual(told(ring, 100, 60_000), { kind: 'ticket-keys', keys: first.keys, lifeMs: 40_000 })
  assert.notEqual(told(ring, 50, 60_000).keys, first.keys)
})

test('TicketKeys: no keys live longer than a ticket may (RFC 8446 §4.6.1), and none for no time at all', () => {
  assert.equal(told(new TicketKeys(), 8_640_000, 0).lifeMs, 604_800_000)
  assert.equal(told(new TicketKeys(), 0, 0).lifeMs, 3_600_000)
})
