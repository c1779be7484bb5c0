/** The listing of the queue: see src/queue/list.ts. */
import assert from 'node:assert/strict'
import { chmodSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { shortId } from '#queue/id.ts'
import { listQueues } from '#queue/list.ts'
import { appendLog } from '#queue/logs.ts'
import { RECORD, sizePayload } from '#queue/record.ts'
import { prepareSpares, SpareKeeper } from '#queue/spare.ts'
import { moveFile, queueId } from '#queue/spool.ts'
import { nodeFileSystem, substituteFiles } from '#system/files.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool, messageBytes, recipientRecords, recordBytes, TEST_SENDER, TEST_TIME, type TestSpool } from '#test/support/spool.ts'

const OPTIONS = { emptyAddress: 'MAILER-DAEMON', utf8: true }

function list({ spool }: TestSpool, options = OPTIONS) {
  return [...listQueues(spool, options)].map((message) => ({ ...message, recipients: [...message.recipients] }))
}

/** Messages with their recipients, which have to be read before the next one is asked for. */
function listed(spool: TestSpool, options = OPTIONS) {
  const found: { id: string; queue: string; sender: string; size: number; time: number; forced: boolean; to: string[] }[] = []
  for (const { id, queue, sender, size, time, forcedExpire, recipients } of listQueues(spool.spool, options)) {
    const to = [...recipients].map((each) => [each.original, each.address, each.logClass, each.reason].join('|'))
    found.push({ id, queue, sender, size, time, forced: forcedExpire, to })
  }
  return found
}

test('listQueues() lists complete messages, queue by queue', () => {
  using spool = createSpool()
  for (const queue of ['hold', 'deferred', 'incoming', 'active', 'maildrop', 'corrupt'] as const) spool.put(queue, `AAAA${queue.length}${queue.charAt(0)}`, messageBytes())
  spool.put('incoming', 'AAAAA2', messageBytes(), 0o600)
  spool.put('hold', 'AAAAA3', messageBytes(), 0o710)
  const found = listed(spool)
  assert.deepEqual([...new Set(found.map(({ queue }) => queue))], ['maildrop', 'active', 'incoming', 'deferred', 'hold'])
  assert.deepEqual(found.filter(({ forced }) => forced).map(({ id }) => id), ['AAAAA3'])
  assert.equal(found.length, 6)
  assert.equal(found[1]?.time, 1795168578)
})

test('listQueues() shows recipients of the logs first, and no one twice', async () => {
  using spool = createSpool()
  const envelope = [...TEST_TIME, TEST_SENDER, ...['a@y', 'b@y', 'c@y'].flatMap(recipientRecords), [RECORD.done, 'd@y'] as const]
  const id = spool.put('deferred', 'AAAAA1', messageBytes({ envelope }))
  await appendLog(spool.spool, 'defer', id, { recipient: 'b@y', status: '4.0.0', action: 'delayed', reason: 'later' })
  await appendLog(spool.spool, 'bounce', id, { recipient: 'd@y', original: 'o@y', status: '5.0.0', action: 'failed', reason: 'no' })
  assert.deepEqual(listed(spool)[0]?.to, ['|b@y|defer|later', 'o@y|d@y|bounce|no', 'a@y|a@y||', 'c@y|c@y||'])
})

test('listQueues() shows addresses in external form, printable', () => {
  using spool = createSpool()
  const envelope = [
    ...TEST_TIME, [RECORD.sender, ''] as const, [RECORD.recipient, 'a b@y'] as const, [RECORD.recipient, 'g\udcf6@y'] as const,
    [RECORD.recipient, 'ö@y'] as const, [RECORD.originalRecipient, 'X@y'] as const, [RECORD.recipient, ''] as const,
  ]
  spool.put('hold', 'AAAAA1', messageBytes({ envelope }))
  const [message] = listed(spool)
  assert.equal(message?.sender, 'MAILER-DAEMON')
  assert.deepEqual(message?.to, ['"a b"@y|"a b"@y||', 'g?@y|g?@y||', 'ö@y|ö@y||', 'X@y|MAILER-DAEMON||'])
  assert.equal(listed(spool, { ...OPTIONS, utf8: false })[0]?.to[2], '?@y|?@y||')
})

test('listQueues() takes the size of the content, else that of the file', () => {
  using log = captureLog()
  using spool = createSpool()
  const rest = recordBytes([...TEST_TIME, TEST_SENDER, [RECORD.recipient, 'a@y'], [RECORD.message, ''], [RECORD.extracted, ''], [RECORD.end, '']])
  const size = { contentSize: -1, dataOffset: -1, recipientCount: 0, qmgrFlags: 0, contentLength: 0, sendOptions: 0 }
  const withSize = Buffer.concat([recordBytes([[RECORD.size, sizePayload(size)]]), rest])
  spool.put('hold', 'AAAAA1', withSize)
  spool.put('maildrop', 'AAAAA2', withSize)
  spool.put('active', 'AAAAA3', messageBytes())
  assert.deepEqual(listed(spool).map((message) => message.size), [withSize.length, 22, withSize.length])
  assert.equal(log.texts().length, 1)
  assert.match(log.texts()[0] ?? '', /^warning: AAAAA1: malformed size record: .* -- using file size instead$/)
})

test('listQueues() goes on after files that make no sense', () => {
  using log = captureLog()
  using spool = createSpool()
  spool.put('hold', 'AAAAA1', 'junk')
  spool.put('hold', 'AAAAA2', messageBytes({ envelope: [...TEST_TIME, ...recipientRecords('a@y')] }))
  spool.put('hold', 'AAAAA3', messageBytes({ envelope: [...TEST_TIME, TEST_SENDER, ...recipientRecords('a@y'), TEST_SENDER, ...recipientRecords('b@y')] }))
  assert.deepEqual(listed(spool).map(({ id, to }) => [id, to]), [['AAAAA3', ['a@y|a@y||']]])
  assert.deepEqual(log.texts().toSorted(), [
    'warning: AAAAA2: missing sender address: a@y -- skipping remainder of this file',
    'warning: AAAAA3: duplicate sender address: alice@example.org -- skipping remainder of this file',
    'warning: hold/AAAAA1: unexpected EOF in data, record type 106 length 117',
  ])
})

test('recipients of a message can be left unread', () => {
  using spool = createSpool()
  spool.put('hold', 'AAAAA1', messageBytes())
  assert.equal(list(spool).length, 1)
})

const MANY = Array.from({ length: 300 }, (_, i) => `old-${String(i).padStart(3, '0')}@y`)
const OTHERS = MANY.map((each) => each.replace('old', 'new'))

function withRecipients(addresses: readonly string[]): Uint8Array {
  // Young: only the files of such messages are used again.
  const now = Math.trunc(Date.now() / 1000)
  const times = [[RECORD.time, `${now} 0`], [RECORD.attribute, `create_time=${now}`]] as const
  return messageBytes({ envelope: [...times, TEST_SENDER, ...addresses.flatMap(recipientRecords)] })
}

/** All recipients by queue id; when the first one is known, `change` happens. */
function listedAcross(spool: TestSpool, change: () => void): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const { id, recipients } of listQueues(spool.spool, OPTIONS)) {
    const to: string[] = []
    if (!found.has(id)) found.set(id, to)
    for (const { address } of recipients) {
      to.push(address)
      if (to.length === 1 && found.size === 1) change()
    }
  }
  return found
}

test('listQueues() goes on with a message that moves meanwhile', () => {
  using spool = createSpool()
  const id = spool.put('active', 'AAAAA1', withRecipients(MANY))
  assert.deepEqual(listedAcross(spool, () => void moveFile(spool.spool, id, 'active', 'deferred')).get(id), MANY)
})

test('listQueues() shows nothing of the message that is written over one that left meanwhile', () => {
  using spool = createSpool()
  prepareSpares(spool.spool, { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })
  const inActive = (name: string): string => `${spool.path}/active/${name}`
  const inode = statSync(inActive(spool.put('active', 'temporary', withRecipients(MANY)))).ino
  const id = shortId(1, inode)
  renameSync(inActive('temporary'), inActive(id))
  const next = queueId('AAAAA2')
  const found = listedAcross(spool, () => {
    assert.equal(new SpareKeeper(spool.spool).keep(id, 100, 1), 'kept')
    const [kept = ''] = readdirSync(`${spool.path}/spare`)
    writeFileSync(`${spool.path}/spare/${kept}`, withRecipients(OTHERS))
    chmodSync(`${spool.path}/spare/${kept}`, 0o700)
    renameSync(`${spool.path}/spare/${kept}`, `${spool.path}/incoming/${next}`)
  })
  const shown = found.get(id) ?? []
  assert.deepEqual(shown, MANY.slice(0, shown.length))
  assert.deepEqual(found.get(next), OTHERS)
})

test('listQueues() looks again at the names of young messages alone', () => {
  using spool = createSpool()
  const old = spool.put('deferred', 'AAAAA1', messageBytes())
  const young = spool.put('deferred', 'AAAAA2', withRecipients(['a@y']))
  const looked: string[] = []
  using counted = substituteFiles({ ...nodeFileSystem, lstat: (path) => (looked.push(path), nodeFileSystem.lstat(path)) })
  assert.ok(counted)
  assert.deepEqual(listed(spool).map(({ id }) => id).toSorted(), [old, young])
  assert.equal(looked.some((path) => path.endsWith(`deferred/A/${old}`) || path.endsWith(`deferred/${old}`)), false)
  assert.equal(looked.some((path) => path.endsWith(young) && path.includes('deferred')), true)
})
