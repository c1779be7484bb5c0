/** local's expansion in a whole system: aliases, lists, commands, files, ~/.forward, and loops. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isRoot } from '#system/users.ts'
import { readNotice } from '#test/support/notice.ts'
import {
  assertQueuesEmpty, copiesOf, deliveryLine, mailWith, subject, submit, submitWith, waitNotice, waitRemoved, type Line,
} from '#test/support/system-mail.ts'
import { createSystem, type MailSystem } from '#test/support/system.ts'

const USER = isRoot() ? 'nobody' : userInfo().username

const ALIASES = `
team: ${USER}, bob@example.org, "|cat > @HOME@/out/command", @HOME@/out/file
owner-team: eve@example.org
everyone: :include:@HOME@/etc/members
command-fails: "|exit 67"
command-later: "|/bin/sh -c 'test -e @HOME@/out/ready || exit 75'"
shout: "|/bin/sh -c 'echo cannot do that; exit 70'"
maildir: @HOME@/out/maildir/
round: about
about: round
`

let system: MailSystem

before(async () => {
  system = await createSystem({
    main: {
      myorigin: 'localhost', alias_maps: 'hash:@HOME@/etc/aliases', mail_spool_directory: '@HOME@/mail', forward_path: '@HOME@/etc/forward-$extension',
      recipient_delimiter: '+', local_recipient_maps: 'unix:passwd.byname $alias_maps',
      virtual_alias_domains: 'alias.example', virtual_alias_maps: 'texthash:@HOME@/etc/virtual',
    },
    files: {
      aliases: ALIASES.trimStart(), members: `# members\ncarl@example.org\n\nbob@example.org, ${USER}\n`,
      'forward-other': `bob@example.org, \\${USER}\n`, 'forward-pipe': '"|cat > @HOME@/out/$EXTENSION-$USER"\n',
      'forward-wide': 'both@alias.example\n', virtual: 'both@alias.example one@example.org, two@example.org\n',
      'forward-round': `${USER}+round\n`,
    },
  })
  mkdirSync(join(system.home, 'out'))
  chmodSync(join(system.home, 'out'), 0o777)
  assert.equal((await system.command('postalias', [`hash:${system.etc}/aliases`])).status, 0)
  await system.start()
})
after(() => system[Symbol.asyncDispose]())

const out = (name: string): string => readFileSync(join(system.home, 'out', name), 'utf8')

/** All delivery lines of a message, in the order of their reasons. */
function lines(id: string): string[] {
  return system.log().filter((line) => line.includes(`: ${id}: to=<`)).toSorted(
    (a, b) => (a.split('status=')[1] ?? '').localeCompare(b.split('status=')[1] ?? '')
  )
}

async function deliver(to: string, about: string, from = 'alice@example.com'): Promise<string> {
  const id = await submit(system, [to], { from, message: subject(about) })
  await waitRemoved(system, id)
  return id
}

function assertLines(id: string, expected: readonly (Pick<Line, 'to' | 'reason'> & Partial<Line>)[]): void {
  const found = lines(id)
  assert.equal(found.length, expected.length, found.join('\n'))
  for (const [index, line] of expected.entries()) {
    assert.match(found[index] ?? '', deliveryLine(id, { relay: 'local', dsn: '2.0.0', status: 'sent', ...line }))
  }
}

test('an alias goes to a mailbox, another address, a command and a file, each once', async () => {
  const id = await deliver('team@localhost', 'to the team')
  assertLines(id, [
    { to: `team@localhost`, reason: /delivered to command: cat > \S+\/out\/command/ },
    { to: `team@localhost`, reason: /delivered to file: \S+\/out\/file/ },
    { to: `team@localhost`, reason: /forwarded as \w+/ },
  ])
  const forwarded = /forwarded as (\w+)/.exec(lines(id).at(-1) ?? '')?.[1] ?? ''
  await waitRemoved(system, forwarded)
  assert.match(
    out('command'),
    /^From owner-team@localhost {2}[^\n]+\nReturn-Path: <owner-team@localhost>\nDelivered-To: team@localhost\nReceived: [^]*Subject: to the team/,
  )
  assert.match(out('file'), /^From owner-team@localhost [^]*Delivered-To: team@localhost\n[^]*Hello\.\n\n$/)
  assert.match(
    readFileSync(join(system.home, 'mail', USER), 'utf8'), /^From owner-team@localhost [^]*Subject: to the team/,
  )
  const mail = mailWith(system, 'box', 'to the team')
  assert.match(
    mail,
    /^Return-Path: <owner-team@localhost>\nDelivered-To: bob@example\.org\nReceived: by mail\.example\.org \(Posthorn\)\n[^]*\nDelivered-To: team@localhost\nReceived: from client/,
  )
  assertQueuesEmpty(system)
})

test(':include: members get the mail by a message of its own', async () => {
  const id = await deliver('everyone@localhost', 'to the list')
  assertLines(id, [{ to: 'everyone@localhost', reason: /forwarded as \w+/ }])
  const forwarded = /forwarded as (\w+)/.exec(lines(id)[0] ?? '')?.[1] ?? ''
  await waitRemoved(system, forwarded)
  assert.deepEqual(copiesOf(system, 'to the list'), ['bob@example.org', 'carl@example.org'])
  assertQueuesEmpty(system)
})

test('an alias to a Maildir makes it', async () => {
  const id = await deliver('maildir@localhost', 'to a Maildir')
  assertLines(id, [{ to: 'maildir@localhost', reason: 'delivered to maildir' }])
  assertQueuesEmpty(system)
})

test('a command that knows no such user bounces', async () => {
  const id = await deliver('command-fails@localhost', 'command fails', 'eve@example.org')
  assertLines(id, [{ to: 'command-fails@localhost', dsn: '5.1.1', status: 'bounced', reason: 'user unknown' }])
  const noticeId = await waitNotice(system, id, 'sender non-delivery notification')
  const notice = await readNotice(mailWith(system, 'box', `id ${noticeId}`))
  assert.deepEqual(
    { status: notice.recipients[0]?.['status'], action: notice.recipients[0]?.['action'] },
    { status: '5.1.1', action: 'failed' },
  )
  assertQueuesEmpty(system)
})

test('the output of a command that fails is in the log and in the notice', async () => {
  const id = await deliver('shout@localhost', 'command shouts', 'eve@example.org')
  assertLines(
    id,
    [
      {
        to: 'shout@localhost', dsn: '5.3.0', status: 'bounced',
        reason: 'internal software error. Command output: cannot do that ',
      }
    ],
  )
  const noticeId = await waitNotice(system, id, 'sender non-delivery notification')
  const notice = await readNotice(mailWith(system, 'box', `id ${noticeId}`))
  assert.equal(notice.recipients[0]?.['diagnostic-code'], 'x-unix; cannot do that')
  assertQueuesEmpty(system)
})

test('a command that asks for patience is tried again by postqueue -f', async () => {
  const id = await submit(system, ['command-later@localhost'], { message: subject('later') })
  await system.waitForLog(
    new RegExp(
      `${id}: to=<command-later@localhost>, relay=local, .*dsn=4\\.3\\.0, status=deferred \\(temporary failure\\)`
    )
  )
  writeFileSync(join(system.home, 'out/ready'), '')
  assert.equal((await system.command('postqueue', ['-f'])).status, 0)
  await waitRemoved(system, id)
  assert.match(lines(id).at(-1) ?? '', /status=sent \(delivered to command: \/bin\/sh -c .*\)$/)
  assertQueuesEmpty(system)
})

test('aliases that name each other end in a bounce', async () => {
  const id = await deliver('round@localhost', 'round and round', 'eve@example.org')
  assert.equal(lines(id).length, 1)
  assert.match(
    lines(id)[0] ?? '',
    /: to=<(round|about)@localhost>, .*, dsn=5\.4\.6, status=bounced \(recipient nesting limit exceeded\)$/,
  )
  await waitNotice(system, id, 'sender non-delivery notification')
  assertQueuesEmpty(system)
})

test('~/.forward sends a copy on and keeps one for the mailbox', async () => {
  const id = await deliver(`${USER}+other@localhost`, 'by forward')
  assertLines(id, [
    { to: `${USER}@localhost`, origTo: `${USER}+other@localhost`, reason: 'delivered to mailbox' },
    { to: `${USER}+other@localhost`, reason: /forwarded as \w+/ },
  ])
  await waitRemoved(system, /forwarded as (\w+)/.exec(lines(id)[1] ?? '')?.[1] ?? '')
  assert.match(mailWith(system, 'box', 'by forward'), /^Delivered-To: \S+\+other@localhost$/m)
  assertQueuesEmpty(system)
})

test('~/.forward runs a command as its user, with facts of the mail in the environment', async () => {
  const id = await deliver(`${USER}+pipe@localhost`, 'by command')
  assertLines(
    id, [{ to: `${USER}+pipe@localhost`, reason: /delivered to command: cat > \S+\/out\/\$EXTENSION-\$USER/ }],
  )
  assert.ok(existsSync(join(system.home, 'out', `pipe-${USER}`)))
  assertQueuesEmpty(system)
})

test('NOTIFY=SUCCESS ends at a .forward with news that the mail was sent on; all that local leaves can be read by bounce', async () => {
  const id = await submitWith(system, '', [`<${USER}+wide@localhost> NOTIFY=SUCCESS`], 'eve@example.org')
  const line = await system.waitForLog(new RegExp(`${id}: to=.*status=sent \\(forwarded as \\w+\\)`))
  const forwarded = /forwarded as (\w+)/.exec(line)?.[1] ?? ''
  await waitRemoved(system, forwarded)
  const noticeId = await waitNotice(system, id, 'sender delivery status notification')
  await waitRemoved(system, id)
  assert.match(mailWith(system, 'box', `id ${noticeId}`), /^Action: expanded$/m)
  assertQueuesEmpty(system)
})

test('a message that comes back to where it was delivered bounces', async () => {
  const message = `Delivered-To: ${USER}@localhost\n${subject('comes back')}`
  const id = await submit(system, [`${USER}@localhost`], { from: 'eve@example.org', message })
  await waitRemoved(system, id)
  assertLines(
    id,
    [
      { to: `${USER}@localhost`, dsn: '5.4.6', status: 'bounced', reason: `mail forwarding loop for ${USER}@localhost` }
    ],
  )
  await waitNotice(system, id, 'sender non-delivery notification')
  assertQueuesEmpty(system)
})
