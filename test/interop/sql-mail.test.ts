/** Mail whose recipients are in PostgreSQL and MariaDB, with servers that go away and come back, also from a chroot. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { isRoot } from '#system/users.ts'
import { mariadbAbsent, postgresAbsent, startMariadb, startPostgres, type DatabaseServer } from '#test/support/database-server.ts'
import { postfixAdminFiles, postfixAdminSql } from '#test/support/postfixadmin.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { assertQueuesEmpty, copiesOf, subject, submit, waitRemoved } from '#test/support/system-mail.ts'
import { createSystem, eventually, type MailSystem } from '#test/support/system.ts'

type Dialect = 'pgsql' | 'mysql'

const KINDS: Readonly<Record<Dialect, { readonly absent: string | undefined; readonly start: () => Promise<DatabaseServer> }>> = {
  pgsql: { absent: postgresAbsent(), start: startPostgres },
  mysql: { absent: mariadbAbsent(), start: startMariadb },
}

/** A system whose domains, users and aliases are PostfixAdmin's; its second door is in a chroot where that is possible. */
async function siteOn(dialect: Dialect, server: DatabaseServer): Promise<MailSystem> {
  server.sql(postfixAdminSql(dialect))
  const access = `user = posthorn\npassword = secret\nhosts = 127.0.0.1:${server.port}\ndbname = posthorn\nretry_interval = 1\n`
  const files = Object.fromEntries(Object.entries(postfixAdminFiles(dialect, access)).map(([name, text]) => [`${name}.cf`, text]))
  const table = (name: string): string => `${dialect}:@HOME@/etc/${name}.cf`
  return createSystem({
    main: {
      virtual_mailbox_domains: table('virtual_mailbox_domains'), virtual_mailbox_maps: table('virtual_mailbox_maps'),
      virtual_alias_maps: `${table('virtual_alias_maps')}, ${table('virtual_alias_domain_maps')}`, virtual_alias_domains: 'example.net',
    },
    master: [`127.0.0.1:@PORT:jail@ inet n - ${isRoot() ? 'y' : 'n'} - - smtpd`],
    files,
  })
}

/** The reply to one recipient. */
async function ask(system: MailSystem, recipient: string, port = 'smtp'): Promise<string> {
  using client = await SmtpClient.open(system.port(port))
  await client.command('EHLO client.example.com')
  await client.command('MAIL FROM:<alice@example.com>')
  const reply = await client.command(`RCPT TO:<${recipient}>`)
  await client.command('QUIT')
  return reply
}

for (const dialect of ['pgsql', 'mysql'] as const) {
  test(`${dialect}: mail is delivered, told to come back while the server is away, and delivered again`, async (t: TestContext) => {
    const { absent, start } = KINDS[dialect]
    if (absent !== undefined) return t.skip(absent)
    await using server = await start()
    await using system = await siteOn(dialect, server)
    await system.start()

    await waitRemoved(system, await submit(system, ['team@example.net'], { message: subject('to the team') }))
    assert.deepEqual(copiesOf(system, 'to the team', 'example.com/ann'), ['ann@example.com'])
    await waitRemoved(system, await submit(system, ['ann@example.com'], { message: subject('from the jail'), port: 'jail' }))
    assert.deepEqual(copiesOf(system, 'from the jail', 'example.com/ann'), ['ann@example.com'])
    assert.match(await ask(system, 'left@example.com'), /^550 5\.1\.1 /)

    await server.stop()
    for (const port of ['smtp', 'jail']) assert.match(await ask(system, 'ann@example.com', port), /^451 4\.3\.0 /)
    await server.start()
    for (const port of ['smtp', 'jail']) {
      await eventually(`recipients on ${port} again`, async () => ((await ask(system, 'ann@example.com', port)).startsWith('250 ') ? true : undefined))
    }
    await waitRemoved(system, await submit(system, ['ann@example.com'], { message: subject('after all') }))
    assert.deepEqual(copiesOf(system, 'after all', 'example.com/ann'), ['ann@example.com'])
    await eventually('empty queues', () => (system.queue('incoming').length === 0 ? true : undefined))
    assertQueuesEmpty(system)
    return undefined
  })
}
