/** One attempt at a time for each recipient: see src/service/claims.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvelope } from '#queue/envelope.ts'
import { markDone } from '#queue/mark.ts'
import { queueId, queuePath } from '#queue/spool.ts'
import { Claims } from '#service/claims.ts'
import type { DeliverReply, DeliverRequest } from '#service/deliver.ts'
import { files, O_RDWR } from '#system/files.ts'
import { createSpool, messageBytes, recipientRecords, TEST_SENDER, TEST_TIME, type TestSpool } from '#test/support/spool.ts'

const ID = queueId('4A3B2C1D')

/** A message to two recipients in active/, and requests for them. */
function message(spool: TestSpool): { fd: number; ask: (...which: number[]) => DeliverRequest } {
  const bytes = messageBytes({
    envelope: [...TEST_TIME, TEST_SENDER, ...recipientRecords('a@example.org'), ...recipientRecords('b@example.org')],
    size: { recipientCount: 2 },
  })
  spool.put('active', ID, bytes)
  const fd = files.open(queuePath(spool.spool, 'active', ID), O_RDWR)
  const { recipients, ...envelope } = readEnvelope(fd, { id: ID })
  const ask = (...which: number[]): DeliverRequest => {
    const request = { ...envelope, queueName: 'active', queueId: ID, nexthop: '', recipients: which.flatMap((i) => recipients[i] ?? []) }
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- what else a request says does not matter here
    return request as unknown as DeliverRequest
  }
  return { fd, ask }
}

test('Claims gives a second request for the same recipients only what the first has left', async () => {
  using spool = createSpool()
  const { fd, ask } = message(spool)
  const claims = new Claims(spool.spool)
  const first = Promise.withResolvers<DeliverReply>()
  const tried: string[] = []
  const second = async ({ recipients }: DeliverRequest): Promise<DeliverReply> => {
    tried.push(...recipients.map(({ address }) => address))
    return { status: -1 }
  }
  const answers = [claims.run(ask(0, 1), () => first.promise), claims.run(ask(0), second), claims.run(ask(1), second)]
  assert.deepEqual(tried, [])
  const [done] = ask(0).recipients
  markDone(fd, done?.offset ?? 0)
  first.resolve({ status: -1 })
  assert.deepEqual(await Promise.all(answers), [{ status: -1 }, { status: 0 }, { status: -1 }])
  assert.deepEqual(tried, ['b@example.org'])
  files.close(fd)
})

test('Claims lets different recipients of a message be tried at once, and goes on after a failure', async () => {
  using spool = createSpool()
  const { fd, ask } = message(spool)
  const claims = new Claims(spool.spool)
  const never = claims.run(ask(0), () => new Promise<DeliverReply>(() => undefined))
  assert.deepEqual(await claims.run(ask(1), () => Promise.resolve({ status: 0 })), { status: 0 })
  await assert.rejects(claims.run(ask(1), () => Promise.reject(new Error('broken'))), /broken/)
  assert.deepEqual(await claims.run(ask(1), () => Promise.resolve({ status: 0 })), { status: 0 })
  void never
  files.close(fd)
})
