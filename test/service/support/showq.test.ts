/** showq at work: see src/support/showq, and the reader in src/service/listing.ts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { listFromService } from '#commands/postqueue/listing.ts'
import type { ListedRecipient } from '#queue/list.ts'
import { RECORD } from '#queue/record.ts'
import { ListingDecoder, ListingError, type ListedHead, type ListingSink } from '#service/listing.ts'
import { sendListing } from '#support/showq/serve.ts'
import { createSpool, messageBytes, recipientRecords, TEST_SENDER, TEST_TIME, type TestSpool } from '#test/support/spool.ts'
import { startWorker, type TestWorker } from '#test/support/worker.ts'

const OPTIONS = { emptyAddress: 'MAILER-DAEMON', utf8: true }

/** What a client got. */
type Got = ListingSink & { readonly heads: ListedHead[]; readonly recipients: ListedRecipient[]; ends: number }

function sink(): Got {
  const heads: ListedHead[] = []
  const recipients: ListedRecipient[] = []
  const got: Got = {
    heads, recipients, ends: 0,
    message: (head) => { heads.push(head) },
    recipient: (each) => { recipients.push(each) },
    end: () => { got.ends++ },
  }
  return got
}

function showq(spool: TestSpool): Promise<TestWorker> {
  return startWorker(() => ({ connection: (socket) => sendListing(socket, spool.spool, OPTIONS) }), { type: 'unix' })
}

test('showq sends the bytes that postqueue 3.11 expects', async () => {
  using spool = createSpool()
  spool.put('hold', 'AAAAA1', messageBytes(), 0o710)
  await using worker = await showq(spool)
  const client = await worker.client()
  const chunks: Buffer[] = []
  client.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(client, 'end')
  const text = Buffer.concat(chunks).toString().replaceAll('\0', '|')
  assert.equal(text, 'protocol|mail_queue_list_protocol||queue_name|hold|queue_id|AAAAA1|time|1795168578|size|22|forced_expire|1|'
    + 'sender|alice@example.org|original_recipient|bob@example.net|recipient|bob@example.net|log_class||reason||||')
})

test('showq serves many clients at once, each with the whole queue', async () => {
  using spool = createSpool()
  const envelope = [...TEST_TIME, TEST_SENDER, ...Array.from({ length: 50 }, (_, i) => recipientRecords(`r${i}@example.net`)).flat()]
  for (let i = 0; i < 100; i++) spool.put('deferred', `AAAAA${i}`, messageBytes({ envelope }))
  await using worker = await showq(spool)
  const results = Array.from({ length: 5 }, sink)
  const ends = await Promise.all(results.map((result) => listFromService(worker.path, result)))
  assert.deepEqual(ends, Array.from({ length: 5 }, () => ({ kind: 'ok' })))
  for (const { heads, recipients, ends: count } of results) assert.deepEqual([heads.length, recipients.length, count], [100, 5000, 100])
})

test('showq survives clients that leave in the middle', async () => {
  using spool = createSpool()
  const envelope = [...TEST_TIME, TEST_SENDER, ...Array.from({ length: 20_000 }, (_, i) => [RECORD.recipient, `recipient${i}@example.net`] as const)]
  for (let i = 0; i < 5; i++) spool.put('deferred', `AAAAA${i}`, messageBytes({ envelope }))
  await using worker = await showq(spool)
  const client = await worker.client()
  await once(client, 'data')
  client.destroy()
  const result = sink()
  assert.deepEqual(await listFromService(worker.path, result), { kind: 'ok' })
  assert.equal(result.recipients.length, 100_000)
})

test('ListingDecoder reads a listing in whatever pieces it comes', () => {
  const text = 'protocol|mail_queue_list_protocol||queue_name|hold|queue_id|A|time|5|size|6|forced_expire|0|sender|s|'
    + 'original_recipient||recipient|r|log_class|defer|reason|why|original_recipient|o|recipient||log_class||reason|||'
    + 'queue_name|hold|queue_id|B|time|5|size|6|forced_expire|1|sender||||'
  const zeroed = Buffer.from(text.replaceAll('|', '\0'))
  for (const size of [1, 2, 7, 1000]) {
    const got = sink()
    const decoder = new ListingDecoder(got)
    for (let at = 0; at < zeroed.length; at += size) decoder.push(zeroed.subarray(at, at + size))
    assert.equal(decoder.done, true, `pieces of ${size}`)
    assert.deepEqual(got.heads.map(({ id, forcedExpire, sender }) => [id, forcedExpire, sender]), [['A', false, 's'], ['B', true, '']])
    assert.deepEqual(got.recipients, [
      { original: '', address: 'r', logClass: 'defer', reason: 'why' }, { original: 'o', address: '', logClass: '', reason: '' },
    ])
  }
})

test('ListingDecoder refuses other protocols, other versions and wrong numbers', () => {
  const greeting = 'protocol|mail_queue_list_protocol||'
  const head = 'queue_name|hold|queue_id|A|time|5|size|6|forced_expire|0|sender|s|'
  const cases = [
    'protocol|anvil_protocol||', 'queue_name|hold|', '||', `${greeting}queue_id|A|`, `${greeting}${head}recipient|r|reason||`,
    `${greeting}${head.replace('|5|', '|x|')}`,
  ]
  for (const text of cases) {
    assert.throws(() => new ListingDecoder(sink()).push(Buffer.from(text.replaceAll('|', '\0'))), ListingError, text)
  }
})

test('listFromService() tells a missing service from a wrong one', async () => {
  using spool = createSpool()
  assert.deepEqual(await listFromService(`${spool.path}/public/showq`, sink()), { kind: 'absent', reason: 'No such file or directory', forbidden: false })
  await using worker = await startWorker(() => ({ connection: (socket) => { socket.end('hello\0') } }), { type: 'unix' })
  assert.deepEqual(await listFromService(worker.path, sink()), { kind: 'malformed' })
})
