/**
 * Real sites' configurations at work, as far as this version goes: `postfix check` takes each, master starts it, what
 * cannot run is named, and so is every parameter without effect. The same sites are shown by postconf beside the real
 * one in test/interop/postconf/configurations.test.ts.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '#config/load.ts'
import { parseMasterCf } from '#config/master-cf.ts'
import { isPending } from '#config/parameters/pending.ts'
import { siteNames } from '#test/support/postconf.ts'
import { createSiteSystem, type SiteSystem } from '#test/support/site-system.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'

/** What is said of a parameter without effect: where it is set, and its name. */
function pendingSettings(etc: string): string[] {
  const main = loadConfig(etc).names().filter(isPending).map((name) => `main.cf: parameter ${name}`)
  const entries = parseMasterCf(readFileSync(join(etc, 'master.cf'), 'utf8'), 'master.cf')
  const own = entries.flatMap(({ name, type, overrides }) => {
    return [...overrides.keys()].filter(isPending).map((parameter) => `master.cf: ${name}/${type}: parameter ${parameter}`)
  })
  return [...main, ...own]
}

async function assertStarts({ system }: SiteSystem): Promise<void> {
  const checked = await system.command('postfix', ['check'])
  assert.equal(checked.status, 0, checked.stderr)
  await system.start()
  const log = system.log()
  const said = new Set(log.flatMap((line) => /warning: (.*) has no effect in this version of Posthorn$/.exec(line)?.[1] ?? []))
  // What stands for a service that does not run is said for the service as a whole.
  const refused = log.flatMap((line) => /cannot run service (\S+): command \S+: \S.*$/.exec(line)?.[1] ?? [])
  const expected = pendingSettings(system.etc).filter((text) => !refused.some((service) => text.startsWith(`master.cf: ${service}:`)))
  assert.deepEqual(expected.filter((text) => !said.has(text) && !isOfLibrary(text)), [])
  assert.deepEqual(log.filter((line) => /\b(?:fatal|panic):/.test(line)), [])
}

/** cleanup, tlsmgr and the like are no processes here, and say nothing of themselves. */
function isOfLibrary(text: string): boolean {
  return /^master\.cf: \S*(?:clean|rewrite|tlsmgr|scache)\S*:/.test(text)
}

for (const name of siteNames()) {
  test(`a site in the manner of ${name} passes postfix check and starts`, async () => {
    const site = await createSiteSystem(name)
    await using system = site.system
    await assertStarts(site)
    assert.equal((await system.command('postfix', ['status'])).status, 0)
  })
}

async function client({ ports }: SiteSystem, service: string): Promise<SmtpClient> {
  return SmtpClient.open(ports.get(service) ?? 0)
}

test('the LDAP site says why its SMTP server does not start: there is no Cyrus SASL here', async () => {
  const site = await createSiteSystem('ldap-site')
  await using system = site.system
  await system.start()
  const knock = connect(site.ports.get('smtp') ?? 0, '127.0.0.1')
  knock.on('error', () => undefined)
  await system.waitForLog(/smtpd\[\d+\]: warning: unsupported SASL server implementation: cyrus$/)
  await system.waitForLog(/smtpd\[\d+\]: fatal: SASL per-process initialization failed$/)
  knock.destroy()
})

test('the null client takes mail from its own host and holds it until the relay can be found', async () => {
  const site = await createSiteSystem('null-client')
  await using system = site.system
  await system.start()
  using smtp = await client(site, '127.0.0.1:smtp')
  assert.equal(smtp.greeting, '220 app17.dc2.null.example ESMTP nullmailer')
  assert.match(await smtp.send('alice', ['bob@elsewhere.example'], 'Subject: x\n\nx'), /^250 2\.0\.0 Ok: queued as/)
  const line = await system.waitForLog(/\/smtp\[\d+\]: .*status=deferred/)
  assert.match(line, /^null\/smtp\[\d+\]: \w+: to=<bob@elsewhere\.example>, relay=none, .*\bsmtp\.null\.example\b/)
})

test('the relay of two instances passes mail on to the second one, and refuses what no rule permits', async () => {
  const site = await createSiteSystem('relay-instances')
  await using system = site.system
  await system.start()
  using smtp = await client(site, 'smtp')
  assert.equal(smtp.greeting, '220 in.relay.example ESMTP Posthorn')
  assert.match(await smtp.send('a@relay.example', ['bob@elsewhere.example'], 'Subject: x\n\nx'), /^250 2\.0\.0 Ok: queued as/)
  const line = await system.waitForLog(/status=deferred/)
  // By one of the three transports, by chance; the second instance does not run in this test, nor do the fallback hosts.
  assert.match(line, /^postfix-in\/(?:out2\/)?smtp\[\d+\]: \w+: to=<bob@elsewhere\.example>, .*(?:127\.0\.0\.1.*10026|fallback\d\.relay\.example)/)
})

test("the backup MX knows its domains' recipients and the rules for all others", async () => {
  const site = await createSiteSystem('backup-mx')
  await using system = site.system
  await system.start()
  using smtp = await client(site, 'smtp')
  assert.equal(smtp.greeting, '220 mx2.backup.example ESMTP')
  await smtp.command('EHLO client.example.com')
  assert.equal(await smtp.command('MAIL FROM:<>'), '250 2.1.0 Ok')
  assert.match(await smtp.command('RCPT TO:<x@third.example>'), /^554 5\.7\.1 <x@third\.example>: Relay access denied$/)
  // A probe of the address comes first; whatever comes of it, the address is not taken.
  assert.match(await smtp.command('RCPT TO:<nosuch@primary.example>'), /^[45]5[01] /)
  assert.equal(system.log().filter((line) => /warning: .*(?:unknown|bad|unsupported)/.test(line)).length, 0)
})
