/**
 * Notices about mail servers: see src/deliver/smtp/reporter.ts. Their texts are compared with those of the real
 * Postfix in test/interop/deliver/smtp-notices.test.ts.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestClient, type TestClient } from '#test/support/delivery.ts'
import { answering, startPeer, type Replies } from '#test/support/smtp-peer.ts'

function client(parameters: Readonly<Record<string, string>> = {}): TestClient {
  return openTestClient({ parameters: { notify_classes: 'protocol', smtp_connection_cache_destinations: '127.0.0.1', ...parameters } })
}

/** The body of each notice after a message to a server with these replies. */
async function noticesAfter(sender: TestClient, replies: Replies): Promise<string[]> {
  await using server = await startPeer(answering(replies))
  await sender.deliver(`[127.0.0.1]:${server.port}`)
  return bodies(await sender.notices())
}

function bodies(notices: readonly string[][]): string[] {
  return notices.map((records) => records.filter((record) => record.startsWith('N ')).map((record) => record.slice(2)).join('\n'))
}

test('smtp tells postmaster of a server that says that we broke the protocol', async () => {
  await using smtp = client({ smtp_connection_cache_destinations: '' })
  const [notice = '', ...more] = await noticesAfter(smtp, { rcpt: '503 5.5.1 first something else' })
  assert.deepEqual(more, [])
  assert.match(notice, /^Subject: \S+ SMTP client: errors from 127\.0\.0\.1\[127\.0\.0\.1\]:\d+$/m)
  assert.match(notice, /\n In: {2}503 5\.5\.1 first something else\n Out: RSET\n In: {2}250 2\.0\.0 Ok\n Out: QUIT\n\nFor other details/)
})

test('smtp tells nothing of servers that only refuse, nor to whom it does not matter', async () => {
  await using smtp = client()
  assert.deepEqual(await noticesAfter(smtp, { rcpt: '550 5.1.1 unknown' }), [])
  await using calm = client({ notify_classes: 'resource, software' })
  assert.deepEqual(await noticesAfter(calm, { rcpt: '503 5.5.1 first something else' }), [])
})

test('smtp tells of a message what was said about it, not about the one before it on the same connection', async () => {
  await using smtp = client()
  const verdicts = ['250 2.1.5 Ok', '250 2.1.5 Ok']
  await using server = await startPeer(answering({ rcpt: () => verdicts.shift() ?? '503 5.5.1 no' }))
  for (const expected of [0, 0, 1]) {
    await smtp.deliver(`[127.0.0.1]:${server.port}`)
    const notices = bodies(await smtp.notices())
    assert.equal(notices.length, expected)
    if (expected === 1) assert.match(notices[0] ?? '', /follows\.\n\n Out: MAIL FROM:/)
  }
})
