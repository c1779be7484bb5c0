/** Steps in order, whether they wait or not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sequence } from '#cleanup/sequence.ts'
import { deferred } from '#util/deferred.ts'

test('Sequence runs steps at once until one waits, and the others after it', async () => {
  const sequence = new Sequence()
  const seen: string[] = []
  const gate = deferred<void>()
  sequence.run(() => { seen.push('a') })
  assert.deepEqual(seen, ['a'])
  assert.equal(sequence.idle(), undefined)
  sequence.run(async () => {
    await gate.promise
    seen.push('b')
  })
  sequence.run(() => { seen.push('c') })
  sequence.run(() => Promise.resolve().then(() => { seen.push('d') }))
  assert.equal(sequence.busy, true)
  assert.deepEqual(seen, ['a'])
  gate.resolve()
  await sequence.idle()
  assert.deepEqual(seen, ['a', 'b', 'c', 'd'])
  assert.equal(sequence.busy, false)
})

test('Sequence runs nothing after a step that failed, and says so', async () => {
  const sequence = new Sequence()
  const seen: string[] = []
  sequence.run(() => Promise.reject(new Error('lost')))
  sequence.run(() => { seen.push('later') })
  await assert.rejects(async () => { await sequence.idle() }, /lost/)
  sequence.run(() => { seen.push('even later') })
  assert.throws(() => sequence.idle(), /lost/)
  assert.deepEqual(seen, [])
})
