/** Never an open relay: configurations against destinations. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionFacts } from '#access/types.ts'
import { ConfigError } from '#config/error.ts'
import { accessOf, checkSite, clientOf, replyOf } from '#test/support/access.ts'
import { captureLog } from '#test/support/log.ts'
import { siteConfig } from '#test/support/site.ts'

const OURS = [
  'user@example.org', 'user@mail.example.org', 'user@[192.0.2.1]', 'user', 'x@alias.example', 'x@virtual.example',
  'x@relay.example',
] as const

/** Other people's mailboxes, and ways to say so. */
const FOREIGN = [
  'x@other.example', 'x@[198.51.100.1]', 'x%other.example@example.org', 'other.example!x@example.org',
  '@example.org:x@other.example',
  'x@other.example@example.org', '"x@other.example"@example.org', 'x%other.example', 'x@other.example.',
  'x@EXAMPLE.com',
  'x%other.example@relay.example', 'x@other.example@relay.example', 'other.example!x@alias.example',
  'x%y%z@virtual.example',
] as const

const CLASSES = {
  virtual_alias_domains: 'alias.example', virtual_mailbox_domains: 'virtual.example', relay_domains: 'relay.example',
}

const UNLISTED = { smtpd_reject_unlisted_recipient: 'no' }

/** Configurations that must not relay for strangers. */
const CONFIGURATIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'the default': {},
  'the default at an old level': { compatibility_level: '2' },
  'only recipient restrictions': {
    smtpd_relay_restrictions: '', smtpd_recipient_restrictions: 'permit_mynetworks, reject_unauth_destination',
  },
  'a permission in the recipient list': { smtpd_recipient_restrictions: 'permit' },
  'a permission in all earlier lists': {
    smtpd_client_restrictions: 'permit', smtpd_helo_restrictions: 'permit', smtpd_sender_restrictions: 'permit',
  },
  'a table that permits all recipients': { smtpd_recipient_restrictions: 'check_recipient_access static:OK' },
  'a relay list that says no': { smtpd_relay_restrictions: 'reject_unauth_destination' },
  'a relay list that asks for a login': {
    smtpd_relay_restrictions: 'permit_sasl_authenticated, reject_unauth_destination',
  },
  'a relay list with a backup rule': { smtpd_relay_restrictions: 'permit_mx_backup, reject_unauth_destination' },
  'the recipient list first': {
    smtpd_relay_before_recipient_restrictions: 'no', smtpd_recipient_restrictions: 'permit',
  },
  'no delay': { smtpd_delay_reject: 'no', smtpd_client_restrictions: 'permit' },
  'percent hack and bang paths off': { allow_percent_hack: 'no', swap_bangpath: 'no' },
  'quotes that stay closed': { resolve_dequoted_address: 'no' },
  'trusted networks elsewhere': { mynetworks: '10.0.0.0/8' },
  'a good reputation': {
    smtpd_relay_restrictions:
      'permit_dnswl_client wl.example, permit_rhswl_client wl.example, reject_unauth_destination',
  },
  'reject': { smtpd_relay_restrictions: 'permit_auth_destination, reject' },
}

const ZONE = { '7.113.0.203.wl.example': { a: ['127.0.0.2'] }, 'client.example.wl.example': { a: ['127.0.0.2'] } }

for (const [name, values] of Object.entries(CONFIGURATIONS)) {
  test(`strangers reach our own domains and no others: ${name}`, async () => {
    for (const recipient of OURS) {
      assert.equal(
        replyOf(await checkSite({ ...CLASSES, ...UNLISTED, ...values }, { recipient }, { zone: ZONE })), 'ok',
        recipient,
      )
    }
    for (const recipient of FOREIGN) {
      const reply = replyOf(await checkSite({ ...CLASSES, ...UNLISTED, ...values }, { recipient }, { zone: ZONE }))
      assert.match(
        reply, /^(?:554 5\.7\.1|454 4\.7\.1|450 4\.4\.4) <.*(?:Relay access denied|Access denied|Unable to look up)/,
        recipient,
      )
    }
  })
}

test('clients that may relay do, and only they', async () => {
  const recipient = 'x@other.example'
  const cases: readonly (readonly [string, Partial<SessionFacts>, RegExp])[] = [
    ['a network of ours', { client: clientOf('localhost', '127.0.0.1') }, /^ok$/],
    ['a login', { sasl: { method: 'PLAIN', username: 'bob' } }, /^ok$/],
    ['an anonymous login', { sasl: { method: 'ANONYMOUS', username: 'x' } }, /^454/],
    ['a stranger', {}, /^454 4\.7\.1 <x@other\.example>: Relay access denied$/],
  ]
  for (const [name, changes, expected] of cases) {
    assert.match(replyOf(await checkSite({}, { recipient, ...changes })), expected, name)
  }
})

function open(relay: string, recipient: string, more: Readonly<Record<string, string>> = {}): void {
  accessOf(siteConfig({ smtpd_relay_restrictions: relay, smtpd_recipient_restrictions: recipient, ...more })).close()
}

test('openAccess() refuses a configuration without relay protection', () => {
  using log = captureLog()
  const refused = [
    ['', ''], ['permit_mynetworks', ''], ['permit', 'reject_unlisted_recipient'], ['permit, reject', ''],
    ['warn_if_reject reject_unauth_destination', ''], ['warn_if_reject reject', 'permit_mynetworks'],
  ] as const
  const message = 'in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions,'
    + ' specify at least one working instance of:'
    + ' reject_unauth_destination, defer_unauth_destination, reject, defer, defer_if_permit or check_relay_domains'
  for (const [relay, recipient] of refused) {
    assert.throws(() => open(relay, recipient), { name: ConfigError.name, message }, `${relay} / ${recipient}`)
  }
  assert.ok(log.texts().includes('warning: restriction `reject\' after `permit\' is ignored'))
  open('REJECT_unauth_destination', '')
  open('', 'permit_mynetworks, defer_if_permit')
  open('ours', '', { smtpd_restriction_classes: 'ours', ours: 'permit_mynetworks, reject_unauth_destination' })
  assert.throws(() => open('ours', '', { smtpd_restriction_classes: 'ours', ours: 'ours' }), ConfigError)
  assert.throws(
    () => open('reject', '', { smtpd_restriction_classes: 'none' }), /restriction class `none' needs a definition/,
  )
})

test('a table that cannot be read is no permission', async () => {
  using _ = captureLog()
  const recipient = 'x@other.example'
  for (const values of [
    { mynetworks: 'fail:x' }, { mydestination: 'fail:x' }, { relay_domains: 'fail:x' },
    { smtpd_relay_restrictions: 'check_recipient_access fail:x, reject' },
  ]) {
    assert.match(replyOf(await checkSite(values, { recipient })), /^451 4\.3\.[05] /, JSON.stringify(values))
  }
})
