/** Each restriction: whom it rejects, with which code and words. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionFacts, VerifyAnswer } from '#access/types.ts'
import { checkSite, clientOf, logOf, replyOf } from '#test/support/access.ts'
import { captureLog } from '#test/support/log.ts'
import type { Zone } from '#test/support/dns.ts'

const ZONE: Zone = {
  'good.example': { mx: [[10, 'mx.good.example']], a: ['198.51.100.10'], ns: ['ns.good.example'] },
  'mx.good.example': { a: ['198.51.100.11'] },
  'ns.good.example': { a: ['198.51.100.12'] },
  'null.example': { mx: [[0, '']] },
  'trouble.example': { fail: 'SERVFAIL' },
  'address.example': { a: ['198.51.100.13'] },
  'backup.example': { mx: [[10, 'mx.good.example'], [20, 'mail.example.org']] },
  'primary.example': { mx: [[10, 'mail.example.org'], [20, 'mx.good.example']] },
  '7.113.0.203.bl.example': { a: ['127.0.0.4'], txt: ['see https://bl.example', 'second'] },
  '7.113.0.203.down.example': { fail: 'SERVFAIL' },
  'client.example.bl.example': { a: ['127.0.0.2'] },
  '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example': { a: ['127.0.0.2'] },
}

const LISTED = 'Service unavailable; Client host [203.0.113.7] blocked using bl.example'

/** Restriction list (of the recipient list), changed facts, expected reply. */
const CASES: readonly (readonly [list: string, facts: Partial<SessionFacts>, reply: string])[] = [
  ['permit', {}, 'ok'],
  ['reject', {}, '554 5.7.1 <user@example.org>: Recipient address rejected: Access denied'],
  ['REJECT', {}, '554 5.7.1 <user@example.org>: Recipient address rejected: Access denied'],
  ['defer', {}, '450 4.3.2 <user@example.org>: Recipient address rejected: Try again later'],
  ['defer_if_permit', {}, '450 4.7.0 <user@example.org>: Recipient address rejected: defer_if_permit requested'],
  ['defer_if_reject', {}, 'ok'],
  [
    'defer_if_reject, reject', {},
    '450 4.7.0 <user@example.org>: Recipient address rejected: defer_if_reject requested',
  ],
  ['defer_if_permit, reject', {}, '554 5.7.1 <user@example.org>: Recipient address rejected: Access denied'],
  ['warn_if_reject reject, permit', {}, 'ok'],
  ['warn_if_reject reject, reject', {}, '554 5.7.1 <user@example.org>: Recipient address rejected: Access denied'],
  ['warn_if_reject defer_if_permit', {}, 'ok'],
  ['reject_unauth_pipelining', {}, 'ok'],
  ['reject_unauth_pipelining', { illegalPipelining: true },
    '503 5.5.0 <user@example.org>: Recipient address rejected: Improper use of SMTP command pipelining'],
  ['reject_plaintext_session', {}, '450 4.7.1 Session encryption is required'],
  ['reject_plaintext_session', { tls: { protocol: 'TLSv1.3', cipher: 'x', keySizeBits: 256 } }, 'ok'],
  ['sleep 1', {}, 'ok'],
  // The client.
  ['permit_inet_interfaces, reject', { client: clientOf('x', '192.0.2.1') }, 'ok'],
  ['permit_mynetworks, reject', { client: clientOf('x', '127.1.2.3') }, 'ok'],
  [
    'reject_unknown_client_hostname', { client: clientOf('unknown', '203.0.113.7') },
    '450 4.7.25 Client host rejected: cannot find your hostname, [203.0.113.7]',
  ],
  ['reject_unknown_client_hostname', {}, 'ok'],
  ['reject_unknown_reverse_client_hostname', { client: clientOf('unknown', '203.0.113.7') },
    '450 4.7.1 Client host rejected: cannot find your reverse hostname, [203.0.113.7]'],
  ['reject_rbl_client bl.example', {}, `554 5.7.1 ${LISTED}; see https://bl.example / second`],
  ['reject_rbl_client bl.example=127.0.0.[2..4]', {}, `554 5.7.1 ${LISTED}; see https://bl.example / second`],
  ['reject_rbl_client bl.example=127.0.0.3', {}, 'ok'],
  ['reject_rbl_client down.example', {}, 'ok'],
  ['reject_rbl_client other.example', {}, 'ok'],
  ['reject_rbl_client bl.example', { client: clientOf('x', '2001:db8::1') },
    '554 5.7.1 Service unavailable; Client host [2001:db8::1] blocked using bl.example'],
  [
    'reject_rhsbl_client bl.example', {},
    '554 5.7.1 Service unavailable; Client host [client.example] blocked using bl.example',
  ],
  [
    'reject_rhsbl_reverse_client bl.example', {},
    '554 5.7.1 Service unavailable; Unverified Client host [client.example] blocked using bl.example',
  ],
  [
    'reject_rhsbl_helo bl.example', { helo: 'client.example' },
    '554 5.7.1 Service unavailable; Helo command [client.example] blocked using bl.example',
  ],
  [
    'reject_rhsbl_sender bl.example', {},
    '554 5.7.1 Service unavailable; Sender address [sender@client.example] blocked using bl.example',
  ],
  ['reject_rhsbl_recipient bl.example', { recipient: 'x@client.example' },
    '554 5.7.1 Service unavailable; Recipient address [x@client.example] blocked using bl.example'],
  ['reject_rhsbl_sender bl.example', { sender: 'x@[203.0.113.7]' }, 'ok'],
  ['permit_dnswl_client bl.example, reject', {}, 'ok'],
  [
    'permit_dnswl_client down.example, reject', {},
    '450 4.7.1 <203.0.113.7>: Client host rejected: Service unavailable',
  ],
  // The HELO name.
  ['reject_invalid_helo_hostname', { helo: 'a..b' }, '501 5.5.2 <a..b>: Helo command rejected: Invalid name'],
  ['reject_invalid_helo_hostname', { helo: 'a_b.' }, 'ok'],
  ['reject_invalid_helo_hostname', { helo: '192.0.2.9' }, 'ok'],
  [
    'reject_invalid_helo_hostname', { helo: '[192.0.2.999]' },
    '501 5.5.2 <[192.0.2.999]>: Helo command rejected: invalid ip address',
  ],
  ['reject_invalid_helo_hostname', { helo: '[IPv6:2001:db8::1]' }, 'ok'],
  [
    'reject_non_fqdn_helo_hostname', { helo: 'foo' },
    '504 5.5.2 <foo>: Helo command rejected: need fully-qualified hostname',
  ],
  [
    'reject_non_fqdn_helo_hostname', { helo: '192.0.2.9' },
    '504 5.5.2 <192.0.2.9>: Helo command rejected: need fully-qualified hostname',
  ],
  [
    'reject_unknown_helo_hostname', { helo: 'nowhere.example' },
    '450 4.7.1 <nowhere.example>: Helo command rejected: Host not found',
  ],
  ['reject_unknown_helo_hostname', { helo: 'good.example' }, 'ok'],
  ['reject_unknown_helo_hostname', { helo: 'null.example' }, 'ok'],
  [
    'reject_unknown_helo_hostname', { helo: 'trouble.example' },
    '450 4.7.1 <trouble.example>: Helo command rejected: Host not found',
  ],
  // The sender.
  [
    'reject_non_fqdn_sender', { sender: 'x@y' },
    '504 5.5.2 <x@y>: Sender address rejected: need fully-qualified address',
  ],
  ['reject_non_fqdn_sender', { sender: 'x' }, '504 5.5.2 <x>: Sender address rejected: need fully-qualified address'],
  ['reject_non_fqdn_sender', { sender: '' }, 'ok'],
  [
    'reject_unknown_sender_domain', { sender: 'x@nowhere.example' },
    '450 4.1.8 <x@nowhere.example>: Sender address rejected: Domain not found',
  ],
  ['reject_unknown_sender_domain', { sender: 'x@address.example' }, 'ok'],
  ['reject_unknown_sender_domain', { sender: 'x@example.org' }, 'ok'],
  ['reject_unknown_sender_domain', { sender: 'x@null.example' },
    '550 5.7.27 <x@null.example>: Sender address rejected: Domain null.example does not accept mail (nullMX)'],
  [
    'reject_unknown_sender_domain', { sender: 'x@trouble.example' },
    '450 4.1.8 <x@trouble.example>: Sender address rejected: Domain not found',
  ],
  [
    'reject_unknown_sender_domain, reject', { sender: 'x@trouble.example' },
    '554 5.7.1 <user@example.org>: Recipient address rejected: Access denied',
  ],
  // The recipient.
  [
    'reject_non_fqdn_recipient', { recipient: 'x' },
    '504 5.5.2 <x>: Recipient address rejected: need fully-qualified address',
  ],
  ['reject_unknown_recipient_domain', { recipient: 'x@null.example' },
    '556 5.1.10 <x@null.example>: Recipient address rejected: Domain null.example does not accept mail (nullMX)'],
  ['reject_unauth_destination', { recipient: 'x@good.example' }, '554 5.7.1 <x@good.example>: Relay access denied'],
  ['defer_unauth_destination', { recipient: 'x@good.example' }, '454 4.7.1 <x@good.example>: Relay access denied'],
  ['permit_mx_backup, reject', { recipient: 'x@backup.example' }, 'ok'],
  [
    'permit_mx_backup, reject', { recipient: 'x@primary.example' },
    '554 5.7.1 <x@primary.example>: Recipient address rejected: Access denied',
  ],
  [
    'permit_mx_backup, reject', { recipient: 'x@trouble.example' },
    '450 4.4.4 <x@trouble.example>: Recipient address rejected: Unable to look up mail exchanger information:'
      + ' Host not found, try again',
  ],
  [
    'reject_multi_recipient_bounce', { sender: '', recipientCount: 1 },
    '550 5.5.3 <user@example.org>: Recipient address rejected: Multi-recipient bounce',
  ],
  ['reject_multi_recipient_bounce', { sender: '', recipientCount: 0 }, 'ok'],
  // What is wrong with a list shows when it is used.
  ['nonsense', {}, '451 4.3.5 Server configuration error'],
  ['warn_if_reject nonsense', {}, '451 4.3.5 Server configuration error'],
  ['check_client_access', {}, '451 4.3.5 Server configuration error'],
  ['sleep well', {}, '451 4.3.5 Server configuration error'],
  ['reject_rbl_client', {}, 'ok'],
  ['check_relay_domains', {}, '451 4.3.5 Server configuration error'],
  ['reject_unverified_recipient', {}, '451 4.3.5 Server configuration error'],
]

test('restrictions reject with the codes and words of Postfix', async () => {
  using _ = captureLog()
  for (const [list, facts, reply] of CASES) {
    // The relay list has its protection, and lets everybody through before it.
    const values = {
      smtpd_relay_restrictions: 'check_recipient_access static:permit, reject', smtpd_recipient_restrictions: list,
    }
    const result = await checkSite(values, facts, { zone: ZONE })
    assert.equal(replyOf(result), reply, `${list} ${JSON.stringify(facts)}`)
  }
})

const unknown = (address: string, table: string): string =>
  `550 5.1.1 <${address}>: Recipient address rejected: User unknown in ${table} table`

test('reject_unlisted_recipient and _sender know the users of each address class', async () => {
  const values = {
    virtual_alias_domains: 'alias.example', virtual_mailbox_domains: 'virtual.example', relay_domains: 'relay.example',
    local_recipient_maps: 'inline:{ alice=x, bob@example.org=x }',
    virtual_mailbox_maps: 'inline:{ box@virtual.example=x }',
    relay_recipient_maps: 'inline:{ @relay.example=x }',
    virtual_alias_maps: 'inline:{ al@alias.example=alice, mapped@virtual.example=x }',
    canonical_maps: 'inline:{ carl@example.org=x }', sender_canonical_maps: 'inline:{ sally@example.org=x }',
    transport_maps:
      'inline:{ { gone@relay.example=error:5.1.6 moved away } { later@relay.example=retry:4.2.1 come back } }',
    recipient_delimiter: '+', smtpd_reject_unlisted_sender: 'yes',
    smtpd_relay_restrictions: 'permit_auth_destination, reject',
  }
  const recipients: readonly (readonly [string, string])[] = [
    ['alice', 'ok'], ['alice+x@example.org', 'ok'], ['bob@example.org', 'ok'], ['carl@example.org', 'ok'],
    ['mallory@example.org', unknown('mallory@example.org', 'local recipient')], ['postmaster@example.org', 'ok'],
    ['MAILER-DAEMON@example.org', 'ok'], ['double-bounce@example.org', 'ok'], ['Postmaster', 'ok'],
    ['box@virtual.example', 'ok'], ['mapped@virtual.example', 'ok'],
    ['x@virtual.example', unknown('x@virtual.example', 'virtual mailbox')],
    ['any@relay.example', 'ok'], ['al@alias.example', 'ok'],
    ['x@alias.example', unknown('x@alias.example', 'virtual alias')],
    ['gone@relay.example', '550 5.1.6 <gone@relay.example>: Recipient address rejected: moved away'],
    ['later@relay.example', '450 4.2.1 <later@relay.example>: Recipient address rejected: come back'],
  ]
  for (const [recipient, reply] of recipients) {
    assert.equal(replyOf(await checkSite(values, { recipient })), reply, recipient)
  }
  const senders: readonly (readonly [string, string])[] = [
    ['alice@example.org', 'ok'], ['sally@example.org', 'ok'], ['', 'ok'], ['x@other.example', 'ok'],
    [
      'mallory@example.org',
      '550 5.1.0 <mallory@example.org>: Sender address rejected: User unknown in local recipient table',
    ],
    ['x@alias.example', '550 5.1.7 <x@alias.example>: Sender address rejected: User unknown in virtual alias table'],
  ]
  for (const [sender, reply] of senders) {
    assert.equal(replyOf(await checkSite(values, { sender, recipient: 'alice' })), reply, sender)
  }
  const hidden = await checkSite({ ...values, show_user_unknown_table_name: 'no' }, { recipient: 'x@virtual.example' })
  assert.equal(replyOf(hidden), '550 5.1.1 <x@virtual.example>: Recipient address rejected: User unknown')
})

test('reject_sender_login_mismatch compares logins and owners of senders', async () => {
  const values = {
    smtpd_sasl_auth_enable: 'yes', smtpd_sender_login_maps: 'inline:{ {own@example.org=bob, alice} }',
    smtpd_sender_restrictions: 'reject_sender_login_mismatch',
  }
  const bob = { sasl: { method: 'PLAIN', username: 'Bob' } }
  const eve = { sasl: { method: 'PLAIN', username: 'eve' } }
  const cases: readonly (readonly [Partial<SessionFacts>, string])[] = [
    [{ ...bob, sender: 'own@example.org' }, 'ok'],
    [
      { ...eve, sender: 'own@example.org' },
      '553 5.7.1 <own@example.org>: Sender address rejected: not owned by user eve',
    ],
    [
      { ...eve, sender: 'x@other.example' },
      '553 5.7.1 <x@other.example>: Sender address rejected: not owned by user eve',
    ],
    [{ sender: 'own@example.org' }, '553 5.7.1 <own@example.org>: Sender address rejected: not logged in'],
    [{ sender: 'x@other.example' }, 'ok'],
    [{ ...eve, sender: '' }, 'ok'],
  ]
  for (const [facts, reply] of cases) {
    assert.equal(replyOf(await checkSite(values, facts)), reply, JSON.stringify(facts))
  }
  const known = { ...values, smtpd_sender_restrictions: 'reject_known_sender_login_mismatch' }
  assert.equal(replyOf(await checkSite(known, { ...eve, sender: 'x@other.example' })), 'ok')
  const without = await checkSite({ smtpd_sender_restrictions: 'reject_sender_login_mismatch' }, eve)
  assert.deepEqual(logOf(without), [
    "warning: restriction `reject_authenticated_sender_login_mismatch' ignored: no SASL support",
    "warning: restriction `reject_unauthenticated_sender_login_mismatch' ignored: no SASL support",
  ])
})

const sayUndeliverable = (): Promise<VerifyAnswer> => Promise.resolve({ kind: 'undeliverable', reason: 'x' })

test('reject_unverified_recipient follows the verify service', async () => {
  const answers: readonly (readonly [VerifyAnswer, string])[] = [
    [{ kind: 'deliverable', reason: '' }, 'ok'],
    [
      { kind: 'undeliverable', reason: 'no such user' },
      '450 4.1.1 <user@example.org>: Recipient address rejected: unverified address: no such user',
    ],
    [{ kind: 'pending', reason: 'Address verification in progress' },
      '450 4.1.1 <user@example.org>: Recipient address rejected: unverified address: Address verification in progress'],
    [{ kind: 'unavailable' }, '450 4.1.1 <user@example.org>: Recipient address rejected: address verification problem'],
  ]
  for (const [answer, reply] of answers) {
    let asked = 0
    const verify = (): Promise<VerifyAnswer> => {
      asked++
      return Promise.resolve(answer)
    }
    const result = await checkSite(
      { smtpd_recipient_restrictions: 'reject_unverified_recipient' }, {}, { tools: { verify } },
    )
    assert.equal(replyOf(result), reply, answer.kind)
    assert.equal(asked, answer.kind === 'pending' ? 3 : 1)
  }
  const hard = {
    unverified_recipient_reject_code: '550', unverified_recipient_reject_reason: 'unknown here',
    smtpd_recipient_restrictions: 'reject_unverified_recipient',
  }
  assert.equal(replyOf(await checkSite(hard, {}, { tools: { verify: sayUndeliverable } })),
    '550 5.1.1 <user@example.org>: Recipient address rejected: undeliverable address: unknown here')
})

test('permit_tls_clientcerts and check_ccert_access look fingerprints up', async () => {
  const tls = {
    protocol: 'TLSv1.3', cipher: 'x', keySizeBits: 256,
    certificate: { trusted: false, subject: 'cn', issuer: 'ca', fingerprint: 'AA:BB', publicKeyFingerprint: 'CC:DD' },
  }
  const recipient = 'x@other.example'
  const relay = 'permit_tls_clientcerts, reject_unauth_destination'
  const known = { smtpd_relay_restrictions: relay, relay_clientcerts: 'inline:{ {cc:dd=x} }' }
  assert.equal(replyOf(await checkSite(known, { tls, recipient })), 'ok')
  const other = { smtpd_relay_restrictions: relay, relay_clientcerts: 'inline:{ ee=x }' }
  assert.match(replyOf(await checkSite(other, { tls, recipient })), /^554/)
  const trusted = { ...tls, certificate: { ...tls.certificate, trusted: true } }
  const all = { smtpd_relay_restrictions: 'permit_tls_all_clientcerts, reject' }
  assert.equal(replyOf(await checkSite(all, { tls: trusted, recipient })), 'ok')
  const list = 'check_ccert_access { inline:{ {aa:bb=REJECT no} } { search_order = cert_fingerprint } }'
  assert.equal(
    replyOf(await checkSite({ smtpd_client_restrictions: list }, { tls })),
    '554 5.7.1 <cn>: Client certificate rejected: no',
  )
  const byKey = 'check_ccert_access { inline:{ {aa:bb=REJECT no} } search_order=pubkey_fingerprint }'
  assert.equal(replyOf(await checkSite({ smtpd_client_restrictions: byKey }, { tls })), 'ok')
})
