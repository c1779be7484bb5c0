/** anvil with the clients that smtpd uses: see src/support/anvil/main.ts and src/service/anvil.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnvilClient } from '#service/anvil.ts'
import { setup } from '#support/anvil/main.ts'
import { captureLog } from '#test/support/log.ts'
import { startWorker } from '#test/support/worker.ts'

test('anvil counts for several workers together, and takes back what a dead one had', async () => {
  using _ = captureLog()
  await using anvil = await startWorker(setup, { type: 'unix', clientLimit: 1 })
  const first = new AnvilClient(anvil.path)
  const second = new AnvilClient(anvil.path)
  assert.deepEqual(await Promise.all([first.tell('connect', 'smtp:a'), first.tell('connect', 'smtp:a')]),
    [{ count: 1, rate: 1 }, { count: 2, rate: 2 }])
  assert.deepEqual(await second.tell('connect', 'smtp:a'), { count: 3, rate: 3 })
  first.close()
  let count = 3
  // The end of the first connection is seen after what the second one says next, or before.
  for (let rate = 4; count > 2; rate++) {
    assert.deepEqual((await second.tell('connect', 'smtp:a')).rate, rate)
    count = (await second.tell('disconnect', 'smtp:a')).count + 1
  }
  assert.equal(count, 2)
  second.close()
})

test('AnvilClient sends a disconnect with what comes next, in order, or by itself', async () => {
  using _ = captureLog()
  await using anvil = await startWorker(setup, { type: 'unix', clientLimit: 1 })
  const client = new AnvilClient(anvil.path)
  await client.tell('connect', 'smtp:a')
  const counts = await Promise.all([client.tell('disconnect', 'smtp:a'), client.tell('connect', 'smtp:a')])
  assert.deepEqual(counts, [{ count: 0, rate: 1 }, { count: 1, rate: 2 }])
  assert.equal((await client.tell('disconnect', 'smtp:a')).count, 0)
  client.close()
})

test('AnvilClient counts nothing, with one warning, when nobody answers', async () => {
  using log = captureLog()
  const client = new AnvilClient('/nonexistent/anvil')
  assert.deepEqual(await client.tell('connect', 'x'), { count: 0, rate: 0 })
  assert.deepEqual(await client.tell('message', 'x'), { count: 0, rate: 0 })
  assert.deepEqual(log.texts(), [
    'warning: problem talking to service /nonexistent/anvil: connect to /nonexistent/anvil: No such file or directory',
  ])
})
