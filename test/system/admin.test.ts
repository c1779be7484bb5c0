/** What an administrator does to mail in the queue: hold, release, requeue, delete, expire, flush, and hold by header_checks. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { answering, startPeer, type PeerServer, type Transcript } from '#test/support/smtp-peer.ts'
import { startSystem, type MailSystem } from '#test/support/system.ts'
import {
  assertQueuesEmpty, copiesOf, queueFiles, subject, submit, waitNotice, waitRemoved,
} from '#test/support/system-mail.ts'

const transcript: Transcript = { commands: [], messages: [] }
const verdict = { rcpt: '450 4.2.0 come back' }

let peer: PeerServer
let system: MailSystem

before(async () => {
  peer = await startPeer(answering({ rcpt: () => verdict.rcpt }, transcript))
  system = await startSystem({
    main: { relayhost: `[127.0.0.1]:${peer.port}`, header_checks: 'regexp:@HOME@/etc/header_checks' },
    files: {
      header_checks: '/^Subject: suspicious/ HOLD looks odd\n/^Subject: never/ DISCARD\n/^Subject: elsewhere/ REDIRECT chief@example.org\n'
    },
  })
})
after(async () => {
  await system[Symbol.asyncDispose]()
  await peer[Symbol.asyncDispose]()
})

async function postsuper(...args: readonly string[]): Promise<string> {
  const { status, stderr } = await system.command('postsuper', args)
  assert.equal(status, 0, stderr)
  return stderr
}

/** A message that stands in the deferred queue. */
async function deferredMessage(about: string, from = 'alice@example.com'): Promise<string> {
  verdict.rcpt = '450 4.2.0 come back'
  const id = await submit(system, ['carol@far.example'], { from, message: subject(about) })
  await system.waitForLog(new RegExp(`${id}: to=<carol@far.example>.*status=deferred`))
  return id
}

test('a header_checks HOLD keeps the message in hold until postsuper -H', async () => {
  const id = await submit(system, ['bob@example.org'], { message: subject('suspicious mail') })
  const line = await system.waitForLog(new RegExp(`${id}: hold: `))
  assert.match(
    line,
    /^postfix\/cleanup\[\d+\]: \w+: hold: header Subject: suspicious mail from \S+\[127\.0\.0\.1\]; from=<alice@example\.com> to=<bob@example\.org> proto=ESMTP helo=<client\.example\.com>: looks odd$/,
  )
  assert.deepEqual(queueFiles(system), [`hold/${id}`])
  assert.match((await system.command('postqueue', ['-p'])).stdout, new RegExp(`^${id}!`, 'm'))
  await postsuper('-H', id)
  assert.match(await system.waitForLog(new RegExp(`: ${id}: released from hold$`)), /^postfix\/postsuper\[/)
  await system.command('postqueue', ['-f'])
  await waitRemoved(system, id)
  assertQueuesEmpty(system)
})

test('DISCARD accepts a message and keeps nothing', async () => {
  const already = system.maildir('box').length
  const id = await submit(system, ['bob@example.org'], { message: subject('never seen') })
  await system.waitForLog(new RegExp(`^postfix/cleanup\\[\\d+\\]: ${id}: discard: header Subject: never seen from `))
  assertQueuesEmpty(system)
  assert.equal(system.maildir('box').length, already)
})

test('REDIRECT sends the message to one other address', async () => {
  const id = await submit(system, ['carol@far.example', 'dora@far.example'], { message: subject('elsewhere') })
  await waitRemoved(system, id)
  assert.deepEqual(copiesOf(system, 'elsewhere'), ['chief@example.org'])
  assertQueuesEmpty(system)
})

test('postsuper -h holds what is deferred, and qmgr leaves it alone', async () => {
  const id = await deferredMessage('to be held')
  await postsuper('-h', id)
  assert.deepEqual(queueFiles(system).filter((file) => !file.startsWith('defer/')), [`hold/${id}`])
  verdict.rcpt = '250 2.1.5 Ok'
  await system.command('postqueue', ['-f'])
  const other = await submit(system, ['bob@example.org'])
  await waitRemoved(system, other)
  assert.ok(system.queue('hold').includes(id))
  await postsuper('-H', id)
  await system.command('postqueue', ['-i', id])
  await waitRemoved(system, id)
  assertQueuesEmpty(system)
})

test('postsuper -d removes a message and the log of its deferral', async () => {
  const id = await deferredMessage('to be deleted')
  await postsuper('-d', id)
  await system.waitForLog(new RegExp(`^postfix/postsuper\\[\\d+\\]: ${id}: removed$`))
  assertQueuesEmpty(system)
})

test('postsuper -e ends a message at the next flush: it goes back to the sender', async () => {
  const id = await deferredMessage('to be expired', 'eve@example.org')
  await postsuper('-e', id)
  await system.command('postqueue', ['-f'])
  await system.waitForLog(
    new RegExp(`^postfix/qmgr\\[\\d+\\]: ${id}: from=<eve@example\\.org>, status=force-expired, returned to sender$`)
  )
  await waitNotice(system, id, 'sender non-delivery notification')
  await waitRemoved(system, id)
  assertQueuesEmpty(system)
})

test('postqueue -i tries one message now', async () => {
  const id = await deferredMessage('now, please')
  const other = await deferredMessage('some other time')
  verdict.rcpt = '250 2.1.5 Ok'
  assert.equal((await system.command('postqueue', ['-i', id])).status, 0)
  await waitRemoved(system, id)
  assert.ok(system.queue('deferred').includes(other))
  await postsuper('-d', other)
  assertQueuesEmpty(system)
})

test('mailq shows the queue, postcat a message in it', async () => {
  const id = await deferredMessage('to be seen')
  const { stdout } = await system.command('mailq', [])
  assert.match(
    stdout,
    new RegExp(
      `^-Queue ID-.*\\n${id} +\\d+ \\w{3} \\w{3} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d +alice@example\\.com\\n\\(host 127\\.0\\.0\\.1\\[127\\.0\\.0\\.1\\] said: 450 4\\.2\\.0 come back.*\\)\\n +carol@far\\.example\\n\\n-- \\d+ Kbytes in 1 Request\\.\\n$`
    ),
  )
  const shown = await system.command('postcat', ['-q', id])
  assert.match(
    shown.stdout,
    /^\*\*\* ENVELOPE RECORDS deferred\/\S+ \*\*\*\n[^]*\nsender: alice@example\.com\n[^]*Subject: to be seen\n[^]*\n\*\*\* MESSAGE FILE END deferred\/\S+ \*\*\*\n$/,
  )
  await postsuper('-d', 'ALL')
  assertQueuesEmpty(system)
})

test('postsuper -r sends a message through pickup and cleanup again, under a new queue id', async () => {
  const id = await deferredMessage('to be requeued')
  await postsuper('-r', id)
  assert.equal((await system.command('postkick', ['public', 'pickup', 'W'])).status, 0)
  const line = await system.waitForLog(
    new RegExp(`^postfix/pickup\\[\\d+\\]: \\w+: uid=\\d+ from=<alice@example\\.com> orig_id=${id}$`)
  )
  const newId = /: (\w+): uid=/.exec(line)?.[1] ?? ''
  assert.notEqual(newId, id)
  await system.waitForLog(new RegExp(`${newId}: to=<carol@far.example>.*status=deferred`))
  verdict.rcpt = '250 2.1.5 Ok'
  await system.command('postqueue', ['-f'])
  await waitRemoved(system, newId)
  assert.equal(transcript.messages.filter((message) => message.includes('Subject: to be requeued')).length, 1)
  // The log of the old id stays until that id is used again, as in Postfix.
  assert.deepEqual(queueFiles(system).filter((file) => file !== `defer/${id}`), [])
})
