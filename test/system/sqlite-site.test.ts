/**
 * A site whose domains, users and aliases are in a database (PostfixAdmin's, on SQLite), and a site whose
 * database server is not there: mail is delivered by the tables, or told to come back.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { postfixAdminFiles, postfixAdminSql } from '#test/support/postfixadmin.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { assertQueuesEmpty, copiesOf, mailWith, MESSAGE, subject, submit, waitRemoved } from '#test/support/system-mail.ts'
import { createSystem } from '#test/support/system.ts'

const files = Object.fromEntries(
  Object.entries(postfixAdminFiles('sqlite', 'dbpath = @HOME@/etc/postfixadmin.db\n')).map(([name, text]) => [`sqlite_${name}.cf`, text]),
)
const table = (name: string): string => `proxy:sqlite:@HOME@/etc/sqlite_${name}.cf`

/** As PostfixAdmin's documentation has it. */
const MAIN = {
  virtual_mailbox_domains: table('virtual_mailbox_domains'),
  virtual_alias_maps: [table('virtual_alias_maps'), table('virtual_alias_domain_maps'), table('virtual_alias_domain_catchall_maps')].join(', '),
  virtual_mailbox_maps: [table('virtual_mailbox_maps'), table('virtual_alias_domain_mailbox_maps')].join(', '),
  virtual_alias_domains: 'sqlite:@HOME@/etc/alias_domains.cf',
}
const ALIAS_DOMAINS = "dbpath = @HOME@/etc/postfixadmin.db\nquery = SELECT alias_domain FROM alias_domain WHERE alias_domain = '%s' AND active = '1'\n"

/** The service behind `proxy:`. */
const PROXYMAP = 'proxymap unix - - n - - proxymap'

test('mail goes where PostfixAdmin tables in SQLite say', async () => {
  await using system = await createSystem({ main: MAIN, master: [PROXYMAP], files: { ...files, 'alias_domains.cf': ALIAS_DOMAINS } })
  using database = new DatabaseSync(join(system.etc, 'postfixadmin.db'))
  database.exec(postfixAdminSql('sqlite'))
  await system.start()
  await waitRemoved(system, await submit(system, ['team@example.com'], { message: subject('to a list') }))
  assert.deepEqual(copiesOf(system, 'to a list', 'example.com/ann'), ['ann@example.com'])
  assert.deepEqual(copiesOf(system, 'to a list', 'example.com/ohara'), ["o'hara@example.com"])

  await waitRemoved(system, await submit(system, ['ann@example.net'], { message: subject('by an alias domain') }))
  assert.match(mailWith(system, 'example.com/ann', 'by an alias domain'), /^Delivered-To: ann@example\.com$/m)

  using client = await SmtpClient.open(system.port('smtp'))
  await client.command('EHLO client.example.com')
  await client.command('MAIL FROM:<alice@example.com>')
  assert.match(await client.command('RCPT TO:<nobody@example.com>'), /^550 5\.1\.1 /)
  assert.match(await client.command('RCPT TO:<left@example.com>'), /^550 5\.1\.1 /)
  assert.match(await client.command("RCPT TO:<x'or'1'='1@example.com>"), /^550 5\.1\.1 /)
  await client.command('QUIT')

  // A user who is added counts at once.
  database.exec("INSERT INTO mailbox (username, password, name, maildir, local_part, domain) VALUES ('new@example.com', 'x', 'New', 'example.com/new/', 'new', 'example.com')")
  await waitRemoved(system, await submit(system, ['new@example.com'], { message: subject('welcome') }))
  assert.deepEqual(copiesOf(system, 'welcome', 'example.com/new'), ['new@example.com'])
  assertQueuesEmpty(system)
})

test('while the database server is not there mail is told to come back, and waits', async () => {
  const database = 'hosts = 127.0.0.1:1\nuser = u\npassword = p\ndbname = d\nretry_interval = 1\n'
  await using system = await createSystem({
    main: { virtual_mailbox_maps: 'pgsql:@HOME@/etc/mailboxes.cf', virtual_alias_maps: 'mysql:@HOME@/etc/aliases.cf' },
    files: {
      'mailboxes.cf': `${database}query = SELECT maildir FROM mailbox WHERE username = '%s'\n`,
      'aliases.cf': `${database}query = SELECT goto FROM alias WHERE address = '%s'\n`,
    },
  })
  await system.start()
  using client = await SmtpClient.open(system.port('smtp'))
  await client.command('EHLO client.example.com')
  await client.command('MAIL FROM:<alice@example.com>')
  assert.match(await client.command('RCPT TO:<bob@example.org>'), /^451 4\.3\.0 <bob@example\.org>: Temporary lookup failure/)
  await client.command('QUIT')
  assert.ok(system.log().some((line) => /warning: connect to (?:pgsql|mysql) server 127\.0\.0\.1:1: Connection refused$/.test(line)))
  assert.ok(system.log().some((line) => /warning: \w+: (?:pgsql|mysql):\S+\.cf: table lookup problem$/.test(line)))

  assert.equal((await system.command('sendmail', ['-f', 'alice@example.com', 'bob@example.org'], MESSAGE)).status, 0)
  await system.waitForLog(/cleanup\[\d+\]: warning: \w+: virtual_alias_maps map lookup problem for bob@example\.org/)
  assert.equal(system.queue('maildrop').length, 1)
})
