/** Postmaster is told of sessions that go wrong: notify_classes with smtpd and smtp as real processes. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { answering, startPeer, type PeerServer } from '#test/support/smtp-peer.ts'
import { eventually, startSystem, type MailSystem } from '#test/support/system.ts'
import { assertQueuesEmpty, mailWith, submit, waitRemoved } from '#test/support/system-mail.ts'

let peer: PeerServer

before(async () => {
  peer = await startPeer(answering({ rcpt: '503 5.5.1 first something else' }))
})
after(() => peer[Symbol.asyncDispose]())

/** The notice in the mailbox, once it is there. */
async function noticeWith(system: MailSystem, text: string): Promise<string> {
  const line = await system.waitForLog(/postfix\/qmgr\[\d+\]: \w+: from=<double-bounce@/)
  await waitRemoved(system, /: (\w+): from=/.exec(line)?.[1] ?? '')
  return eventually('the notice', () => mailWith(system, 'box', text))
}

test('smtpd sends postmaster what a client said that broke the protocol', async () => {
  await using system = await startSystem({ main: { notify_classes: 'protocol', error_notice_recipient: 'errors@example.org' } })
  using client = await SmtpClient.open(system.port('smtp'))
  assert.match(await client.command('NONSENSE'), /^500 /)
  await client.command('QUIT')
  const notice = await noticeWith(system, 'SMTP server: errors from')
  assert.match(notice, /^To: Postmaster <errors@example\.org>$/m)
  assert.match(notice, /\n In: {2}NONSENSE\n Out: 500 5\.5\.2 Error: command not recognized\n In: {2}QUIT\n/)
  assertQueuesEmpty(system)
})

test('smtp sends postmaster what a server said that found us breaking the protocol', async () => {
  await using system = await startSystem({ main: { notify_classes: 'protocol', relayhost: `[127.0.0.1]:${peer.port}` } })
  const id = await submit(system, ['bob@far.example'], { from: 'eve@example.org' })
  await waitRemoved(system, id)
  const notice = await noticeWith(system, 'SMTP client: errors from')
  assert.match(notice, /\n In: {2}503 5\.5\.1 first something else\n/)
})
