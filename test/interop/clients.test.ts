/** Other people's clients, swaks and nodemailer, on the three doors of a mail system. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createTransport } from 'nodemailer'
import { selfSignedCertificate } from '#network/certificate.ts'
import { sha512Hash } from '#network/sasl/passwords.ts'
import { mailWith, waitRemoved } from '#test/support/system-mail.ts'
import { startSystem, type MailSystem } from '#test/support/system.ts'

const LOGIN = `  -o smtpd_sasl_auth_enable=yes
  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }
  -o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }`
const DOORS = [
  `127.0.0.1:@PORT:submission@ inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
${LOGIN}`,
  `127.0.0.1:@PORT:submissions@ inet n - n - - smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_tls_wrappermode=yes
${LOGIN}`,
]
const USER = 'carol'
const PASSWORD = 'secret word'
const MECHANISMS = ['PLAIN', 'LOGIN'] as const

type Door = {
  readonly name: string
  readonly tls: 'none' | 'starttls' | 'implicit'
  readonly mechanism?: (typeof MECHANISMS)[number]
}

/** Every way in. */
const WAYS: readonly Door[] = [
  { name: 'smtp', tls: 'none' },
  { name: 'smtp', tls: 'starttls' },
  ...MECHANISMS.map((mechanism): Door => ({ name: 'submission', tls: 'starttls', mechanism })),
  ...MECHANISMS.map((mechanism): Door => ({ name: 'submissions', tls: 'implicit', mechanism })),
]

let system: MailSystem

before(async () => {
  const { key, certificate } = await selfSignedCertificate(['mail.example.org'])
  system = await startSystem({
    main: {
      smtpd_tls_cert_file: '@HOME@/etc/cert.pem', smtpd_tls_key_file: '@HOME@/etc/key.pem',
      smtpd_tls_security_level: 'may', smtpd_sasl_type: 'posthorn',
      smtpd_tls_received_header: 'yes',
    },
    master: DOORS,
    files: { 'cert.pem': certificate, 'key.pem': key, sasl_passwd_users: `${USER}:${sha512Hash(PASSWORD)}\n` },
  })
  chmodSync(join(system.etc, 'sasl_passwd_users'), 0o644)
})
after(() => system[Symbol.asyncDispose]())

/** Whether the message that has this text arrived as it was sent, by the way that was meant. */
async function assertArrived(id: string, text: string, { tls, mechanism }: Door): Promise<void> {
  await waitRemoved(system, id)
  const mail = mailWith(system, 'box', text)
  assert.match(mail, new RegExp(`with ESMTP${tls === 'none' ? '' : 'S'}${mechanism === undefined ? '' : 'A'} id ${id}`))
  assert.match(mail, /^\.dot at the start\n\nends\.$/m)
}

function nameOf({ name, tls, mechanism }: Door): string {
  return `${name} (${tls}${mechanism === undefined ? '' : `, AUTH ${mechanism}`})`
}

const BODY = '.dot at the start\n\nends.\n'
const hasSwaks = spawnSync('swaks', ['--version']).status === 0

function swaks(args: readonly string[]): Promise<{ status: number | null; output: string }> {
  const child = spawn('swaks', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const hear = (chunk: Buffer): void => void (output += chunk.toString())
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (status) => resolve({ status, output })))
}

for (const door of WAYS) {
  test(`swaks sends by ${nameOf(door)}`, async (t) => {
    if (!hasSwaks) return t.skip('swaks is not installed')
    const subject = `swaks ${nameOf(door)}`
    const { status, output } = await swaks([
      '--server', '127.0.0.1', '--port', String(system.port(door.name)), '--from', 'carol@example.org', '--to',
      'bob@example.org', '--helo', 'client.example.com',
      '--header', `Subject: ${subject}`, '--body', BODY,
      ...(door.tls === 'starttls' ? ['--tls'] : door.tls === 'implicit' ? ['--tls-on-connect'] : []),
      ...(door.mechanism === undefined ? [] : ['--auth', door.mechanism, '--auth-user', USER, '--auth-password', PASSWORD]),
    ])
    assert.equal(status, 0, output)
    await assertArrived(/250 2\.0\.0 Ok: queued as (\w+)/.exec(output)?.[1] ?? assert.fail(output), subject, door)
  })

  test(`nodemailer sends by ${nameOf(door)}`, async () => {
    const subject = `nodemailer ${nameOf(door)}`
    const transport = createTransport({
      host: '127.0.0.1', port: system.port(door.name), secure: door.tls === 'implicit', ignoreTLS: door.tls === 'none',
      requireTLS: door.tls === 'starttls',
      name: 'client.example.com', tls: { rejectUnauthorized: false },
      ...(door.mechanism === undefined ? {} : { authMethod: door.mechanism, auth: { user: USER, pass: PASSWORD } }),
    })
    const { response, accepted } = await transport.sendMail({ from: 'carol@example.org', to: 'bob@example.org', subject, text: BODY })
    transport.close()
    assert.deepEqual(accepted, ['bob@example.org'])
    await assertArrived(/ as (\w+)$/.exec(response)?.[1] ?? assert.fail(response), subject, door)
  })
}

test('swaks is told that a wrong password is wrong', async (t) => {
  if (!hasSwaks) return t.skip('swaks is not installed')
  const { status, output } = await swaks([
    '--server', '127.0.0.1', '--port', String(system.port('submission')), '--from', 'carol@example.org', '--to',
    'bob@example.org', '--tls',
    '--auth', 'PLAIN', '--auth-user', USER, '--auth-password', 'wrong',
  ])
  assert.equal(status, 28, output)
  assert.match(output, /535 5\.7\.8 Error: authentication failed/)
})

test('nodemailer is told that a wrong password is wrong', async () => {
  const transport = createTransport({
    host: '127.0.0.1', port: system.port('submissions'), secure: true, tls: { rejectUnauthorized: false },
    auth: { user: USER, pass: 'wrong' },
  })
  const mail = { from: 'carol@example.org', to: 'bob@example.org', text: BODY }
  await assert.rejects(transport.sendMail(mail), { code: 'EAUTH', responseCode: 535 })
  transport.close()
})
