/** Tables that change while a session goes on: every type of file, and `proxy:` from within a chroot. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { main as postmap } from '#commands/postmap/main.ts'
import { connectProxy } from '#tables/proxy.ts'
import { isRoot } from '#system/users.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { startSystem, type MailSystem } from '#test/support/system.ts'

/** Type by type: what a line that knows `name@TYPE.example` looks like, and whether postmap makes the file. */
const TYPES: readonly (readonly [type: string, line: (address: string) => string, built: boolean])[] = [
  ...['hash', 'btree', 'lmdb', 'cdb', 'sdbm'].map((type) => [type, (address: string) => `${address} ok`, true] as const),
  ['texthash', (address) => `${address} ok`, false],
  ['regexp', (address) => `/^${address.replaceAll('.', '\\.')}$/ ok`, false],
  ['pcre', (address) => `/^${address.replaceAll('.', '\\.')}$/ ok`, false],
]
const PATIENCE_MS = 20_000

// What postmap sets up in this process.
after(() => void connectProxy(undefined))

/** Writes the table of a type, as an admin does. */
async function write(system: MailSystem, type: string, lines: string): Promise<void> {
  const path = join(system.etc, type)
  writeFileSync(path, lines)
  if (TYPES.some(([name, , built]) => name === type && built)) assert.equal(await postmap(['-c', system.etc, `${type}:${path}`]), 0)
}

/** Gives the command until its reply begins with `code`. The session must live as long. */
async function until(client: SmtpClient, command: string, code: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const reply = await client.command(command)
    if (reply.startsWith(code)) return
    assert.ok(reply !== '' && Date.now() < deadline, `${command}: ${reply}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

test('a changed table of each type of file counts in the session that is open', async () => {
  await using system = await startSystem({
    main: {
      relay_domains: TYPES.map(([type]) => `${type}.example`).join(' '), relay_recipient_maps: TYPES.map(([type]) => `${type}:@HOME@/etc/${type}`).join(' '),
      smtpd_error_sleep_time: '0', smtpd_hard_error_limit: '1000', smtpd_client_restrictions: 'check_client_access cidr:@HOME@/etc/cidr', default_database_type: 'lmdb',
    },
    files: { cidr: '127.0.0.1 DUNNO\n', ...Object.fromEntries(TYPES.map(([type, line]) => [type, `${line(`old@${type}.example`)}\n`])) },
  })
  for (const [type, line] of TYPES) await write(system, type, `${line(`old@${type}.example`)}\n`)
  using client = await SmtpClient.open(system.port('smtp'))
  assert.match(await client.command('EHLO client.example'), /^250/)
  assert.match(await client.command('MAIL FROM:<>'), /^250/)
  for (const [type, line] of TYPES) {
    assert.match(await client.command(`RCPT TO:<old@${type}.example>`), /^250/, type)
    assert.match(await client.command(`RCPT TO:<new@${type}.example>`), /^550/, type)
    await write(system, type, `${line(`new@${type}.example`)}\n${line(`another.one@${type}.example`)}\n`)
    await until(client, `RCPT TO:<new@${type}.example>`, '250')
    assert.match(await client.command(`RCPT TO:<old@${type}.example>`), /^550/, type)
  }
  writeFileSync(join(system.etc, 'cidr'), '127.0.0.0/8 REJECT not any more\n')
  await until(client, 'RCPT TO:<new@hash.example>', '554')
  // A table that is damaged or gone: the content that was read before goes on to count.
  writeFileSync(join(system.etc, 'cidr'), '127.0.0.0/8 DUNNO\n')
  writeFileSync(join(system.etc, 'hash.db'), 'no database')
  const kept = /hash:.*keeping the old content: open database .*hash\.db: Berkeley DB/
  while (!system.log().some((line) => kept.test(line))) await until(client, 'RCPT TO:<new@hash.example>', '250')
  assert.match(await client.command('RCPT TO:<new@hash.example>'), /^250/)
})

test('a table that was missing at the start counts once it is there', async () => {
  await using system = await startSystem({ main: { relay_domains: 'late.example', relay_recipient_maps: 'lmdb:@HOME@/etc/late', smtpd_error_sleep_time: '0', smtpd_hard_error_limit: '1000' } })
  using client = await SmtpClient.open(system.port('smtp'))
  await client.command('EHLO client.example')
  await client.command('MAIL FROM:<>')
  assert.match(await client.command('RCPT TO:<user@late.example>'), /^451/)
  writeFileSync(join(system.etc, 'late'), 'user@late.example ok\n')
  assert.equal(await postmap(['-c', system.etc, `lmdb:${join(system.etc, 'late')}`]), 0)
  await until(client, 'RCPT TO:<user@late.example>', '250')
})

test('a service in a chroot asks proxymap for a table outside of it, and is told when that changed', async (t) => {
  if (!isRoot()) return t.skip('only root can change the root directory')
  await using system = await startSystem({
    main: { relay_domains: 'far.example', relay_recipient_maps: 'proxy:texthash:@HOME@/etc/far', smtpd_error_sleep_time: '0', smtpd_hard_error_limit: '1000' },
    master: ['127.0.0.1:@PORT:jail@ inet n - y - - smtpd', 'proxymap unix - - n - - proxymap'],
    files: { far: 'old@far.example ok\n' },
  })
  using client = await SmtpClient.open(system.port('jail'))
  await client.command('EHLO client.example')
  await client.command('MAIL FROM:<>')
  assert.match(await client.command('RCPT TO:<old@far.example>'), /^250/)
  assert.match(await client.command('RCPT TO:<new@far.example>'), /^550/)
  writeFileSync(join(system.etc, 'far'), 'new@far.example ok\nold-one@far.example ok\n')
  await until(client, 'RCPT TO:<new@far.example>', '250')
  assert.match(await client.command('RCPT TO:<old@far.example>'), /^550/)
  return undefined
})

test('proxy: tables without a proxymap service are a temporary error, told in the log', async () => {
  await using system = await startSystem({ main: { relay_domains: 'far.example', relay_recipient_maps: 'proxy:static:ok', proxymap_service_name: 'absent' } })
  using client = await SmtpClient.open(system.port('smtp'))
  await client.command('EHLO client.example')
  await client.command('MAIL FROM:<>')
  assert.match(await client.command('RCPT TO:<user@far.example>'), /^451 4\.3\.0/)
  await system.waitForLog(/warning: table proxy:static:ok: connect #1 to subsystem private\/absent: No such file or directory/)
})
