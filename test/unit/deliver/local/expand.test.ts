/** The expansion of one recipient, with mailboxes that only take notes: see src/deliver/local/expand.ts. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { deliverAddress, type ExpandTools } from '#deliver/local/expand.ts'
import { readSettings } from '#deliver/local/settings.ts'
import type { Branch, Expansion } from '#deliver/local/state.ts'
import { openMessage } from '#queue/content.ts'
import { readEnvelope } from '#queue/envelope.ts'
import { queueId } from '#queue/spool.ts'
import { openRouter } from '#rewrite/resolve.ts'
import { isRoot } from '#system/users.ts'
import type { AgentTools } from '#service/agent.ts'
import type { BounceClient } from '#service/bounce-client.ts'
import type { DeliverFlags, DeliverRequest } from '#service/deliver.ts'
import type { Delivered } from '#service/delivered.ts'
import { captureLog } from '#test/support/log.ts'
import { createSpool, messageBytes } from '#test/support/spool.ts'

const ID = queueId('3F2A1B0C9D')
const FLAGS: DeliverFlags = { trace: false, verify: false, userVerify: false, connLoad: false, connStore: false }
const REQUEST: DeliverRequest = {
  queueName: 'active', queueId: ID, dataOffset: 0, contentSize: 0, contentLength: 0, sendOptions: 0, sender: 'alice@example.com', nexthop: '',
  encoding: '', envelopeId: '', retFlags: 0, flags: FLAGS, arrival: {
    seconds: 1000, microseconds: 0,
  }, activeArrival: 0, clientName: '',
  clientAddress: '', clientPort: '', heloName: '', protocolName: '', saslMethod: '', saslUsername: '', saslSender: '', logIdent: '',
  rewriteContext: 'local', recipients: [],
}
const OWN = {
  mailbox_transport: 'notes', myhostname: 'mail.example.org', mydomain: 'example.org', myorigin: 'example.org',
  mydestination: 'example.org', recipient_delimiter: '+',
}

let folder: string

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-expand-'))
  chmodSync(folder, 0o755)
  writeFileSync(join(folder, 'members'), '# a list\none@far.example\n\ntwo@far.example, bob\n')
  writeFileSync(join(folder, 'loop'), `:include:${folder}/loop\n`)
})
after(() => rmSync(folder, { recursive: true }))

type Result = {
  readonly ends: string[]
  readonly mailboxes: string[]
  readonly forwards: Record<string, string[]>
  readonly expanded: string[]
  readonly log: string[]
}

function fakeDelivered(ends: string[]): Delivered {
  const end = (kind: string): Delivered['deferred'] => (_request, recipient, { status, reason }) => {
    ends.push(`${kind} ${recipient.address} ${status} ${reason}`)
    return Promise.resolve(kind === 'deferred')
  }
  return { sent: end('sent'), deferred: end('deferred'), bounced: end('bounced') }
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('not for this test'))
}

function fakeBounces(actions: string[]): BounceClient {
  return {
    append: (_log, _id, { action }) => Promise.resolve(void actions.push(action)),
    flush: refuse, verp: refuse, warn: refuse, trace: refuse, one: refuse, close: () => undefined,
  }
}

/** Expands an address, with these lines of an aliases file. */
async function expand(
  address: string, aliases: Readonly<Record<string, string>>,
  more: { seen?: readonly string[]; notify?: number; parameters?: Record<string, string> } = {},
): Promise<Result> {
  using made = createSpool()
  using caught = captureLog('postfix/local')
  made.put('active', ID, messageBytes())
  writeFileSync(join(folder, 'aliases'), Object.entries(aliases).map(([name, value]) => `${name} ${value}\n`).join(''))
  const config = configFrom({ ...OWN, alias_maps: `texthash:${folder}/aliases`, ...more.parameters })
  const result: Result = { ends: [], mailboxes: [], forwards: {}, expanded: [], log: [] }
  using message = openMessage(made.spool, 'active', ID)
  const tools: AgentTools = {
    spool: made.spool, delivered: fakeDelivered(result.ends), bounces: fakeBounces(result.expanded),
  }
  const root = { offset: 1, address, original: address, dsnOrcpt: '', notify: more.notify ?? 0 }
  const expansion: Expansion = {
    delivery: {
      request: { ...REQUEST, dataOffset: readEnvelope(message.fd, { id: ID, recipientLimit: 1 }).dataOffset }, message,
      tools, handoff: 0,
    }, settings: readSettings(config), root,
    seen: new Set(more.seen ?? []), duplicates: new Set(), forwards: new Map(),
  }
  const branch: Branch = {
    recipient: root, deliveredTo: root.address, sender: REQUEST.sender, level: 0, source: 'envelope', privileges: undefined, owner: undefined, relayed: false,
    forwardOf: new Set(), alias: undefined,
    extension: '', unmatched: '',
  }
  const expandTools: ExpandTools = {
    router: openRouter(config), serviceName: 'local',
    pass: (_expansion, { recipient }) => Promise.resolve(result.mailboxes.push(recipient.address) === 0),
  }
  await deliverAddress(expansion, branch, expandTools)
  for (const { branch: { sender }, recipients } of expansion.forwards.values()) {
    result.forwards[sender] = recipients.map((each) => each.address)
  }
  result.log.push(...caught.texts())
  return result
}

test('a user without alias gets the mail', async () => {
  const { mailboxes, ends, forwards } = await expand('bob@example.org', {})
  assert.deepEqual({ mailboxes, ends, forwards }, { mailboxes: ['bob@example.org'], ends: [], forwards: {} })
})

test('an alias goes to users here, by way of further aliases, and to addresses elsewhere', async () => {
  const { mailboxes, forwards } = await expand(
    'team@example.org', { team: 'bob, more, carol@far.example', more: 'dora, eve' },
  )
  assert.deepEqual(mailboxes, ['bob@example.org', 'dora@example.org', 'eve@example.org'])
  assert.deepEqual(forwards, { 'alice@example.com': ['carol@far.example'] })
})

test('an owner- alias is the sender of what goes on', async () => {
  const { forwards } = await expand('list@example.org', { list: 'carol@far.example', 'owner-list': 'bob' })
  assert.deepEqual(forwards, { 'owner-list@example.org': ['carol@far.example'] })
  const expanded = await expand(
    'list@example.org', { list: 'carol@far.example', 'owner-list': 'bob' },
    { parameters: { expand_owner_alias: 'yes' } },
  )
  assert.deepEqual(expanded.forwards, { 'bob@example.org': ['carol@far.example'] })
})

test('each destination is served once, however many lists name it', async () => {
  const { forwards } = await expand(
    'a@example.org', { a: 'b, c, x@far.example', b: 'x@far.example', c: 'X@far.example, y@far.example' },
  )
  assert.deepEqual(forwards, { 'alice@example.com': ['x@far.example', 'y@far.example'] })
})

test('an alias that names itself means the user; a backslash means the user too', async () => {
  assert.deepEqual((await expand('bob@example.org', { bob: 'bob, carol@far.example' })).mailboxes, ['bob@example.org'])
  assert.deepEqual(
    (await expand('list@example.org', { list: String.raw`\bob`, bob: 'carol@far.example' })).mailboxes,
    ['bob@example.org'],
  )
})

test('aliases that name each other bounce, and the mail is not lost in silence', async () => {
  const { ends, mailboxes, log } = await expand('a@example.org', { a: 'b', b: 'a' })
  assert.match(log.at(-1) ?? '', /^warning: recipient nesting limit exceeded for [ab]@example\.org$/)
  assert.deepEqual(mailboxes, [])
  assert.equal(ends.length, 1)
  assert.match(ends[0] ?? '', /^bounced [ab]@example\.org 5\.4\.6 recipient nesting limit exceeded$/)
})

test('a list of lists of lists takes no longer than its lists', async () => {
  const names = Array.from({ length: 20 }, (_, i) => `l${i}`)
  const aliases = Object.fromEntries(names.map((name, i) => [name, i < 19 ? `l${i + 1}, l${i + 1}` : 'bob']))
  assert.deepEqual((await expand('l0@example.org', aliases)).mailboxes, ['bob@example.org'])
})

test('extensions find their own alias first, and go on with what the alias names', async () => {
  assert.deepEqual((
    await expand('bob+list@example.org', { bob: 'carol@far.example', 'bob+list': 'dora@far.example' })
  ).forwards,
    { 'alice@example.com': ['dora@far.example'] })
  assert.deepEqual((
    await expand(
      'bob+list@example.org', { bob: 'carol@far.example' }, { parameters: { propagate_unmatched_extensions: 'alias' } },
    )
  ).forwards,
    { 'alice@example.com': ['carol+list@far.example'] })
})

test(':include: files name members, and are not read in a circle for ever', async () => {
  const { forwards, mailboxes } = await expand('list@example.org', { list: `:include:${folder}/members` })
  assert.deepEqual(
    { forwards, mailboxes },
    { forwards: { 'alice@example.com': ['one@far.example', 'two@far.example', 'bob@example.org'] }, mailboxes: [] },
  )
  const { ends } = await expand('list@example.org', { list: `:include:${folder}/loop` })
  assert.deepEqual(ends, ['bounced list@example.org 5.4.6 :include: nesting limit exceeded'])
  const missing = await expand('list@example.org', { list: `:include:${folder}/missing` })
  assert.match(missing.ends[0] ?? '', /^bounced list@example\.org 5\.3\.5 mail system configuration error$/)
})

test('commands and files need leave', async () => {
  const parameters = { allow_mail_to_commands: '', allow_mail_to_files: '' }
  assert.deepEqual(
    (await expand('x@example.org', { x: '"|cat"' }, { parameters })).ends,
    ['bounced x@example.org 5.7.1 mail to command is restricted'],
  )
  assert.deepEqual(
    (await expand('x@example.org', { x: '/tmp/file' }, { parameters })).ends,
    ['bounced x@example.org 5.7.1 mail to file is restricted'],
  )
})

test('a message that was delivered to this address before bounces', async () => {
  const { ends } = await expand('Bob@example.org', {}, { seen: ['bob@example.org'] })
  assert.deepEqual(ends, ['bounced Bob@example.org 5.4.6 mail forwarding loop for Bob@example.org'])
})

test('NOTIFY=SUCCESS ends at an alias, with a report [RFC 3461 §5.2.7]', async () => {
  const { expanded } = await expand('team@example.org', { team: 'carol@far.example' }, { notify: 2 })
  assert.deepEqual(expanded, ['expanded'])
})

test('a mail_spool_directory that ends in a slash holds Maildirs', async () => {
  const user = isRoot() ? 'nobody' : userInfo().username
  const spool = join(folder, 'spool')
  mkdirSync(spool)
  chmodSync(spool, 0o777)
  const parameters = { mailbox_transport: '', mail_spool_directory: `${spool}/`, forward_path: '' }
  const { ends } = await expand(`${user}@example.org`, {}, { parameters })
  assert.deepEqual(ends, [`sent ${user}@example.org 2.0.0 delivered to maildir`])
  assert.equal(readdirSync(join(spool, user, 'new')).length, 1)
})

test('an alias table that cannot be asked defers', async () => {
  const { ends } = await expand('bob@example.org', {}, { parameters: { alias_maps: `hash:${folder}/nothing` } })
  assert.deepEqual(ends, ['deferred bob@example.org 4.3.0 alias database unavailable'])
})
