/** Where local delivers, with mailboxes and commands of a user in a temporary folder: see src/deliver/local. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { deliverAddress, type ExpandTools } from '#deliver/local/expand.ts'
import { readSettings } from '#deliver/local/settings.ts'
import type { Branch, Expansion } from '#deliver/local/state.ts'
import { openRouter } from '#rewrite/resolve.ts'
import type { DeliverRequest } from '#service/deliver.ts'
import { isRoot } from '#system/users.ts'
import { openDelivery, OWNER, ownersFolder, removeFolder, userAt } from '#test/support/agent.ts'
import { captureLog } from '#test/support/log.ts'

const BASE = {
  myhostname: 'mail.example.org', mydomain: 'example.org', myorigin: 'example.org', mydestination: 'example.org, sub.example.org',
  recipient_delimiter: '+', alias_maps: '', export_environment: '', default_privs: OWNER.name,
}
const PRINT = 'env | sort > @/env; cat > @/mail'

let folder: string

before(() => {
  folder = ownersFolder()
})
after(() => removeFolder(folder))

type Result = { readonly ends: string[]; readonly passed: string[]; readonly forwards: Record<string, string[]>; readonly log: string[] }
type Options = {
  readonly parameters?: Record<string, string>
  readonly aliases?: Record<string, string>
  readonly request?: Partial<DeliverRequest>
}

/** Delivers to one address, of a system with the users bob and eve. */
async function deliver(address: string, { parameters = {}, aliases, request = {} }: Options = {}): Promise<Result> {
  using made = openDelivery({ recipients: [address], request })
  using caught = captureLog('postfix/local')
  const file = join(folder, 'aliases')
  if (aliases) writeFileSync(file, Object.entries(aliases).map(([name, value]) => `${name} ${fill(value)}\n`).join(''))
  const filled: Record<string, string> = {}
  for (const [name, value] of Object.entries(parameters)) filled[name] = fill(value)
  const config = configFrom({
    ...BASE, queue_directory: folder, mail_spool_directory: join(folder, 'spool'), ...(aliases ? { alias_maps: `texthash:${file}` } : {}),
    ...filled,
  })
  const users = new Map(['bob', 'eve'].map((name) => [name, userAt(folder, name)] as const))
  const settings = { ...readSettings(config), findUser: (name: string) => users.get(name) }
  const passed: string[] = []
  const tools: ExpandTools = {
    router: openRouter(config), serviceName: 'local',
    pass: (_expansion, { recipient }, transport) => Promise.resolve(passed.push(`${recipient.address} ${transport}`) === 0),
  }
  const root = made.delivery.request.recipients[0] ?? assert.fail()
  const expansion: Expansion = {
    delivery: made.delivery, settings, root, seen: new Set(), duplicates: new Set(), forwards: new Map(),
  }
  const branch: Branch = {
    recipient: root, deliveredTo: root.address, sender: made.delivery.request.sender, level: 0, source: 'envelope', privileges: undefined, owner: undefined,
    relayed: false, forwardOf: new Set(), alias: undefined, extension: '', unmatched: '',
  }
  await deliverAddress(expansion, branch, tools)
  const forwards = Object.fromEntries([...expansion.forwards.values()].map(({ branch: { sender }, recipients }) => [sender, recipients.map((each) => each.address)]))
  return { ends: made.ends, passed, forwards, log: caught.texts() }
}

/** `@` stands for the folder. */
function fill(text: string): string {
  return text.replaceAll('@/', `${folder}/`)
}

function put(path: string, text: string, mode = 0o600): void {
  const file = join(folder, path)
  writeFileSync(file, fill(text))
  chmodSync(file, mode)
  if (isRoot()) chownSync(file, OWNER.uid, OWNER.gid)
}

function read(path: string): string {
  return readFileSync(join(folder, path), 'utf8')
}

function environment(): Record<string, string> {
  return Object.fromEntries(read('env').trimEnd().split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

test('home_mailbox: a mailbox file below home, or a Maildir when it ends in a slash', async () => {
  const { ends } = await deliver('bob@example.org', { parameters: { home_mailbox: 'Mailbox' } })
  assert.deepEqual(ends, ['sent bob@example.org 2.0.0 delivered to mailbox'])
  assert.match(read('bob/Mailbox'), new RegExp('^From alice@example.com {2}\\w{3} .*\nReturn-Path: <alice@example.com>\nX-Original-To: bob@example.org\n'
    + 'Delivered-To: bob@example.org\nFrom: alice@example.com\nSubject: a test\n\nHello\n>From here\n\n$'))
  assert.equal(statSync(join(folder, 'bob/Mailbox')).uid, OWNER.uid)
  const maildir = await deliver('bob@example.org', { parameters: { home_mailbox: 'Maildir/' } })
  assert.deepEqual(maildir.ends, ['sent bob@example.org 2.0.0 delivered to maildir'])
  assert.equal(readdirSync(join(folder, 'bob/Maildir/new')).length, 1)
})

test('mail_spool_directory: one mailbox for each user, or one Maildir when it ends in a slash', async () => {
  mkdirSync(join(folder, 'spool'))
  chmodSync(join(folder, 'spool'), 0o777)
  await deliver('bob+x@example.org')
  assert.match(read('spool/bob'), /^From alice@.*\n.*\nX-Original-To: bob\+x@example.org\nDelivered-To: bob\+x@example.org\n/)
  await deliver('eve@example.org', { parameters: { mail_spool_directory: '@/spool/' } })
  assert.equal(readdirSync(join(folder, 'spool/eve/new')).length, 1)
  assert.deepEqual(readdirSync(join(folder, 'spool')).toSorted(), ['bob', 'eve'])
})

test('mail_spool_directory: where only root may make files, the user gets a mailbox all the same', { skip: isRoot() ? false : 'only root can' }, async () => {
  mkdirSync(join(folder, 'closed'))
  chmodSync(join(folder, 'closed'), 0o755)
  const parameters = { mail_spool_directory: '@/closed' }
  await deliver('bob@example.org', { parameters })
  const { ends } = await deliver('bob@example.org', { parameters })
  assert.deepEqual(ends, ['sent bob@example.org 2.0.0 delivered to mailbox'])
  const { uid, mode, size } = statSync(join(folder, 'closed/bob'))
  assert.deepEqual([uid, mode & 0o777, size > 300], [OWNER.uid, 0o600, true])
  assert.deepEqual(readdirSync(join(folder, 'closed')), ['bob'])
})

test('a mailbox that is locked, too large or another\'s says so, with the user', async () => {
  put('bob/Locked', '')
  put('bob/Locked.lock', '')
  const locked = await deliver('bob@example.org', { parameters: { home_mailbox: 'Locked', mailbox_delivery_lock: 'dotlock', deliver_lock_attempts: '1' } })
  assert.match(locked.ends[0] ?? '', /^deferred bob@example.org 4\.2\.0 cannot update mailbox \S+\/bob\/Locked for user bob\. unable to (?:lock for exclusive access|create lock file)/)
  const large = await deliver('bob@example.org', { parameters: { home_mailbox: 'Large', mailbox_size_limit: '10', message_size_limit: '10' } })
  assert.match(large.ends[0] ?? '', /^bounced bob@example.org 5\.2\.2 cannot update mailbox \S+ for user bob\. error writing message: File too large$/)
})

test('mailbox_command runs as the user, as it stands, with the facts of the mail in its environment', async () => {
  const request = {
    envelopeId: 'env-1', clientName: 'client.example', clientAddress: '192.0.2.1', heloName: 'helo.example', protocolName: 'ESMTPA',
    saslMethod: 'PLAIN', saslUsername: 'al;ice', saslSender: 'a@example.com',
  }
  const { ends } = await deliver('Bob+Ext@Example.ORG', { parameters: { mailbox_command: `${PRINT}; test "$USER" = bob -a "$EXTENSION" = ext` }, request })
  assert.deepEqual(ends, [fill(`sent Bob+Ext@Example.ORG 2.0.0 delivered to command: ${PRINT}; test "$USER" = bob -a "$EXTENSION" = ext`)])
  const { PATH, PWD, _, SHLVL, OLDPWD, ...rest } = environment()
  assert.equal(PATH, '/bin:/usr/bin:/usr/ucb')
  assert.deepEqual([PWD, typeof _, typeof SHLVL, OLDPWD], [folder, typeof _, typeof SHLVL, undefined])
  assert.deepEqual(rest, {
    HOME: join(folder, 'bob'), SHELL: '/bin/sh', LOGNAME: 'bob', USER: 'bob', LOCAL: 'bob+ext', EXTENSION: 'ext', DOMAIN: 'example.org',
    RECIPIENT: 'Bob+Ext@Example.ORG', ORIGINAL_RECIPIENT: 'Bob+Ext@Example.ORG', SENDER: 'alice@example.com', ENVID: 'env-1',
    CLIENT_HOSTNAME: 'client.example', CLIENT_ADDRESS: '192.0.2.1', CLIENT_HELO: 'helo.example', CLIENT_PROTOCOL: 'ESMTPA',
    SASL_METHOD: 'PLAIN', SASL_USERNAME: 'al_ice', SASL_SENDER: 'a@example.com',
  })
  assert.match(read('mail'), /^From alice@example.com {2}[^]*\nDelivered-To: Bob\+Ext@Example.ORG\n[^]*\nHello\nFrom here\n$/)
  assert.equal(statSync(join(folder, 'mail')).uid, OWNER.uid)
})

test('mailbox_command knows the home of the user also when an alias leads there', async () => {
  await deliver('info@example.org', { aliases: { info: 'bob' }, parameters: { mailbox_command: PRINT } })
  assert.equal(environment()['HOME'], join(folder, 'bob'))
})

test('mailbox_command_maps and mailbox_transport_maps go first, and a table that fails defers', async () => {
  const commands = { mailbox_command: 'exit 67', mailbox_command_maps: 'inline:{bob=true}' }
  assert.deepEqual((await deliver('bob+x@example.org', { parameters: commands })).ends, ['sent bob+x@example.org 2.0.0 delivered to command: true'])
  assert.match((await deliver('eve@example.org', { parameters: commands })).ends[0] ?? '', /^bounced eve@example.org 5\.1\.1 user unknown/)
  const transports = { mailbox_transport: 'lmtp:all', mailbox_transport_maps: 'inline:{bob=lmtp:bobs}', ...commands }
  assert.deepEqual((await deliver('bob@example.org', { parameters: transports })).passed, ['bob@example.org lmtp:bobs'])
  assert.deepEqual((await deliver('nobody-here@example.org', { parameters: transports })).passed, ['nobody-here@example.org lmtp:all'])
  for (const name of ['mailbox_command_maps', 'mailbox_transport_maps']) {
    assert.deepEqual((await deliver('bob@example.org', { parameters: { [name]: 'fail:x' } })).ends, ['deferred bob@example.org 4.3.0 table lookup failure'])
  }
})

test('fallback_transport and its maps get users that do not exist, before luser_relay', async () => {
  const parameters = { fallback_transport: 'smtp:other', fallback_transport_maps: 'inline:{carl=lmtp:x}', luser_relay: 'bob' }
  assert.deepEqual((await deliver('carl@example.org', { parameters })).passed, ['carl@example.org lmtp:x'])
  assert.deepEqual((await deliver('nosuch@example.org', { parameters })).passed, ['nosuch@example.org smtp:other'])
  assert.deepEqual((await deliver('nosuch@example.org', { parameters: { fallback_transport_maps: 'fail:x' } })).ends, ['deferred nosuch@example.org 4.3.0 table lookup failure'])
})

test('luser_relay gets mail for users that do not exist, with names that say for whom', async () => {
  const names = 'x+$user+$extension+$local+$domain+${recipient_delimiter}@far.example'
  const { forwards } = await deliver('No.Such+Ext@example.org', { parameters: { luser_relay: names } })
  assert.deepEqual(forwards, { 'alice@example.com': ['x+no.such+ext+no.such+ext+example.org++@far.example'] })
  const own = await deliver('nosuch@example.org', { parameters: { luser_relay: 'bob', home_mailbox: 'Lusers' } })
  assert.deepEqual(own.ends, ['sent bob@example.org 2.0.0 delivered to mailbox'])
  const alias = await deliver('team@example.org', { aliases: { team: 'nosuch' }, parameters: { luser_relay: 'admin@far.example' } })
  assert.deepEqual(alias.forwards, { 'alice@example.com': ['admin@far.example'] })
})

test('luser_relay to a user that does not exist bounces, and what the address says is not expanded again', async () => {
  const circle = await deliver('nosuch@example.org', { parameters: { luser_relay: 'lost' } })
  assert.deepEqual(circle.ends, ['bounced lost@example.org 5.1.1 unknown user: "lost"'])
  const sly = await deliver('${myhostname}@example.org', { parameters: { luser_relay: 'admin+$local@far.example' } })
  assert.deepEqual(sly.forwards, { 'alice@example.com': ['admin+${myhostname}@far.example'] })
})

test('without luser_relay unknown users bounce; postmaster\'s mail is dropped with a warning', async () => {
  assert.deepEqual((await deliver('nosuch+x@example.org')).ends, ['bounced nosuch+x@example.org 5.1.1 unknown user: "nosuch"'])
  const { ends, log } = await deliver('Postmaster@example.org')
  assert.deepEqual(ends, ['sent Postmaster@example.org 2.0.0 discarded'])
  assert.deepEqual(log, ['warning: required alias not found: postmaster'])
})

test('delivery order: alias, .forward, mailbox', async () => {
  const parameters = { home_mailbox: 'Order' }
  put('eve/.forward', 'x@far.example\n')
  assert.deepEqual((await deliver('eve@example.org', { aliases: { eve: 'bob' }, parameters })).ends, ['sent bob@example.org 2.0.0 delivered to mailbox'])
  assert.deepEqual((await deliver('eve@example.org', { aliases: {}, parameters })).forwards, { 'alice@example.com': ['x@far.example'] })
  const passing = { ...parameters, mailbox_transport: 'lmtp' }
  assert.deepEqual((await deliver('eve@example.org', { aliases: {}, parameters: passing })).forwards, { 'alice@example.com': ['x@far.example'] })
  put('eve/.forward', '')
  assert.deepEqual((await deliver('eve@example.org', { aliases: {}, parameters })).ends, ['sent eve@example.org 2.0.0 delivered to mailbox'])
})

test('forward_path names the file by user, home and extension; what the sender chose is made harmless', async () => {
  put('bob/.forward+list', 'list@far.example\n')
  put('bob/.forward', 'plain@far.example\n')
  const to = async (address: string, parameters: Record<string, string> = {}) => (await deliver(address, { parameters })).forwards['alice@example.com']
  assert.deepEqual(await to('bob+list@example.org'), ['list@far.example'])
  assert.deepEqual(await to('bob+other@example.org'), ['plain@far.example'])
  assert.deepEqual(await to('bob+other@example.org', { propagate_unmatched_extensions: 'forward' }), ['plain+other@far.example'])
  assert.deepEqual(await to('bob+list@example.org', { propagate_unmatched_extensions: 'forward' }), ['list@far.example'])
  put('central-bob', 'central@far.example\n')
  assert.deepEqual(await to('bob@example.org', { forward_path: '@/central-$user' }), ['central@far.example'])
  put('bob/.f__up', 'filtered@far.example\n')
  assert.deepEqual(await to('bob+$$up@example.org', { forward_path: '$home/.f$extension' }), ['filtered@far.example'])
  assert.deepEqual((await deliver('bob@example.org', { parameters: { forward_path: '', mailbox_transport: 'x' } })).passed, ['bob@example.org x'])
})

test('.forward that others may write to, or that is another user\'s, does not count', async () => {
  put('bob/.forward', 'x@far.example\n', 0o666)
  const { passed, log } = await deliver('bob@example.org', { parameters: { mailbox_transport: 'x' } })
  assert.deepEqual([passed, log], [['bob@example.org x'], [`warning: file ${folder}/bob/.forward is world writable`]])
  put('bob/.forward', '')
})

test('mail that a .forward or an owned list gives to other users here is a message of its own; to oneself it is delivered', async () => {
  put('eve/.forward', String.raw`bob, \eve` + '\n')
  const { ends, forwards } = await deliver('eve@example.org', { parameters: { home_mailbox: 'Own' } })
  assert.deepEqual([ends, forwards], [['sent eve@example.org 2.0.0 delivered to mailbox'], { 'alice@example.com': ['bob@example.org'] }])
  put('eve/.forward', '')
  const list = await deliver('list@example.org', { aliases: { list: 'bob', 'owner-list': 'eve' } })
  assert.deepEqual([list.ends, list.forwards], [[], { 'owner-list@example.org': ['bob@example.org'] }])
  const off = await deliver('list@example.org', { aliases: { list: 'x@far.example', 'owner-list': 'eve' }, parameters: { owner_request_special: 'no' } })
  assert.deepEqual(off.forwards, { 'alice@example.com': ['x@far.example'] })
})

test('allow_mail_to_commands and allow_mail_to_files choose where commands and files may be named', async () => {
  put('bob/.forward', '"|true", @/bob/file\n')
  put('members', '"|true"\n@/bob/file\n', 0o644)
  const aliases = { a: '"|true", @/bob/file', i: ':include:@/members' }
  const addresses = { alias: 'a', forward: 'bob', include: 'i' } as const
  for (const allowed of ['alias', 'forward', 'include'] as const) {
    const parameters = { allow_mail_to_commands: allowed, allow_mail_to_files: allowed }
    for (const [where, name] of Object.entries(addresses)) {
      const { ends } = await deliver(`${name}@example.org`, { aliases, parameters })
      const to = `${name}@example.org`
      const expected = where === allowed
        ? [`sent ${to} 2.0.0 delivered to command: true`, `sent ${to} 2.0.0 delivered to file: ${folder}/bob/file`]
        : [`bounced ${to} 5.7.1 mail to command is restricted`, `bounced ${to} 5.7.1 mail to file is restricted`]
      assert.deepEqual(ends, expected, `${where} with ${allowed}`)
    }
  }
  put('bob/.forward', '')
})

test('commands and files of root\'s aliases have the rights of default_privs, and no home', async () => {
  const { ends } = await deliver('a@example.org', { aliases: { a: `"|${PRINT}", @/archive, /dev/null` } })
  assert.equal(ends.filter((end) => end.startsWith('sent')).length, 3, ends.join('\n'))
  assert.equal(statSync(join(folder, 'archive')).uid, OWNER.uid)
  if (isRoot()) assert.equal(environment()['HOME'], undefined)
  assert.equal(existsSync('/dev/null.lock'), false)
})

test('a list may be root\'s alone; a user\'s list includes another\'s with the own rights', { skip: isRoot() ? false : 'only root can' }, async () => {
  writeFileSync(join(folder, 'roots'), 'x@far.example\n', { mode: 0o600 })
  const { forwards } = await deliver('i@example.org', { aliases: { i: ':include:@/roots' } })
  assert.deepEqual(forwards, { 'alice@example.com': ['x@far.example'] })
  put('bob/.forward', ':include:@/daemons\n')
  writeFileSync(join(folder, 'daemons'), fill('"|id -u > @/who"\n'), { mode: 0o644 })
  chownSync(join(folder, 'daemons'), 1, 1)
  await deliver('bob@example.org', { parameters: { allow_mail_to_commands: 'include' } })
  assert.equal(read('who').trim(), String(OWNER.uid))
  put('bob/.forward', '')
})

test('two users of one list run the same command each; one user runs it once', async () => {
  put('count', '')
  const command = fill('"|echo $USER >> @/count"')
  await deliver('team@example.org', { aliases: { team: 'one, two, one', one: command, two: command } })
  assert.deepEqual(read('count').trim().split('\n'), ['one', 'two'])
})

test('extensions with a slash are dropped, and an empty name bounces', async () => {
  const { log } = await deliver('bob+../../etc@example.org', { parameters: { mailbox_command: PRINT } })
  assert.deepEqual(log, ['warning: 3F2A1B0C9D: address with illegal extension: bob+../../etc'])
  assert.equal(environment()['EXTENSION'], undefined)
  assert.deepEqual((await deliver('@example.org')).ends, ['bounced @example.org 5.1.3 null username in "@example.org"'])
})

test('command_execution_directory and require_home_directory', async () => {
  await deliver('bob@example.org', { parameters: { mailbox_command: `pwd > @/where`, command_execution_directory: '$home' } })
  assert.equal(read('where').trim(), join(folder, 'bob'))
})

test('propagate_unmatched_extensions: alias and include, each for its own', async () => {
  writeFileSync(join(folder, 'list'), 'x@far.example\n', { mode: 0o644 })
  const aliases = { a: 'x@far.example', i: ':include:@/list' }
  const to = async (address: string, classes: string) =>
    (await deliver(address, { aliases, parameters: { propagate_unmatched_extensions: classes } })).forwards['alice@example.com']
  assert.deepEqual(await to('a+e@example.org', 'alias'), ['x+e@far.example'])
  assert.deepEqual(await to('a+e@example.org', 'include, forward'), ['x@far.example'])
  assert.deepEqual(await to('i+e@example.org', 'alias, include'), ['x+e@far.example'])
  assert.deepEqual(await to('i+e@example.org', 'alias'), ['x@far.example'])
})
