/** The shell of delivery agents: see src/service/agent.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endAll } from '#service/agent.ts'
import { openDelivery } from '#test/support/agent.ts'
import { deferred } from '#util/deferred.ts'

test('endAll: ends only when every recipient has ended, also when one fails: the message is closed then', async () => {
  using made = openDelivery({ recipients: ['a@example.org', 'b@example.org'] })
  const slow = deferred<boolean>()
  let marked = false
  const sent = async (_: unknown, { address }: { readonly address: string }): Promise<boolean> => {
    if (address.startsWith('a')) throw new Error('no room for the log')
    await slow.promise
    marked = true
    return false
  }
  const { delivery } = made
  const delivered = { ...delivery.tools.delivered, sent }
  const ending = endAll({ ...delivery, tools: { ...delivery.tools, delivered } }, 'sent', { status: '2.0.0', reason: '', relay: 'none', handoff: 0 })
  const early = await Promise.race([ending.catch(() => 'ended'), new Promise((resolve) => setImmediate(() => resolve('waits')))])
  assert.equal(early, 'waits')
  slow.resolve(false)
  await assert.rejects(ending, /no room/)
  assert.equal(marked, true)
})
