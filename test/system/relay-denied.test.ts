/** No open relay: strangers may send to the domains of this system, and to nobody else, whatever they write. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { startSystem, type MailSystem } from '#test/support/system.ts'
import { assertQueuesEmpty } from '#test/support/system-mail.ts'

/** The one network that may relay: the client of the tests has another address. */
const MINE = '127.0.0.2/32'

let system: MailSystem

before(async () => {
  system = await startSystem({
    main: {
      mynetworks: MINE, relay_domains: 'relay.example', virtual_alias_domains: 'alias.example',
      virtual_alias_maps: 'texthash:@HOME@/etc/virtual', local_recipient_maps: '', default_transport: 'discard:', relay_transport: 'discard:',
    },
    master: [
      '127.0.0.1:@PORT:recipient@ inet n - n - - smtpd -o smtpd_relay_restrictions= -o { smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination }',
      '127.0.0.1:@PORT:defer@ inet n - n - - smtpd -o { smtpd_relay_restrictions = permit_mynetworks, defer_unauth_destination }',
      '127.0.0.1:@PORT:early@ inet n - n - - smtpd -o smtpd_delay_reject=no',
      '127.0.0.1:@PORT:sasl@ inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=posthorn',
    ],
    files: { sasl_passwd_users: '# nobody\n', virtual: 'known@alias.example far@elsewhere.example\n' },
  })
})
after(() => system[Symbol.asyncDispose]())

/** Destination class, address, and whether a stranger may send there. */
const DESTINATIONS: readonly (readonly [className: string, address: string, open: boolean])[] = [
  ['local', 'root@localhost', true],
  ['virtual mailbox', 'bob@example.org', true],
  ['virtual alias', 'known@alias.example', true],
  ['relay', 'carol@relay.example', true],
  // parent_domain_matches_subdomains names relay_domains.
  ['sub-domain of relay', 'carol@sub.relay.example', true],
  ['default', 'carol@elsewhere.example', false],
  ['default, address literal', 'carol@[192.0.2.1]', false],
  ['default, percent', 'carol%elsewhere.example@example.org', false],
  ['default, bang', 'elsewhere.example!carol@example.org', false],
  ['default, source route', '@example.org:carol@elsewhere.example', false],
  ['default, quoted at', '"carol@elsewhere.example"@example.org', false],
  ['default, double at', 'carol@elsewhere.example@example.org', false],
]
const SENDERS = ['alice@example.com', 'bob@example.org', 'postmaster@example.org', '']
const DOORS = [['smtp', '454'], ['recipient', '554'], ['defer', '454'], ['early', '454'], ['sasl', '454']] as const

for (const [door, code] of DOORS) {
  test(`a stranger can't relay by way of "${door}": ${DESTINATIONS.length} destinations from ${SENDERS.length} senders`, async () => {
    for (const sender of SENDERS) {
      using client = await SmtpClient.open(system.port(door))
      await client.command('EHLO mail.example.org')
      assert.match(await client.command(`MAIL FROM:<${sender}>`), /^250/)
      for (const [name, address, open] of DESTINATIONS) {
        const reply = await client.command(`RCPT TO:<${address}>`)
        if (open) assert.match(reply, /^250 2\.1\.5 Ok$/, `${name} from <${sender}>`)
        else assert.match(
          reply, new RegExp(`^(?:${code} \\S+ .*Relay access denied|50[01] 5\\.1\\.3 |550 5\\.1\\.1 )`),
          `${name} from <${sender}>`,
        )
      }
      await client.command('RSET')
      await client.command('QUIT')
    }
    assertQueuesEmpty(system)
  })
}

test('a refusal of relaying is in the log as fail2ban expects it', async () => {
  using client = await SmtpClient.open(system.port('smtp'))
  await client.command('EHLO client.example.com')
  await client.command('MAIL FROM:<alice@example.com>')
  assert.equal(
    await client.command('RCPT TO:<logged@elsewhere.example>'),
    '454 4.7.1 <logged@elsewhere.example>: Relay access denied',
  )
  const line = await system.waitForLog(/NOQUEUE: reject: .*logged@/)
  assert.match(
    line,
    /^postfix\/smtpd\[\d+\]: NOQUEUE: reject: RCPT from \S+\[127\.0\.0\.1\]: 454 4\.7\.1 <logged@elsewhere\.example>: Relay access denied; from=<alice@example\.com> to=<logged@elsewhere\.example> proto=ESMTP helo=<client\.example\.com>$/,
  )
})

test('HELO, XCLIENT, XFORWARD and a failed login open nothing', async () => {
  using client = await SmtpClient.open(system.port('sasl'))
  await client.command('EHLO [127.0.0.2]')
  for (const line of ['XCLIENT ADDR=127.0.0.2', 'XFORWARD ADDR=127.0.0.2', 'AUTH PLAIN AGEAYg==']) {
    assert.match(await client.command(line), /^5/, line)
  }
  await client.command('MAIL FROM:<alice@example.com> AUTH=bob@example.org')
  assert.match(
    await client.command('RCPT TO:<carol@elsewhere.example>'),
    /^454 4\.7\.1 <carol@elsewhere\.example>: Relay access denied$/,
  )
})

test('a client in mynetworks may relay', async () => {
  using client = await SmtpClient.open(system.port('smtp'), '127.0.0.1', '127.0.0.2')
  await client.command('EHLO client.example.com')
  assert.match(
    await client.send('alice@example.com', ['carol@elsewhere.example'], 'Subject: x\n\nx'),
    /^250 2\.0\.0 Ok: queued as /,
  )
})
