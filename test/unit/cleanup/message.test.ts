/** Messages through cleanup, on a real directory. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openCleanup, type CleanupFlags } from '#cleanup/cleanup.ts'
import { CleanupMessage } from '#cleanup/message.ts'
import { openSettings } from '#cleanup/settings.ts'
import { MessageState } from '#cleanup/state.ts'
import type { RefusedMessage } from '#cleanup/tools.ts'
import { openCommitter } from '#queue/commit.ts'
import { readLog } from '#queue/logs.ts'
import { RECORD } from '#queue/record.ts'
import { prepareSpares } from '#queue/spare.ts'
import { createQueueFile } from '#queue/write.ts'
import { FixedClock } from '#system/clock.ts'
import { Maps } from '#tables/maps.ts'
import type { Lookup } from '#tables/table.ts'
import { deferred } from '#util/deferred.ts'
import { contentBytes, queueBytes, recordTexts, submitMessage, testSpool, type Input } from '#test/support/cleanup.ts'
import { captureLog } from '#test/support/log.ts'

const ENVELOPE = ['T 1795168578 593490', 'A rewrite_context=local', 'S alice', 'R bob@example.net']
const RECEIVED = 'Received: by mail.example.org (Postfix, from userid 0)\n'
const ALL: CleanupFlags = { filter: true, bcc: true, map: true }

const mail = (content: string, envelope: readonly string[] = ENVELOPE): Input => ({ envelope, content: RECEIVED + content })
const recipients = (records: readonly string[]): string[] => records.filter((text) => /^[OR] |^A (?:notify|dsn)/.test(text))

test('cleanup folds a rewritten header and leaves others byte for byte [RFC 5322 §2.2.3]', async () => {
  using _ = captureLog()
  using queue = testSpool()
  const to = 'To: alice,bob (Bob), "X Y" <x.y>, carol@example.com, dave@example.com, eve@example.com'
  const same = 'Cc: a@b.example,c@d.example\n (comment)'
  const { id } = await submitMessage(queue.config, ALL, mail(`${to}\n${same}\n\nbody`))
  const records = recordTexts(queueBytes(queue.spool, 'incoming', id))
  assert.deepEqual(records.filter((text) => /^N (?:To|\t"X|\teve|Cc| \()/.test(text)), [
    'N To: alice@example.org, bob@example.org (Bob),',
    'N \t"X Y" <x.y@example.org>, carol@example.com, dave@example.com,',
    'N \teve@example.com',
    'N Cc: a@b.example,c@d.example',
    'N  (comment)',
  ])
})

test('cleanup leaves headers of strangers alone and adds none', async () => {
  using captured = captureLog()
  using queue = testSpool()
  const envelope = ENVELOPE.with(1, 'A rewrite_context=remote')
  const { id } = await submitMessage(queue.config, ALL, mail('To: alice\nBcc: x\n\nbody', envelope))
  const records = recordTexts(queueBytes(queue.spool, 'incoming', id))
  assert.deepEqual(records.slice(records.indexOf('M ') + 2, -2), ['N To: alice', 'N ', 'N body'])
  assert.deepEqual(captured.texts(), [`${id}: message-id=<>`])
  assert.equal(captured.lines[0]?.ident, 'postfix/cleanup')
})

test('cleanup expands aliases, drops duplicates and reports the expansion [RFC 3461 §5.2.7]', async () => {
  using _ = captureLog()
  using queue = testSpool({ virtual_alias_maps: 'inline:{{all=one two all},{two=one}}' })
  const { id } = await submitMessage(queue.config, ALL, mail('A: b\n\nx', [
    ...ENVELOPE.slice(0, 3), 'A notify_flags=2', 'A dsn_orig_rcpt=rfc822;x@y', 'R all', 'A notify_flags=6', 'R two',
  ]))
  assert.deepEqual(recipients(recordTexts(queueBytes(queue.spool, 'incoming', id))), [
    'A notify_flags=1', 'A dsn_orig_rcpt=rfc822;x@y', 'O all', 'R one@example.org',
    'A notify_flags=1', 'A dsn_orig_rcpt=rfc822;x@y', 'O all', 'R all@example.org',
    'A notify_flags=4', 'A dsn_orig_rcpt=rfc822;two@example.org', 'O two', 'R one@example.org',
  ])
  const trace = [...readLog(queue.spool, 'trace', id)]
  assert.deepEqual(trace.map(({ recipient, action, notify }) => [recipient, action, notify]), [
    ['all@example.org', 'expanded', 2], ['two@example.org', 'expanded', 6],
  ])
})

test('cleanup removes the trace log with a message that is refused', async () => {
  using _ = captureLog()
  using queue = testSpool({ virtual_alias_maps: 'inline:{{all=one}}', header_checks: 'static:REJECT' })
  const result = await submitMessage(queue.config, ALL, mail('A: b\n\nx', [...ENVELOPE.slice(0, 3), 'A notify_flags=2', 'R all']))
  assert.equal(result.status, 8)
  for (const folder of ['incoming', 'trace']) assert.deepEqual(readdirSync(join(queue.path, folder)), [], folder)
})

test('cleanup defers a message whose aliases have no end', async () => {
  using captured = captureLog()
  using queue = testSpool({ virtual_alias_maps: 'inline:{{a=b c},{b=d e}}', virtual_alias_expansion_limit: '2' })
  const { status, reason, id } = await submitMessage(queue.config, ALL, mail('A: b\n\nx', [...ENVELOPE.slice(0, 3), 'R a']))
  assert.deepEqual([status, reason], [256, '4.6.0 Alias expansion error'])
  assert.deepEqual(captured.texts(), [
    `warning: ${id}: unreasonable virtual_alias_maps map expansion size for a@example.org -- message not accepted, try again later`,
    `${id}: removed (canceled)`,
  ])
})

const copy = (name: string): string[] => ['A notify_flags=1', `O ${name}@example.org`, `R ${name}@example.org`]

test('cleanup adds automatic copies in order, with NOTIFY=NEVER', async () => {
  using _ = captureLog()
  using queue = testSpool({
    sender_bcc_maps: 'inline:{{alice@example.org=s}}', recipient_bcc_maps: 'inline:{{@example.net=r}}', always_bcc: 'always',
  })
  const { id } = await submitMessage(queue.config, ALL, mail('A: b\n\nx'))
  assert.deepEqual(recipients(recordTexts(queueBytes(queue.spool, 'incoming', id))), [
    ...copy('s'), 'A dsn_orig_rcpt=rfc822;bob@example.net', 'O bob@example.net', 'R bob@example.net', ...copy('r'), ...copy('always'),
  ])
})

test('cleanup places mail on hold before it is complete', async () => {
  using _ = captureLog()
  using queue = testSpool()
  const modes: number[] = []
  const real = openCommitter(queue.spool, queue.config)
  const committer = {
    commit: (file: Parameters<typeof real.commit>[0]): Promise<void> => {
      modes.push(statSync(join(queue.path, 'hold', file.id)).mode & 0o777)
      return real.commit(file)
    },
    close: (): Promise<void> => real.close(),
  }
  const result = await submitMessage(queue.config, { hold: true }, mail('A: b\n\nx'), { committer })
  await committer.close()
  assert.deepEqual([result.status, result.queued, modes], [0, false, [0o600]])
  assert.equal(statSync(join(queue.path, 'hold', result.id)).mode & 0o777, 0o700)
})

test('cleanup reports a failed commit as a write error and leaves nothing', async () => {
  using captured = captureLog()
  using queue = testSpool()
  const committer = { commit: () => Promise.reject(Object.assign(new Error('disk'), { code: 'EIO', errno: -5 })), close: () => Promise.resolve() }
  const { status, id } = await submitMessage(queue.config, {}, mail('A: b\n\nx'), { committer })
  assert.equal(status, 2)
  assert.ok(captured.texts().some((line) => line.startsWith(`warning: ${id}: write queue file: `)), captured.texts().join('\n'))
  assert.deepEqual(readdirSync(join(queue.path, 'incoming')), [])
})

test('CleanupMessage.cancel() leaves nothing, also while a lookup is at work', async () => {
  using _ = captureLog()
  using queue = testSpool()
  const { message, answer } = slowMessage(queue)
  message.envelope(RECORD.recipient, 'a')
  message.cancel()
  answer.resolve({ kind: 'found', value: 'b' })
  const result = await message.finish()
  assert.equal(result.status, 1)
  assert.deepEqual(readdirSync(join(queue.path, 'incoming')), [])
})

test('CleanupMessage keeps the order of its input while a lookup waits, and copies content of the caller', async () => {
  using _ = captureLog()
  using queue = testSpool()
  const { message, answer } = slowMessage(queue)
  message.envelope(RECORD.recipient, 'a')
  message.envelope(RECORD.recipient, 'c')
  const bytes = contentBytes(`${RECEIVED}Subject: kept\n\nbody`)
  message.content(bytes)
  bytes.fill(0)
  message.endContent()
  message.extracted(RECORD.recipient, 'd')
  answer.resolve({ kind: 'found', value: 'b' })
  const { id, status } = await message.finish()
  assert.equal(status, 0)
  const records = recordTexts(queueBytes(queue.spool, 'incoming', id))
  assert.deepEqual(records.filter((text) => text.startsWith('R ')), ['R b@example.org', 'R c@example.org', 'R d@example.org'])
  assert.ok(records.includes('N Subject: kept'))
})

test('CleanupMessage.writable() asks the caller to wait when much content waits for a lookup', async () => {
  using _ = captureLog()
  using queue = testSpool()
  const { message, answer } = slowMessage(queue)
  message.envelope(RECORD.recipient, 'a')
  assert.equal(message.writable(), undefined)
  for (let i = 0; i < 300; i++) message.content(contentBytes('x'.repeat(1000)))
  const wait = message.writable()
  assert.ok(wait)
  answer.resolve({ kind: 'absent' })
  await wait
  assert.equal(message.writable(), undefined)
  message.cancel()
})

/** A message with its sender, whose first alias lookup waits for `answer`. */
function slowMessage(queue: ReturnType<typeof testSpool>): { message: CleanupMessage; answer: ReturnType<typeof deferred<Lookup>> } {
  const answer = deferred<Lookup>()
  const lookup = (key: string): Promise<Lookup> | Lookup => (key === 'a@example.org' ? answer.promise : { kind: 'absent' })
  const table = { name: 'test:slow', pattern: false, lookup, close: () => Promise.resolve() }
  const settings = { ...openSettings(queue.config), virtualAlias: new Maps('virtual_alias_maps', [table]) }
  const tools = { spool: queue.spool, committer: openCommitter(queue.spool, queue.config), clock: new FixedClock(1_795_168_600_000) }
  const message = new CleanupMessage(new MessageState(settings, createQueueFile(queue.spool, 'incoming'), ALL, tools))
  message.envelope(RECORD.time, '1795168578 1')
  message.envelope(RECORD.sender, 'alice')
  return { message, answer }
}

test('cleanup returns refused mail to its sender where the client asks for it', async () => {
  using captured = captureLog()
  using queue = testSpool({ header_checks: 'static:REJECT' })
  const refused: RefusedMessage[] = []
  const bounceRejected = (message: RefusedMessage): Promise<void> => {
    refused.push(message)
    assert.ok(readFileSync(join(queue.path, 'incoming', message.id)).includes('kept for the notice'), 'the content is there')
    return Promise.resolve()
  }
  const envelope = [...ENVELOPE.slice(0, 2), 'A envelope_id=env', 'S alice', 'A notify_flags=4', 'O orig', 'R bob@example.net', 'R carol']
  const result = await submitMessage(queue.config, { ...ALL, bounce: true }, mail('A: b\n\nkept for the notice', envelope), { bounceRejected })
  assert.deepEqual([result.status, result.queued], [0, false])
  const [message] = refused
  assert.deepEqual([message?.status, message?.reason, message?.envelopeId, message?.returnFlags], ['5.7.1', 'message content rejected', 'env', 2])
  assert.deepEqual(message?.recipients.map(({ address, original, notify }) => [address, original, notify]), [
    ['bob@example.net', 'orig', 4], ['carol@example.org', 'carol', 0],
  ])
  assert.deepEqual(readdirSync(join(queue.path, 'incoming')), [])
  assert.ok(captured.texts().includes(`${result.id}: removed (discarded)`))
})

test('cleanup returns refused mail without what the file held before', async () => {
  using _ = captureLog()
  using queue = testSpool({ header_checks: 'static:REJECT' })
  prepareSpares(queue.spool, { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })
  const old = join(queue.path, 'spare/old')
  // Read from anywhere it is one recipient after the other.
  writeFileSync(old, 'R'.repeat(10_000), { mode: 0o600 })
  const inode = statSync(old).ino
  renameSync(old, join(queue.path, `spare/${inode.toString(16).toUpperCase()}`))
  let returned: RefusedMessage | undefined
  let bytes = Buffer.alloc(0)
  const bounceRejected = (message: RefusedMessage): Promise<void> => {
    const path = join(queue.path, 'incoming', message.id)
    assert.equal(statSync(path).ino, inode)
    bytes = readFileSync(path)
    returned = message
    return Promise.resolve()
  }
  await submitMessage(queue.config, { ...ALL, bounce: true }, mail('A: b\n\nx'), { bounceRejected })
  assert.equal(bytes.includes('RRRR'), false)
  assert.deepEqual(returned?.recipients.map(({ address }) => address), ['bob@example.net'])
})

const failingBounce = (): Promise<void> => Promise.reject(new Error('bounce service failure'))

test('cleanup reports a write error when refused mail cannot be returned', async () => {
  using _ = captureLog()
  using queue = testSpool({ header_checks: 'static:REJECT' })
  const result = await submitMessage(queue.config, { ...ALL, bounce: true }, mail('A: b\n\nx'), { bounceRejected: failingBounce })
  assert.equal(result.status, 2)
})

test('cleanup refuses what does not end', async () => {
  using _ = captureLog()
  using queue = testSpool()
  const cleanup = openCleanup(queue.config)
  const message = cleanup.begin({})
  message.envelope(RECORD.time, '1 1')
  message.envelope(RECORD.sender, '')
  message.envelope(RECORD.recipient, 'a')
  const result = await message.finish()
  await cleanup.close()
  assert.equal(result.status, 1)
  assert.deepEqual(readdirSync(join(queue.path, 'incoming')), [])
})

test('cleanup ends a message at the size limit', async () => {
  using captured = captureLog()
  using queue = testSpool({ message_size_limit: '2000' })
  const { status, id } = await submitMessage(queue.config, {}, mail(`A: b\n\n${'x'.repeat(1000)}\n${'y'.repeat(1000)}`))
  assert.equal(status, 4)
  assert.ok(captured.texts().includes(`warning: ${id}: queue file size limit exceeded`))
})

test('cleanup does with mail that a filter should see what milter_default_action says', async () => {
  const cases = [['tempfail', 256], ['accept', 0], ['reject', 8], ['quarantine', 0]] as const
  for (const [action, status] of cases) {
    using captured = captureLog()
    using queue = testSpool({ non_smtpd_milters: 'inet:127.0.0.1:1', milter_default_action: action })
    const result = await submitMessage(queue.config, { milter: true }, mail('A: b\n\nx'))
    assert.deepEqual([result.status, result.queued], [status, action === 'accept'], action)
    assert.ok(captured.texts().some((line) => line.startsWith('warning: connect to Milter service inet:127.0.0.1:1: ')))
    assert.equal((await submitMessage(queue.config, { milter: true, smtpReply: true }, mail('A: b\n\nx'))).status, 0, 'smtpd asks its own')
  }
})

test('cleanup lets extensions go on where propagate_unmatched_extensions names canonical or virtual', async () => {
  using _ = captureLog()
  const maps = { recipient_canonical_maps: 'inline:{{one=two}}', virtual_alias_maps: 'inline:{{two=three}}', recipient_delimiter: '+' }
  const cases = [
    ['canonical, virtual', 'R three+x@example.org'], ['canonical', 'R three@example.org'], ['virtual', 'R three@example.org'],
    ['alias, forward, include, generic', 'R three@example.org'],
  ] as const
  for (const [propagate_unmatched_extensions, expected] of cases) {
    using queue = testSpool({ ...maps, propagate_unmatched_extensions })
    const { id } = await submitMessage(queue.config, ALL, mail('A: b\n\nx', [...ENVELOPE.slice(0, 3), 'R one+x']))
    assert.ok(recipients(recordTexts(queueBytes(queue.spool, 'incoming', id))).includes(expected), propagate_unmatched_extensions)
  }
})
