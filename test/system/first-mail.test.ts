/** The main job once: mail comes in by SMTP, is queued, and stands in a Maildir. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sendMail } from '#test/support/smtp-client.ts'
import { startSystem } from '#test/support/system.ts'

test('a message comes in by SMTP and goes to a Maildir, and its queue file is gone', async () => {
  await using system = await startSystem()
  const reply = await sendMail(system.port('smtp'), 'alice@example.com', ['bob@example.org'], 'Subject: hello\n\nfirst mail\n.dot')
  const [, id = ''] = /^250 2\.0\.0 Ok: queued as (\w+)$/.exec(reply) ?? assert.fail(reply)
  await system.waitForLog(new RegExp(`qmgr.* ${id}: removed`))
  const [message = ''] = system.maildir('box')
  assert.match(message, /^Return-Path: <alice@example.com>\nX-Original-To: bob@example.org\nDelivered-To: bob@example.org\nReceived: from client.example.com/)
  assert.match(message, /\nSubject: hello\n[^]*\n\nfirst mail\n\.dot\n$/)
  assert.deepEqual(['incoming', 'active', 'deferred'].flatMap((queue) => system.queue(queue)), [])
  assert.match(await system.waitForLog(/virtual/), new RegExp(`${id}: to=<bob@example.org>, relay=virtual, delay=.*, dsn=2.0.0, status=sent \\(delivered to maildir\\)`))
})
