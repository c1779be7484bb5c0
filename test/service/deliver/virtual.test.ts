/** Mailboxes of tables, in a temporary folder: see src/deliver/virtual. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { virtualDelivery } from '#deliver/virtual/deliver.ts'
import { openDelivery, OWNER, ownersFolder, removeFolder, type AgentCase } from '#test/support/agent.ts'
import { captureLog } from '#test/support/log.ts'

let folder: string

before(() => {
  folder = ownersFolder()
})
after(() => removeFolder(folder))

async function deliver(parameters: Record<string, string> = {}, message: AgentCase = {}) {
  using made = openDelivery(message)
  using caught = captureLog('postfix/virtual')
  const config = configFrom({
    virtual_mailbox_base: folder, virtual_mailbox_maps: 'inline:{bob@example.org=box/, eve@example.org=eve}', virtual_minimum_uid: '1',
    virtual_uid_maps: `static:${OWNER.uid}`, virtual_gid_maps: `static:${OWNER.gid}`, myorigin: 'example.org', ...parameters,
  })
  const { status } = await virtualDelivery(config)(made.delivery)
  return { ends: made.ends, left: status !== 0, log: caught.texts() }
}

test('a Maildir or a mailbox file, as the table says, and of the owner that the tables say', async () => {
  const { ends, left } = await deliver({}, { recipients: ['bob@example.org', 'eve@example.org'] })
  assert.deepEqual(ends, ['sent bob@example.org 2.0.0 delivered to maildir', 'sent eve@example.org 2.0.0 delivered to mailbox'])
  assert.equal(left, false)
  const [name = ''] = readdirSync(join(folder, 'box/new'))
  assert.match(readFileSync(join(folder, 'box/new', name), 'utf8'), /^Return-Path: <alice@example\.com>\nX-Original-To: bob@example\.org\nDelivered-To: bob@example\.org\nFrom: [^]*\nFrom here\n$/)
  assert.match(readFileSync(join(folder, 'eve'), 'utf8'), /^From alice@example\.com {2}[^]*\n>From here\n\n$/)
  assert.deepEqual([statSync(join(folder, 'eve')).uid, statSync(join(folder, 'box/new', name)).uid], [OWNER.uid, OWNER.uid])
})

test('users that no table knows bounce with 5.1.1, each for itself', async () => {
  const { ends, left } = await deliver({}, { recipients: ['nosuch@example.org', 'bob@example.org'] })
  assert.deepEqual(ends, ['bounced nosuch@example.org 5.1.1 unknown user: "nosuch@example.org"', 'sent bob@example.org 2.0.0 delivered to maildir'])
  assert.equal(left, false)
})

test('all that an administrator can mend defers', async () => {
  const cases: Record<string, string>[] = [
    { virtual_mailbox_maps: 'fail:x' }, { virtual_uid_maps: 'fail:x' }, { virtual_uid_maps: '' }, { virtual_gid_maps: 'static:x' },
    { virtual_minimum_uid: String(OWNER.uid + 1) },
  ]
  for (const parameters of cases) {
    const { ends, left, log } = await deliver(parameters)
    assert.deepEqual([ends, left], [['deferred bob@example.org 4.3.5 mail system configuration error'], true], JSON.stringify(parameters))
    assert.ok(log.length > 0)
  }
  writeFileSync(join(folder, 'file'), '')
  const { ends } = await deliver({ virtual_mailbox_base: join(folder, 'file') })
  assert.match(ends[0] ?? '', /^deferred bob@example\.org 4\.2\.0 maildir delivery failed: create maildir file \S+: Not a directory$/)
})

test('virtual_mailbox_limit bounces what does not fit, and leaves the mailbox as it was', async () => {
  const sizeBefore = statSync(join(folder, 'eve')).size
  const limits = { virtual_mailbox_limit: String(sizeBefore + 10), message_size_limit: '100' }
  const { ends } = await deliver(limits, { recipients: ['eve@example.org'] })
  assert.match(ends[0] ?? '', /^bounced eve@example\.org 5\.2\.2 .*error writing message: File too large$/)
  assert.equal(statSync(join(folder, 'eve')).size, sizeBefore)
})

test('a message that was delivered to this address before bounces', async () => {
  const { ends } = await deliver({}, { lines: ['Delivered-To: Bob@example.org', '', 'x'] })
  assert.deepEqual(ends, ['bounced bob@example.org 5.4.6 mail forwarding loop for bob@example.org'])
})

test('strict_mailbox_ownership and virtual_mailbox_lock guard mailbox files', async () => {
  writeFileSync(join(folder, 'eve.lock'), '')
  const locked = await deliver({ virtual_mailbox_lock: 'dotlock', deliver_lock_attempts: '1' }, { recipients: ['eve@example.org'] })
  assert.match(locked.ends[0] ?? '', /^deferred eve@example\.org 4\.2\.0 .*unable to create lock file/)
  const free = await deliver({ virtual_mailbox_lock: 'fcntl' }, { recipients: ['eve@example.org'] })
  assert.deepEqual(free.ends, ['sent eve@example.org 2.0.0 delivered to mailbox'])
})
