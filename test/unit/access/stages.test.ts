/** What is carried from one list and one command to the next; effects; what a message asks for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccessResult, Effect, SessionFacts } from '#access/types.ts'
import { accessOf, checkSite, clientOf, factsOf, logOf, replyOf } from '#test/support/access.ts'
import { captureLog } from '#test/support/log.ts'
import { siteConfig } from '#test/support/site.ts'

const LOCAL = { local_recipient_maps: '' }


/** Facts before a sender is known. */
function early(where: SessionFacts['where']): SessionFacts {
  const { sender: _sender, recipient: _recipient, ...facts } = factsOf({ where })
  return facts
}

test('smtpd_delay_reject puts client, HELO and sender restrictions off until RCPT', async () => {
  const access = accessOf(siteConfig({ ...LOCAL, smtpd_client_restrictions: 'reject' }))
  const state = access.newTransaction()
  for (const stage of ['client', 'helo', 'sender'] as const) {
    assert.equal(replyOf(await access.check(stage, early('CONNECT'), state)), 'ok', stage)
  }
  const reply = '554 5.7.1 <client.example[203.0.113.7]>: Client host rejected: Access denied'
  assert.equal(replyOf(await access.check('recipient', factsOf(), state)), reply)
  assert.equal(replyOf(await access.check('etrn', { ...early('ETRN'), etrnDomain: 'x.example' }, state)), reply)
})

test('without delay each stage answers for itself', async () => {
  const values = {
    ...LOCAL, smtpd_delay_reject: 'no', smtpd_helo_restrictions: 'reject', smtpd_sender_restrictions: 'reject',
  }
  const access = accessOf(siteConfig(values))
  const state = access.newTransaction()
  assert.equal(replyOf(await access.check('client', early('CONNECT'), state)), 'ok')
  const helo = '554 5.7.1 <helo.example>: Helo command rejected: Access denied'
  assert.equal(replyOf(await access.check('helo', early('EHLO'), state)), helo)
  const sender = '554 5.7.1 <sender@client.example>: Sender address rejected: Access denied'
  assert.equal(replyOf(await access.check('sender', factsOf({ where: 'MAIL' }), state)), sender)
  assert.equal(replyOf(await access.check('recipient', factsOf(), state)), 'ok')
})

test('defer_if_permit of an early stage waits for the end of RCPT', async () => {
  const values = {
    ...LOCAL, smtpd_delay_reject: 'no', smtpd_client_restrictions: 'defer_if_permit',
    smtpd_recipient_restrictions: 'check_recipient_access inline:{ bad@example.org=REJECT }',
  }
  const access = accessOf(siteConfig(values))
  const state = access.newTransaction()
  assert.equal(replyOf(await access.check('client', early('CONNECT'), state)), 'ok')
  assert.equal(replyOf(await access.check('helo', early('EHLO'), state)), 'ok')
  assert.equal(replyOf(await access.check('sender', factsOf({ where: 'MAIL' }), state)), 'ok')
  const deferred = '450 4.7.0 <client.example[203.0.113.7]>: Client host rejected: defer_if_permit requested'
  assert.equal(replyOf(await access.check('recipient', factsOf(), state)), deferred)
  const rejected = '554 5.7.1 <bad@example.org>: Recipient address rejected: Access denied'
  assert.equal(replyOf(await access.check('recipient', factsOf({ recipient: 'bad@example.org' }), state)), rejected)
  // The client stage is over: a new message starts from what it left.
  state.reset()
  assert.equal(replyOf(await access.check('sender', factsOf({ where: 'MAIL' }), state)), 'ok')
  assert.equal(replyOf(await access.check('recipient', factsOf(), state)), deferred)
  // The content concerns recipients that were accepted: no earlier deferral counts.
  assert.equal(replyOf(await access.check('data', factsOf({ where: 'DATA' }), state)), 'ok')
})

test('defer_if_reject turns a rejection of its own stage into a deferral', async () => {
  const values = { smtpd_sender_restrictions: 'defer_if_reject', smtpd_recipient_restrictions: 'reject' }
  assert.match(replyOf(await checkSite(values)), /^554 5\.7\.1/)
  const both = await checkSite({ smtpd_recipient_restrictions: 'defer_if_reject, defer_if_permit, sleep 1, reject' })
  assert.match(replyOf(both), /^450 4\.7\.0 .*defer_if_permit requested$/)
})

test('warn_if_reject logs and goes on; our own faults are no warnings', async () => {
  using _ = captureLog()
  const result = await checkSite({ smtpd_recipient_restrictions: 'warn_if_reject reject, warn_if_reject' })
  assert.equal(replyOf(result), 'ok')
  assert.deepEqual(logOf(result), [
    'NOQUEUE: reject_warning: RCPT from client.example[203.0.113.7]: 554 5.7.1 <user@example.org>:'
      + ' Recipient address rejected: Access denied; from=<sender@client.example> to=<user@example.org> proto=ESMTP helo=<helo.example>',
  ])
  const unsure = { smtpd_recipient_restrictions: 'warn_if_reject permit_auth_destination', relay_domains: 'fail:x' }
  const broken = await checkSite(unsure, { recipient: 'x@other.example' })
  assert.equal(replyOf(broken), '451 4.3.0 <x@other.example>: Temporary lookup failure')
})

test('warn_if_reject reaches into a restriction class and not beyond it', async () => {
  const values = {
    smtpd_restriction_classes: 'ours', ours: 'reject, reject',
    smtpd_recipient_restrictions: 'warn_if_reject ours, check_recipient_access static:DEFER',
  }
  const result = await checkSite(values)
  assert.match(replyOf(result), /^450 4\.7\.1/)
  assert.equal(logOf(result).filter((line) => line.includes('reject_warning')).length, 2)
})

test('postmaster without a domain is always let in [RFC 5321 §4.5.1]', async () => {
  assert.equal(replyOf(await checkSite({ smtpd_client_restrictions: 'reject' }, { recipient: 'PostMaster' })), 'ok')
  assert.match(
    replyOf(await checkSite({ smtpd_client_restrictions: 'reject' }, { recipient: 'postmaster@example.org' })), /^554/,
  )
})

test('soft_bounce shows in the reply and in the log', async () => {
  const result = await checkSite({ soft_bounce: 'yes', smtpd_recipient_restrictions: 'reject' })
  assert.match(replyOf(result), /^454 4\.7\.1 /)
  assert.match(logOf(result)[0] ?? '', /: 454 4\.7\.1 </)
})

test('reply codes that cannot be are replaced, with a warning', async () => {
  const result = await checkSite({ reject_code: '250', smtpd_recipient_restrictions: 'reject' })
  assert.equal(replyOf(result), '450 4.7.1 Service unavailable')
  assert.match(logOf(result)[0] ?? '', /^warning: SMTP reply code configuration error: 250 5\.7\.1/)
})

test('replies are one line of printable text, 510 octets long', async () => {
  const recipient = `x\r\n${'é'.repeat(400)}@other.example`
  const reply = replyOf(await checkSite({}, { recipient }))
  assert.ok(Buffer.byteLength(reply) <= 512, String(Buffer.byteLength(reply)))
  assert.match(reply, /^454 4\.7\.1 <x {2}é+ ?$/)
})

test('data and end_of_data name no recipient when there are several', async () => {
  const values = {
    smtpd_data_restrictions: 'check_recipient_access static:REJECT', smtpd_end_of_data_restrictions: 'reject',
  }
  const several = { where: 'DATA', recipientCount: 2 } as const
  assert.equal(replyOf(await checkSite(values, several, { stage: 'data' })), 'ok')
  const one = await checkSite(values, { where: 'DATA', recipientCount: 1 }, { stage: 'data' })
  assert.equal(replyOf(one), '554 5.7.1 <user@example.org>: Recipient address rejected: Access denied')
  const end = await checkSite(
    values, { where: 'END-OF-MESSAGE', recipientCount: 2, queueId: 'ABC' }, { stage: 'end_of_data' },
  )
  assert.equal(replyOf(end), '554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied')
  assert.match(logOf(end)[0] ?? '', /^ABC: reject: END-OF-MESSAGE from .*; from=<sender@client\.example> proto=ESMTP/)
})

function effectsOf(result: AccessResult): Effect[] {
  return result.effects.filter((effect) => effect.kind !== 'log')
}

test('table actions are effects for smtpd to carry out', async () => {
  const cases: readonly (readonly [string, readonly Effect[]])[] = [
    ['HOLD', [{ kind: 'hold' }]],
    ['FILTER smtp:[f]:1', [{ kind: 'filter', destination: 'smtp:[f]:1' }]],
    ['REDIRECT a@b', [{ kind: 'redirect', address: 'a@b' }]],
    ['BCC a@b', [{ kind: 'bcc', address: 'a@b' }]],
    ['PREPEND X-Spam: no', [{ kind: 'prepend', header: 'X-Spam: no' }]],
    ['DISCARD', [{ kind: 'discard' }]],
    ['WARN x', []],
  ]
  for (const [action, effects] of cases) {
    const result = await checkSite({
      smtpd_sender_restrictions: `check_sender_access inline:{ {client.example=${action}} }`,
    })
    assert.deepEqual(effectsOf(result), effects, action)
    assert.equal(replyOf(result), 'ok')
  }
})

test('DISCARD ends all further checks of the message, HOLD is logged once', async () => {
  const access = accessOf(siteConfig({
    ...LOCAL, smtpd_client_restrictions: 'check_helo_access inline:{ {discard.example=DISCARD} {hold.example=HOLD} }',
    smtpd_sender_restrictions: 'check_helo_access inline:{ {discard.example=REJECT} }',
  }))
  const state = access.newTransaction()
  const discarded = factsOf({ helo: 'discard.example', recipient: 'x@other.example' })
  assert.equal(replyOf(await access.check('recipient', discarded, state)), 'ok')
  assert.equal(replyOf(await access.check('recipient', discarded, state)), 'ok')
  state.reset()
  const held = factsOf({ helo: 'hold.example' })
  assert.equal(logOf(await access.check('recipient', held, state)).length, 1)
  assert.equal(logOf(await access.check('recipient', held, state)).length, 0)
})

test('actions for the queue are refused where there is none', async () => {
  const table = 'inline:{ {203.0.113=HOLD} }'
  const proxied = await checkSite({ smtpd_client_restrictions: `check_client_access ${table}` }, { proxyFilter: true })
  assert.deepEqual(effectsOf(proxied), [])
  assert.match(logOf(proxied)[0] ?? '', /with smtpd_proxy_filter specified, action HOLD is unavailable$/)
  const values = { ...LOCAL, smtpd_delay_reject: 'no', smtpd_client_restrictions: `check_client_access ${table}` }
  const access = accessOf(siteConfig(values))
  const connect = await access.check('client', early('CONNECT'), access.newTransaction())
  assert.deepEqual(logOf(connect), [
    `warning: access table ${table}: with smtpd_delay_reject=no, action HOLD is always skipped`
      + ' in Client host or Helo command restrictions',
  ])
})

test('HANGUP closes without a reply', async () => {
  const result = await checkSite({ smtpd_client_restrictions: 'check_client_access static:HANGUP' })
  assert.ok(result.kind === 'reject' && result.hangup === true)
})

test('lists and tables that lead to themselves end with an error for the client', async () => {
  const cases = [
    { smtpd_restriction_classes: 'ours', ours: 'ours', smtpd_recipient_restrictions: 'ours' },
    {
      smtpd_restriction_classes: 'ours', ours: 'check_client_access static:ours', smtpd_recipient_restrictions: 'ours',
    },
  ]
  for (const values of cases) assert.equal(replyOf(await checkSite(values)), '451 4.3.5 Server configuration error')
})

test('rewriteContext() is local for clients of local_header_rewrite_clients', async () => {
  using _ = captureLog()
  const cases: readonly (readonly [string, Partial<SessionFacts>, string])[] = [
    ['permit_inet_interfaces', { client: clientOf('x', '192.0.2.1') }, 'local'],
    ['permit_inet_interfaces', {}, 'remote'],
    ['permit_mynetworks', { client: clientOf('x', '127.0.0.9') }, 'local'],
    ['permit_sasl_authenticated', { sasl: { method: 'PLAIN', username: 'x' } }, 'local'],
    ['check_address_map inline:{ {203.0.113.7=x} }', {}, 'local'],
    ['inline:{ {203.0.113.7=x} }', {}, 'local'],
    ['nonsense, permit_mynetworks', {}, 'remote'],
    ['', {}, 'remote'],
    ['fail:x', {}, 'reject'],
  ]
  for (const [clients, changes, expected] of cases) {
    const result = await accessOf(
      siteConfig({ local_header_rewrite_clients: clients }),
    ).rewriteContext(factsOf(changes))
    assert.equal(result.kind === 'ok' ? result.context : 'reject', expected, clients)
  }
})

test('isPossibleAddress() knows addresses that nobody can have', async () => {
  const access = accessOf(siteConfig())
  const cases = [
    ['', false, true], ['user@example.org', false, true], ['x@b..c', false, false], ['x@[1.2.3]', false, false],
    ['x@ä.example', false, false], ['x@ä.example', true, true],
  ] as const
  for (const [address, smtputf8, expected] of cases) {
    assert.equal(await access.isPossibleAddress('', address, smtputf8), expected, address)
  }
})

test('permissions are logged on demand', async () => {
  const values = {
    smtpd_log_access_permit_actions: 'permit_mynetworks', smtpd_client_restrictions: 'permit_mynetworks',
  }
  const result = await checkSite(values, { client: clientOf('x', '127.0.0.1') })
  assert.match(
    logOf(result)[0] ?? '',
    /^NOQUEUE: permit: RCPT from x\[127\.0\.0\.1\]: action=permit_mynetworks for Client host=x\[127\.0\.0\.1\] ;/,
  )
})
