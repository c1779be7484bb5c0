/** Places for clients: see src/service/slots.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slots } from '#service/slots.ts'
import { deferred } from '#util/deferred.ts'

test('run() lets so many work at once, the others in turn, and frees the place of a failure', async () => {
  const slots = new Slots(2)
  const gates = [deferred<void>(), deferred<void>(), deferred<void>()]
  const order: number[] = []
  const works = gates.map((gate, i) => slots.run(async () => {
    order.push(i)
    await gate.promise
  }))
  await Promise.resolve()
  assert.deepEqual([order, slots.used, slots.waiting, slots.full], [[0, 1], 2, 1, true])
  gates[0]?.reject(new Error('no good'))
  await assert.rejects(works[0] ?? Promise.resolve(), /no good/)
  assert.deepEqual([order, slots.used, slots.waiting], [[0, 1, 2], 2, 0])
  gates[1]?.resolve()
  gates[2]?.resolve()
  await Promise.allSettled(works)
  assert.equal(slots.used, 0)
})

test('a larger limit lets those who wait in; no limit is never full', async () => {
  const slots = new Slots(1)
  slots.take()
  let ran = false
  const work = slots.run(() => {
    ran = true
  })
  assert.equal(ran, false)
  slots.limit = 2
  await work
  assert.equal(ran, true)
  slots.limit = 0
  assert.equal(slots.full, false)
})
