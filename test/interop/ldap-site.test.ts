/**
 * A site whose users and groups are in a directory, in a whole mail system: mailboxes by the mail attribute, aliases,
 * groups by the names of their members; while the directory is away mail is told to come back, and waits.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SITE_LDIF } from '#test/support/ldap-site.ts'
import { slapdAbsent, startSlapd } from '#test/support/slapd.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { copiesOf, MESSAGE, subject, submit, waitRemoved } from '#test/support/system-mail.ts'
import { createSystem, eventually, type MailSystem, type SystemOptions } from '#test/support/system.ts'

function site(port: number): SystemOptions {
  const directory = `server_host = ldap://127.0.0.1:${port}\nsearch_base = ou=people,dc=example,dc=com\nversion = 3\nbind = no\ntimeout = 3\n`
  return {
    main: {
      virtual_mailbox_domains: 'example.com', virtual_mailbox_maps: 'ldap:@HOME@/etc/mailboxes.cf',
      virtual_alias_maps: 'ldap:@HOME@/etc/groups.cf, proxy:ldap:@HOME@/etc/aliases.cf', transport_maps: 'inline:{else.example=discard:}',
    },
    files: {
      'mailboxes.cf': `${directory}query_filter = (mail=%s)\nresult_attribute = mailbox\n`,
      'aliases.cf': `${directory}query_filter = (mailacceptinggeneralid=%s)\nresult_attribute = mail\n`,
      'groups.cf': `${directory}query_filter = (&(mail=%s)\n  (memberdn=*))\nresult_attribute = memberaddr\nspecial_result_attribute = memberdn\nleaf_result_attribute = mail\n`,
    },
  }
}

async function rcpt(system: MailSystem, to: string): Promise<string> {
  using client = await SmtpClient.open(system.port('smtp'))
  await client.command('EHLO client.example.com')
  await client.command('MAIL FROM:<alice@example.com>')
  const reply = await client.command(`RCPT TO:<${to}>`)
  await client.command('QUIT')
  return reply
}

test('mail goes where a directory says: mailboxes, aliases, groups in groups; it waits while the directory is away', async (t) => {
  if (slapdAbsent() !== undefined) return t.skip(slapdAbsent())
  await using slapd = await startSlapd(SITE_LDIF)
  await using system = await createSystem(site(slapd.port))
  await system.start()

  await waitRemoved(system, await submit(system, ['bob@example.com'], { message: subject('to a user') }))
  assert.deepEqual(copiesOf(system, 'to a user', 'example.com/bob'), ['bob@example.com'])
  await waitRemoved(system, await submit(system, ['a.lice@example.com'], { message: subject('by an alias') }))
  assert.deepEqual(copiesOf(system, 'by an alias', 'example.com/alice'), ['alice@example.com'])

  const id = await submit(system, ['nested@example.com'], { message: subject('to a group in a group') })
  await waitRemoved(system, id)
  for (const name of ['alice', 'bob']) assert.deepEqual(copiesOf(system, 'to a group in a group', `example.com/${name}`), [`${name}@example.com`])
  await system.waitForLog(new RegExp(`discard\\[\\d+\\]: ${id}: to=<guest@else\\.example>, orig_to=<nested@example\\.com>`))

  for (const unknown of ['nobody@example.com', '*@example.com', 'a*@example.com', '"x)(mail=*"@example.com']) {
    assert.match(await rcpt(system, unknown), /^550 5\.1\.1 /, unknown)
  }

  await slapd.stop()
  assert.match(await rcpt(system, 'bob@example.com'), /^451 4\.3\.0 <bob@example\.com>: Temporary lookup failure/)
  assert.ok(system.log().some((line) => /warning: dict_ldap_connect: \S+\.cf: Unable to bind to server ldap:/.test(line)))
  assert.equal((await system.command('sendmail', ['-f', 'alice@example.com', 'bob@example.com'], `${MESSAGE} waited`)).status, 0)
  await system.waitForLog(/cleanup\[\d+\]: warning: \w+: virtual_alias_maps map lookup problem for bob@example\.com/)
  assert.equal(system.queue('maildrop').length, 1)

  await slapd.start()
  assert.equal((await system.command('postqueue', ['-f'])).status, 0)
  await system.waitForLog(/virtual\[\d+\]: \w+: to=<bob@example\.com>, .*status=sent/)
  // Each process finds out by itself that the directory is back.
  await eventually('a directory that answers smtpd', async () => (await rcpt(system, 'bob@example.com')).startsWith('250 ') || undefined)
  await waitRemoved(system, await submit(system, ['bob@example.com'], { message: subject('back again') }))
  assert.deepEqual(copiesOf(system, 'back again', 'example.com/bob'), ['bob@example.com'])
  return undefined
})
