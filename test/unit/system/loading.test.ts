/** Modules that are loaded in time: see src/system/loading.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadingDone, loadOnce } from '#system/loading.ts'

test('loadOnce() loads once, and loadingDone() waits for it', async () => {
  const gate = Promise.withResolvers<string>()
  let count = 0
  const load = loadOnce(() => {
    count++
    return gate.promise
  })
  let isDone = false
  const first = load()
  const waiting = loadingDone().then(() => {
    isDone = true
  })
  assert.equal(load(), first)
  assert.equal(isDone, false)
  gate.resolve('module')
  await waiting
  assert.deepEqual([await load(), count], ['module', 1])
})

test('loadingDone() does not mind a module that cannot be loaded', async () => {
  const load = loadOnce(() => Promise.reject(new Error('gone')))
  load().catch(() => undefined)
  await loadingDone()
  await assert.rejects(load(), /gone/)
})
