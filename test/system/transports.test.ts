/** Out by every transport: mailbox or peer, delivery line, and empty queues. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isRoot } from '#system/users.ts'
import { answering, startPeer, type PeerServer, type Transcript } from '#test/support/smtp-peer.ts'
import {
  assertQueuesEmpty, queueFiles, subject, submit, submitLocally, waitDelivery, waitNotice, waitRemoved, type Line,
} from '#test/support/system-mail.ts'
import { createSystem, type MailSystem } from '#test/support/system.ts'

/** A user with a mailbox; as root the owner of the mail system is a user of its own. */
const USER = isRoot() ? 'nobody' : userInfo().username
const PIPE_USER = isRoot() ? 'daemon' : userInfo().username

const mx: Transcript = { commands: [], messages: [] }
const lmtp: Transcript = { commands: [], messages: [] }
let mxServer: PeerServer
let lmtpServer: PeerServer
let system: MailSystem

before(async () => {
  mxServer = await startPeer(answering({}, mx))
  lmtpServer = await startPeer(answering({ dot: '250 2.1.5 stored' }, lmtp))
  const relay = `[127.0.0.1]:${mxServer.port}`
  system = await createSystem({
    main: {
      mail_spool_directory: '@HOME@/mail', local_recipient_maps: '', relay_domains: 'relay.example', relayhost: relay,
      relay_transport: `relay:${relay}`, transport_maps: 'texthash:@HOME@/etc/transport',
      script_destination_recipient_limit: '1',
    },
    master: [
      `script unix - n n - - pipe flags=DRXhu user=${PIPE_USER} argv=/bin/sh @HOME@/etc/script \${user} \${nexthop}`
    ],
    files: {
      vmailbox: '/^mbox@/ mbox\n/@example\\.org$/ box/\n',
      transport: [
        `lmtp.example lmtp:inet:127.0.0.1:${lmtpServer.port}`, 'pipe.example script:there', 'error.example error:5.7.1 nobody there',
        'discard.example discard:into thin air', 'retry.example retry:4.2.1 come back later', '',
      ].join('\n'),
      script: 'echo "$1 $2"; cat > @HOME@/out/$1\n',
    },
  })
  mkdirSync(join(system.home, 'out'))
  chmodSync(join(system.home, 'out'), 0o777)
  await system.start()
})

after(async () => {
  await system[Symbol.asyncDispose]()
  await mxServer[Symbol.asyncDispose]()
  await lmtpServer[Symbol.asyncDispose]()
})

const MX = /127\.0\.0\.1\[127\.0\.0\.1\]:\d+/
const QUEUED = '250 2.0.0 Ok: queued as 4X9'
type Case = { readonly name: string; readonly line: Omit<Line, 'status' | 'dsn'>; readonly look: () => string; readonly expected: RegExp }

const HEAD = /^From alice@example\.com {2}\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\nReturn-Path: <alice@example\.com>\nX-Original-To: ([^\n]+)\nDelivered-To: \1\nReceived: from client\.example\.com /
const file = (...names: readonly string[]) => () => readFileSync(join(system.home, ...names), 'utf8')

const CASES: readonly Case[] = [
  {
    name: 'virtual Maildir', line: { to: 'bob@example.org', relay: 'virtual', reason: 'delivered to maildir' },
    look: () => system.maildir('box')[0] ?? '', expected: /^Return-Path: <alice@example\.com>\nX-Original-To: bob@example\.org\nDelivered-To: bob@example\.org\n/,
  },
  {
    name: 'virtual mbox', line: { to: 'mbox@example.org', relay: 'virtual', reason: 'delivered to mailbox' },
    look: file('mail', 'mbox'), expected: HEAD,
  },
  {
    name: 'local mailbox', line: { to: `${USER}@localhost`, relay: 'local', reason: 'delivered to mailbox' },
    look: file('mail', USER), expected: HEAD,
  },
  {
    name: 'smtp relay', line: { to: 'carol@far.example', relay: MX, tls: 'may:none', reason: QUEUED },
    look: () => mx.messages.find((message) => message.includes('smtp relay')) ?? '',
    expected: /^Received: from client\.example\.com [^]*\r\nSubject: smtp relay\r\n[^]*\r\n\r\nHello\.\r\n$/,
  },
  {
    name: 'relay class', line: {
      program: 'smtp', to: 'carol@relay.example', relay: MX, tls: 'may:none', reason: QUEUED,
    },
    look: () => mx.commands.join('\n'), expected: /^RCPT TO:<carol@relay\.example>/m,
  },
  {
    name: 'lmtp', line: {
      program: 'lmtp', to: 'carol@lmtp.example', relay: MX, tls: 'none', reason: '250 2.1.5 stored',
    },
    look: () => `${lmtp.commands[0]}\n${lmtp.messages[0]}`, expected: /^LHLO mail\.example\.org\n(?:Delivered-To: [^\n]*\r\n)?Received: /,
  },
  {
    name: 'pipe', line: {
      program: 'pipe', to: 'carol@pipe.example', relay: 'script', reason: 'delivered via script service (carol there)',
    },
    look: file('out', 'carol'), expected: /^Return-Path: <alice@example\.com>\nDelivered-To: carol@pipe\.example\nReceived: /,
  },
  {
    name: 'discard', line: { program: 'discard', to: 'carol@discard.example', relay: 'none', reason: 'into thin air' },
    look: () => '', expected: /^$/,
  },
]

for (const { name, line, look, expected } of CASES) {
  test(`out by ${name}`, async () => {
    const id = await submit(system, [line.to], { message: subject(name) })
    await waitDelivery(system, id, { ...line, dsn: line.program === 'lmtp' ? '2.1.5' : '2.0.0', status: 'sent' })
    await waitRemoved(system, id)
    assert.match(look(), expected)
    assertQueuesEmpty(system)
  })
}

test('out by error: every recipient bounces with the next hop as the reason', async () => {
  const id = await submitLocally(
    system, ['carol@error.example'], { from: 'eve@example.org', message: subject('to nobody') },
  )
  await waitDelivery(
    system, id,
    {
      program: 'error', to: 'carol@error.example', relay: 'none', dsn: '5.7.1', status: 'bounced',
      reason: 'nobody there',
    },
  )
  await waitNotice(system, id, 'sender non-delivery notification')
  await waitRemoved(system, id)
  assert.match(
    system.maildir('box').at(-1) ?? '',
    /^Return-Path: <>\nX-Original-To: eve@example\.org\n[^]*<carol@error\.example>: nobody there\n/,
  )
  assertQueuesEmpty(system)
})

test('out by retry: every recipient is deferred with the next hop as the reason', async () => {
  const id = await submitLocally(system, ['carol@retry.example'])
  await waitDelivery(
    system, id,
    {
      program: 'error', to: 'carol@retry.example', relay: 'none', dsn: '4.2.1', status: 'deferred',
      reason: 'come back later',
    },
  )
  await system.waitForLog(new RegExp(`${id}: to=<carol@retry`))
  const { stdout } = await system.command('postqueue', ['-p'])
  assert.match(
    stdout, new RegExp(`^${id} +\\d+ .* alice@example\\.com\\n *\\(come back later\\)\\n +carol@retry\\.example$`, 'm'),
  )
  assert.deepEqual(queueFiles(system).toSorted(), [`defer/${id}`, `deferred/${id}`])
  assert.equal((await system.command('postsuper', ['-d', id])).status, 0)
  assertQueuesEmpty(system)
})
