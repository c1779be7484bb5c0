/** Every door of the system: smtp, submission, submissions, and the sendmail command by way of postdrop and pickup. */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { selfSignedCertificate } from '#network/certificate.ts'
import { sha512Hash } from '#network/sasl/passwords.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import {
  assertQueuesEmpty, copiesOf, mailWith, queueIdOf, subject, submit, waitDelivery, waitRemoved,
} from '#test/support/system-mail.ts'
import { startSystem, type MailSystem } from '#test/support/system.ts'

const SUBMISSION = `127.0.0.1:@PORT:submission@ inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }
  -o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }`
const SUBMISSIONS = `127.0.0.1:@PORT:submissions@ inet n - n - - smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }`
const LOGIN = Buffer.from('\0carol\0secret word').toString('base64')
const WRONG = Buffer.from('\0carol\0secret').toString('base64')
const SENT = {
  to: 'bob@example.org', relay: 'virtual', dsn: '2.0.0', status: 'sent', reason: 'delivered to maildir',
} as const

let system: MailSystem

before(async () => {
  const { key, certificate } = await selfSignedCertificate(['mail.example.org'])
  system = await startSystem({
    main: {
      smtpd_tls_cert_file: '@HOME@/etc/cert.pem', smtpd_tls_key_file: '@HOME@/etc/key.pem', smtpd_sasl_type: 'posthorn',
      smtpd_tls_loglevel: '1',
    },
    master: [SUBMISSION, SUBMISSIONS],
    files: { 'cert.pem': certificate, 'key.pem': key, sasl_passwd_users: `carol:${sha512Hash('secret word')}\n` },
  })
  chmodSync(join(system.etc, 'sasl_passwd_users'), 0o644)
})
after(() => system[Symbol.asyncDispose]())

test('smtp: a message is announced, delivered and removed', async () => {
  const id = await submit(system, ['bob@example.org'], { message: subject('by smtp') })
  await waitRemoved(system, id)
  await waitDelivery(system, id, SENT)
  const log = system.log().join('\n')
  assert.match(log, new RegExp(`^postfix/smtpd\\[\\d+\\]: ${id}: client=.*\\[127\\.0\\.0\\.1\\]$`, 'm'))
  assert.match(
    log, new RegExp(`^postfix/cleanup\\[\\d+\\]: ${id}: message-id=<\\d+\\.${id}@mail\\.example\\.org>$`, 'm'),
  )
  assert.match(
    log,
    new RegExp(
      `^postfix/qmgr\\[\\d+\\]: ${id}: from=<alice@example\\.com>, size=\\d+, nrcpt=1 \\(queue active\\)$`, 'm',
    ),
  )
  assert.match(
    mailWith(system, 'box', 'by smtp'),
    /^Return-Path: <alice@example\.com>\nX-Original-To: bob@example\.org\nDelivered-To: bob@example\.org\nReceived: from client\.example\.com /,
  )
  assertQueuesEmpty(system)
})

test('submission: STARTTLS and AUTH, then a message goes through', async () => {
  using client = await SmtpClient.open(system.port('submission'))
  await client.command('EHLO pc.example.com')
  assert.equal(await client.command('MAIL FROM:<carol@example.org>'), '530 5.7.0 Must issue a STARTTLS command first')
  assert.equal(await client.startTls(), '220 2.0.0 Ready to start TLS')
  assert.match(await client.command('EHLO pc.example.com'), /^250-AUTH .*PLAIN/m)
  assert.equal(await client.command(`AUTH PLAIN ${LOGIN}`), '235 2.7.0 Authentication successful')
  const id = queueIdOf(await client.send('carol@example.org', ['bob@example.org'], subject('by submission')))
  await waitRemoved(system, id)
  await waitDelivery(system, id, SENT)
  assert.match(
    system.log().join('\n'),
    new RegExp(`^postfix/submission/smtpd\\[\\d+\\]: ${id}: client=.*, sasl_method=PLAIN, sasl_username=carol$`, 'm'),
  )
  assert.match(
    system.log().join('\n'),
    /^postfix\/submission\/smtpd\[\d+\]: Anonymous TLS connection established from .*: TLSv1\.3 with cipher /m,
  )
  assert.match(mailWith(system, 'box', 'by submission'), /\tby mail\.example\.org \(Posthorn\) with ESMTPSA id/)
  assertQueuesEmpty(system)
})

test('submission: without a login nothing is taken', async () => {
  using client = await SmtpClient.open(system.port('submission'))
  await client.command('EHLO pc.example.com')
  await client.startTls()
  await client.command('EHLO pc.example.com')
  assert.match(await client.command(`AUTH PLAIN ${WRONG}`), /^535 5\.7\.8 Error: authentication failed/)
  assert.match(
    await client.send('carol@example.org', ['bob@example.org'], subject('never')),
    /^554 5\.7\.1 <.*>: Client host rejected: Access denied$/,
  )
  await system.waitForLog(
    /^postfix\/submission\/smtpd\[\d+\]: warning: .*\[127\.0\.0\.1\]: SASL PLAIN authentication failed: .*, sasl_username=carol$/
  )
})

test('submissions: implicit TLS and AUTH, then a message goes through', async () => {
  using client = await SmtpClient.openTls(system.port('submissions'))
  assert.match(client.greeting, /^220 mail\.example\.org ESMTP/)
  await client.command('EHLO pc.example.com')
  assert.equal(await client.command(`AUTH PLAIN ${LOGIN}`), '235 2.7.0 Authentication successful')
  const id = queueIdOf(await client.send('carol@example.org', ['bob@example.org'], subject('by submissions')))
  await waitRemoved(system, id)
  await waitDelivery(system, id, SENT)
  assert.match(
    system.log().join('\n'),
    new RegExp(`^postfix/submissions/smtpd\\[\\d+\\]: ${id}: client=.*, sasl_method=PLAIN, sasl_username=carol$`, 'm'),
  )
  assertQueuesEmpty(system)
})

test('sendmail: postdrop puts the message in maildrop, pickup takes it in', async () => {
  const { status, stderr } = await system.command(
    'sendmail', ['-f', 'dave@example.org', '-F', 'Dave', 'bob@example.org'], 'Subject: by sendmail\n\nHello.\n',
  )
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  const { uid } = userInfo()
  const line = await system.waitForLog(
    new RegExp(`^postfix/pickup\\[\\d+\\]: \\w+: uid=${uid} from=<dave@example\\.org>$`)
  )
  const id = /: (\w+): uid/.exec(line)?.[1] ?? ''
  await waitRemoved(system, id)
  await waitDelivery(system, id, SENT)
  const mail = mailWith(system, 'box', 'by sendmail')
  assert.match(mail, new RegExp(`^Received: by mail\\.example\\.org \\(Posthorn, from userid ${uid}\\)$`, 'm'))
  assert.match(mail, /^From: Dave <dave@example\.org>$/m)
  assertQueuesEmpty(system)
})

test('sendmail -t takes the recipients from the header, and Bcc: does not show', async () => {
  const { status } = await system.command(
    'sendmail', ['-t', '-f', 'dave@example.org'],
    'To: bob@example.org\nBcc: carl@example.org\nSubject: by header\n\nHello.\n',
  )
  assert.equal(status, 0)
  const line = await system.waitForLog(/: to=<carl@example\.org>, relay=virtual, .*status=sent/)
  const id = / (\w+): to=/.exec(line)?.[1] ?? ''
  await waitRemoved(system, id)
  assert.deepEqual(copiesOf(system, 'by header'), ['bob@example.org', 'carl@example.org'])
  assert.doesNotMatch(mailWith(system, 'box', 'by header'), /^Bcc:/m)
  assertQueuesEmpty(system)
})
