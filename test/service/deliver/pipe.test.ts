/** Commands that get mail by pipe: see src/deliver/pipe. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { pipeDelivery } from '#deliver/pipe/deliver.ts'
import { guardedUsers, parsePipeWords } from '#deliver/pipe/settings.ts'
import { Slots } from '#service/slots.ts'
import type { Worker } from '#service/worker.ts'
import { getgrgid, isRoot } from '#system/users.ts'
import { openDelivery, OWNER, ownersFolder, removeFolder, type AgentCase } from '#test/support/agent.ts'
import { captureLog } from '#test/support/log.ts'

let folder: string

before(() => {
  folder = ownersFolder()
})
after(() => removeFolder(folder))

type Options = AgentCase & { readonly parameters?: Record<string, string> }

/** Gives a message to a pipe service with these words of master.cf. */
async function deliver(words: readonly string[], { parameters = {}, ...message }: Options = {}) {
  using made = openDelivery(message)
  using caught = captureLog('postfix/pipe')
  const config = configFrom({ queue_directory: folder, recipient_delimiter: '+', export_environment: '', ...parameters })
  const worker: Worker = {
    program: 'pipe', config, common: config, log: caught.log, service: { name: 'filter', type: 'unix' }, args: [],
    stop: new AbortController().signal, clientLimit: 0, slots: new Slots(0), stress: false, useTicketKeys: () => undefined,
  }
  const settings = parsePipeWords([`user=${OWNER.name}`, ...words], 'filter', [])
  const { status } = await pipeDelivery(worker, settings)(made.delivery)
  return { ends: made.ends, left: status !== 0, log: caught.texts() }
}

/** What a command with these flags reads. */
async function input(flags: string, options: Options = {}, more: readonly string[] = []): Promise<string> {
  rmSync(join(folder, 'mail'), { force: true })
  const { ends } = await deliver([`flags=${flags}`, ...more, 'argv=/bin/sh', '-c', `cat > ${folder}/mail`], options)
  assert.deepEqual(ends.map((end) => end.split(' ')[0]), ends.map(() => 'sent'), ends.join('\n'))
  return readFileSync(join(folder, 'mail'), 'latin1')
}

const MESSAGE = { lines: ['Subject: x', '', 'From me', '.dot'] }
const CONTENT = 'Subject: x\n\nFrom me\n.dot\n'

test('flags B D F O R > and . change the message, each in its own way', async () => {
  assert.equal(await input('', MESSAGE), CONTENT)
  assert.equal(await input('B', MESSAGE), `${CONTENT}\n`)
  assert.equal(await input('D', MESSAGE), `Delivered-To: bob@example.org\n${CONTENT}`)
  assert.match(await input('F', MESSAGE), /^From alice@example\.com {2}\w{3} \w{3} .* \d{4}\nSubject: x\n/)
  const forwarded = { ...MESSAGE, recipients: [{ address: 'bob@example.org', original: 'info@example.org' }] }
  assert.equal(await input('O', forwarded), `X-Original-To: info@example.org\n${CONTENT}`)
  assert.equal(await input('R', MESSAGE), `Return-Path: <alice@example.com>\n${CONTENT}`)
  assert.equal(await input('>', MESSAGE), CONTENT.replace('From', '>From'))
  assert.equal(await input('.', MESSAGE), CONTENT.replace('.dot', '..dot'))
  const all = await input('BDFORX>.', forwarded, ['eol=\\r\\n'])
  assert.match(all, /^From alice@example\.com .*\r\nReturn-Path: <alice@example\.com>\r\nX-Original-To: info@example\.org\r\nDelivered-To: bob@example\.org\r\nSubject: x\r\n\r\n>From me\r\n\.\.dot\r\n\r\n$/)
})

test('every name of pipe(8) has its value, and recipients get arguments of their own', async () => {
  const request = {
    envelopeId: 'env', clientName: 'client.example', clientAddress: '192.0.2.1', clientPort: '4711', heloName: 'helo.example',
    protocolName: 'ESMTP', saslMethod: 'PLAIN', saslUsername: 'alice', saslSender: 'a@example.com', nexthop: 'Next.Example', contentSize: 77,
  }
  const recipients = [{ address: 'Bob+Ext@Example.ORG', original: 'info@example.org' }, { address: 'eve@other.example' }]
  const show = async (flags: string, ...names: readonly string[]): Promise<string[]> => {
    const script = `printf '%s\\n' "$@" > ${folder}/words`
    await deliver([`flags=${flags}`, 'argv=/bin/sh', '-c', script, 'sh', ...names.map((name) => `\${${name}}`)], { recipients, request })
    return readFileSync(join(folder, 'words'), 'utf8').slice(0, -1).split('\n')
  }
  const message = [
    'sender', 'nexthop', 'size', 'queue_id', 'envid', 'client_address', 'client_helo', 'client_hostname', 'client_port', 'client_protocol',
    'sasl_method', 'sasl_sender', 'sasl_username',
  ]
  assert.deepEqual(await show('', ...message), [
    'alice@example.com', 'Next.Example', '77', '3F2A1B0C9D', 'env', '192.0.2.1', 'helo.example', 'client.example', '4711', 'ESMTP',
    'PLAIN', 'a@example.com', 'alice',
  ])
  assert.deepEqual(await show('', 'recipient', 'original_recipient'), ['Bob+Ext@Example.ORG', 'eve@other.example', 'info@example.org', 'eve@other.example'])
  assert.deepEqual(await show('', 'user', 'extension', 'mailbox', 'domain'), ['Bob', 'eve', 'Ext', '', 'Bob+Ext', 'eve', 'Example.ORG', 'other.example'])
  assert.deepEqual(await show('hu', 'recipient', 'user', 'domain', 'nexthop'), ['bob+ext@example.org', 'eve@other.example', 'bob', 'eve', 'example.org', 'other.example', 'next.example'])
})

test('q quotes what needs it, and null_sender= stands for the empty sender', async () => {
  const words = ['argv=/bin/sh', '-c', `printf '%s\\n' "$@" > ${folder}/words`, 'sh', '${sender}', '${recipient}']
  const recipients = ['b b@example.org']
  const show = async (...more: readonly string[]): Promise<string> => {
    await deliver([...more, ...words], { recipients, request: { sender: '' } })
    return readFileSync(join(folder, 'words'), 'utf8')
  }
  assert.equal(await show(), 'MAILER-DAEMON\nb b@example.org\n')
  assert.equal(await show('flags=q', 'null_sender=<>'), '"<>"\n"b b"@example.org\n')
  assert.equal(await show('flags=q', 'null_sender='), '\n"b b"@example.org\n')
})

test('D and O take one recipient at a time, or defer with a warning', async () => {
  for (const flag of ['D', 'O']) {
    const { ends, left, log } = await deliver([`flags=${flag}`, 'argv=true'], { recipients: ['a@example.org', 'b@example.org'] })
    assert.deepEqual([ends[0], ends.length, left], ['deferred a@example.org 4.3.5 mail system configuration error', 2, true])
    assert.deepEqual(log, [`warning: pipe flag \`${flag}' requires filter_destination_recipient_limit = 1`])
  }
})

test('D bounces a message that was delivered to this address before', async () => {
  const lines = ['Delivered-To: BOB@example.org', 'Subject: x', '', 'y']
  const { ends, left } = await deliver(['flags=D', 'argv=true'], { lines })
  assert.deepEqual([ends, left], [['bounced bob@example.org 5.4.6 mail forwarding loop for bob@example.org'], false])
  assert.deepEqual((await deliver(['argv=true'], { lines })).ends, ['sent bob@example.org 2.0.0 delivered via filter service'])
})

test('size= bounces what is larger', async () => {
  const request = { contentSize: 11 }
  assert.deepEqual((await deliver(['size=10', 'argv=true'], { request })).ends, ['bounced bob@example.org 5.2.3 message too large'])
  assert.match((await deliver(['size=11', 'argv=true'], { request })).ends[0] ?? '', /^sent/)
})

test('<transport>_time_limit ends the command, and bounces the mail', async () => {
  const { ends } = await deliver(['argv=sleep', '600'], { parameters: { filter_time_limit: '1' } })
  assert.deepEqual(ends, ['bounced bob@example.org 5.3.0 Command time limit exceeded: "sleep"'])
})

test('the end of the command is the end of all recipients', async () => {
  const recipients = ['a@example.org', 'b@example.org']
  const end = async (script: string) => (await deliver(['argv=/bin/sh', '-c', script], { recipients })).ends
  assert.deepEqual(await end('exit 0'), recipients.map((each) => `sent ${each} 2.0.0 delivered via filter service`))
  assert.deepEqual(await end('exit 75'), recipients.map((each) => `deferred ${each} 4.3.0 temporary failure`))
  assert.deepEqual(await end('echo 5.7.9 no such thing; exit 1'), recipients.map((each) => `bounced ${each} 5.7.9 no such thing `))
})

test('user= refuses root, the mail system\'s owner and its groups', { skip: isRoot() ? false : 'only root could take them' }, () => {
  const cases = [
    ['root:nogroup', /specifies root privileges/], [OWNER.name, /specifies mail system owner/], ['daemon:root', /specifies privileged group id 0/],
    [`daemon:${getgrgid(OWNER.gid)?.name}`, /specifies mail system owner \w+ group id \d+/],
    ['daemon:games', /specifies mail system games group id \d+/],
  ] as const
  const guarded = guardedUsers(configFrom({ mail_owner: OWNER.name, setgid_group: 'games' }))
  for (const [user, expected] of cases) {
    assert.throws(() => parsePipeWords([`user=${user}`, 'argv=true'], 'filter', guarded), expected, user)
  }
})
