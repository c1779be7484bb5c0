/** Promises with their ends in the open. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deferred, untilAborted } from '#util/deferred.ts'
import { whenReady } from '#util/maybe.ts'
import { unreachable } from '#util/unreachable.ts'

test('untilAborted() gives the value, or the reason of the signal', async () => {
  const late = deferred<number>()
  const stop = new AbortController()
  const waiting = untilAborted(late.promise, stop.signal)
  stop.abort(new Error('stopped'))
  await assert.rejects(waiting, /stopped/)
  late.resolve(1)
  assert.equal(await untilAborted(late.promise, new AbortController().signal), 1)
  await assert.rejects(untilAborted(late.promise, stop.signal), /stopped/)
})

test('whenReady() does not wait for what is there', async () => {
  assert.equal(whenReady(1, (n) => n + 1), 2)
  assert.equal(await whenReady(Promise.resolve(1), (n) => n + 1), 2)
})

test('unreachable() throws on a value after all', () => {
  // A value of that type cannot be written down; a mistyped one comes from outside.
  assert.throws(() => Reflect.apply(unreachable, undefined, ['x']), /Cannot handle "x"/)
})
