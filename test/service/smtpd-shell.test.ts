/** Our smtpd around the dialogs: sockets, TLS, limits, and what happens when something fails. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { selfSignedCertificate } from '#network/certificate.ts'
import { sha512Hash } from '#network/sasl/passwords.ts'
import { setup as setupSmtpd } from '#receive/smtpd/main.ts'
import { setup as setupAnvil } from '#support/anvil/main.ts'
import { testSpool } from '#test/support/cleanup.ts'
import { captureLog } from '#test/support/log.ts'
import { DIALOG_VALUES, startSmtpd, type TestSmtpd } from '#test/support/smtpd.ts'
import { startWorker } from '#test/support/worker.ts'

const folder = mkdtempSync(join(tmpdir(), 'posthorn-smtpd-'))
after(() => rmSync(folder, { recursive: true }))
const own = await selfSignedCertificate(['mail.example.org'])
const other = await selfSignedCertificate(['other.example.org'])
writeFileSync(join(folder, 'own.pem'), own.key + own.certificate)
writeFileSync(join(folder, 'other.pem'), other.key + other.certificate)

const TLS = { smtpd_tls_security_level: 'may', smtpd_tls_chain_files: join(folder, 'own.pem') }

/** What has come so far, until `enough` is satisfied. */
async function receive(socket: Socket, enough: (text: string) => boolean): Promise<string> {
  let text = ''
  socket.setEncoding('latin1')
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (enough(text)) break
  }
  return text
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

const lastLine = (code: string) => (text: string): boolean => new RegExp(`(^|\\n)${code} [^\\n]*\\n$`).test(text)

async function dial({ port }: Pick<TestSmtpd, 'port'>): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await receive(socket, lastLine('220'))
  return socket
}

async function say(socket: Socket, text: string, code: string): Promise<string> {
  socket.write(text)
  return receive(socket, lastLine(code))
}

async function secure(socket: Socket, options: { servername?: string; key?: string; cert?: string } = {}): Promise<TLSSocket> {
  const secured = connectTls({ socket, rejectUnauthorized: false, ...options })
  await once(secured, 'secureConnect')
  return secured
}

test('smtpd presents the certificate of the name that a client asks for', async () => {
  using _ = captureLog()
  await using smtpd = await startSmtpd(
    { values: { ...TLS, tls_server_sni_maps: `inline:{ { other.example.org = ${join(folder, 'other.pem')} } }` } },
  )
  for (const [servername, subject] of [['other.example.org', 'other.example.org'], ['mail.example.org', 'mail.example.org']] as const) {
    const plain = await dial(smtpd)
    await say(plain, 'STARTTLS\r\n', '220')
    const socket = await secure(plain, { servername })
    assert.equal(socket.getPeerCertificate().subject.CN, subject)
    await say(socket, 'QUIT\r\n', '221')
    socket.destroy()
  }
})

test('smtpd logs TLS sessions from smtpd_tls_loglevel 1 on, and knows client certificates', async () => {
  using log = captureLog()
  {
    const values = {
      ...TLS,
      smtpd_tls_loglevel: '1',
      smtpd_tls_ask_ccert: 'yes',
      smtpd_tls_received_header: 'yes',
      smtpd_tls_CAfile: join(folder, 'other.pem'),
    }
    await using smtpd = await startSmtpd({ values })
    for (const client of [{}, { key: own.key, cert: own.certificate }, { key: other.key, cert: other.certificate }]) {
      const plain = await dial(smtpd)
      await say(plain, 'STARTTLS\r\n', '220')
      const socket = await secure(plain, client)
      await say(socket, 'QUIT\r\n', '221')
      socket.destroy()
    }
  }
  const words = log.texts().map((text) => /^(\w+) TLS connection established from localhost\[127\.0\.0\.1\]: TLSv1\.3 with cipher (\w+) \((\d+)\/\3 bits\)/.exec(text)?.[1])
  assert.deepEqual(words.filter((word) => word !== undefined), ['Anonymous', 'Untrusted', 'Trusted'])
})

test('smtpd takes nothing that came in the clear behind STARTTLS [CVE-2011-0411]', async () => {
  using _ = captureLog()
  await using smtpd = await startSmtpd({ values: TLS })
  const plain = await dial(smtpd)
  assert.match(await say(plain, 'EHLO x\r\n', '250'), /STARTTLS/)
  // EHLO has just been answered: STARTTLS and what follows arrive in one segment.
  assert.equal(
    await say(plain, 'STARTTLS\r\nMAIL FROM:<evil@example.net>\r\nRSET\r\n', '220'), '220 2.0.0 Ready to start TLS\r\n',
  )
  const socket = await secure(plain)
  assert.equal(await say(socket, 'RCPT TO:<b@example.org>\r\n', '503'), '503 5.5.1 Error: need MAIL command\r\n')
  socket.destroy()
})

test('smtpd tells of failed handshakes and goes on with other clients', async () => {
  using log = captureLog()
  {
    await using smtpd = await startSmtpd({ values: TLS })
    const plain = await dial(smtpd)
    await say(plain, 'STARTTLS\r\n', '220')
    plain.resume()
    plain.resume()
    plain.write('this is no handshake\r\n')
    await once(plain, 'close')
    const gone = await dial(smtpd)
    await say(gone, 'STARTTLS\r\n', '220')
    gone.destroy()
    await once(gone, 'close')
    const next = await dial(smtpd)
    assert.equal(await say(next, 'NOOP\r\n', '250'), '250 2.0.0 Ok\r\n')
    next.destroy()
  }
  assert.ok(log.texts().includes('disconnect from localhost[127.0.0.1] starttls=0/1 commands=0/1'))
  const lines = log.texts().filter((text) => /SSL|TLS library/.test(text))
  assert.equal(lines.length, 3, lines.join('\n'))
  assert.ok(lines.includes('SSL_accept error from localhost[127.0.0.1]: -1'))
  assert.ok(lines.some((line) => /^warning: TLS library problem: error:[0-9A-F]+:SSL routines:/.test(line)))
  assert.ok(lines.includes('SSL_accept error from localhost[127.0.0.1]: lost connection'))
})

test('smtpd gives the place of a client back, also after STARTTLS', async () => {
  using _ = captureLog()
  using spool = testSpool({ ...DIALOG_VALUES, ...TLS, posthorn_dns_servers: '127.0.0.1:1' })
  const before = process.cwd()
  process.chdir(spool.path)
  try {
    await using service = await startWorker(setupSmtpd, { config: spool.config, clientLimit: 1, name: 'smtp' })
    for (let i = 0; i < 3; i++) {
      const plain = await dial(service)
      await say(plain, 'STARTTLS\r\n', '220')
      const socket = await secure(plain)
      await say(socket, 'QUIT\r\n', '221')
      socket.destroy()
    }
    const last = await dial(service)
    last.destroy()
  } finally {
    process.chdir(before)
  }
})

test('smtpd logs users of the password file in, and nobody else', async () => {
  using _ = captureLog()
  writeFileSync(join(folder, 'users'), `bob@example.org:${sha512Hash('secret')}\n`)
  const values = {
    smtpd_sasl_auth_enable: 'yes', smtpd_sasl_type: 'posthorn', smtpd_sasl_password_file: join(folder, 'users'),
    smtpd_sasl_local_domain: 'example.org', smtpd_relay_restrictions: 'permit_sasl_authenticated, reject_unauth_destination',
  }
  await using smtpd = await startSmtpd({ values })
  const attempts = [
    ['\0bob\0secret', '235'], ['\0bob@example.org\0secret', '235'], ['bob\0bob\0secret', '235'], [
      'eve\0bob\0secret', '535',
    ],
    ['\0bob\0wrong', '535'], ['\0eve\0secret', '535'], ['bob\0secret', '535'], ['\0\0', '535'], ['', '535'],
  ] as const
  for (const [text, code] of attempts) {
    const socket = await dial(smtpd)
    assert.match(
      await say(socket, `AUTH PLAIN ${text === '' ? '=' : base64(text)}\r\n`, code),
      new RegExp(`^${code} `),
      JSON.stringify(text),
    )
    const relay = code === '235' ? '250' : '554'
    await say(socket, 'MAIL FROM:<a@example.net>\r\n', '250')
    assert.match(await say(socket, 'RCPT TO:<x@elsewhere.example>\r\n', relay), new RegExp(`^${relay} `))
    socket.destroy()
  }
})

test('smtpd answers all commands of a client that has closed its side', async () => {
  using log = captureLog()
  {
    await using smtpd = await startSmtpd()
    const socket = connect({ port: smtpd.port, host: '127.0.0.1', allowHalfOpen: true })
    await receive(socket, lastLine('220'))
    await say(socket, 'EHLO x\r\n', '250')
    socket.end('MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n')
    assert.match(await receive(socket, () => false), /^250 2\.1\.0 Ok\r\n250 2\.1\.5 Ok\r\n354 [^\n]*\n$/)
  }
  assert.ok(
    log.texts().some((text) => /: lost connection after DATA \(0 bytes\) from localhost/.test(text)),
    log.texts().join('\n'),
  )
})

test('smtpd stops reading a client that does not read its replies', async () => {
  using _ = captureLog()
  await using smtpd = await startSmtpd({ values: { smtpd_forbid_unauth_pipelining: 'no' } })
  const socket = await dial(smtpd)
  await say(socket, 'EHLO x\r\n', '250')
  const flood = Buffer.from('HELP\r\n'.repeat(100_000))
  let sent = 0
  // HELP is answered with 17 times as many bytes; unread, they must not pile up in memory without end.
  const before = process.memoryUsage().rss
  while (sent < 60 && socket.write(flood)) sent++
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(process.memoryUsage().rss - before < 256 * 1024 * 1024)
  socket.destroy()
})

test('smtpd refuses clients that come too often, and counts rates, with anvil', async () => {
  using log = captureLog()
  {
    await using anvil = await startWorker(setupAnvil, { type: 'unix' })
    const values = {
      smtpd_client_connection_count_limit: '2',
      smtpd_client_message_rate_limit: '1',
      smtpd_client_event_limit_exceptions: '',
    }
    await using smtpd = await startSmtpd({ values, anvilPath: anvil.path })
    const first = await dial(smtpd)
    const second = await dial(smtpd)
    const third = connect(smtpd.port, '127.0.0.1')
    assert.equal(
      await receive(third, () => false), '421 4.7.0 mail.example.org Error: too many connections from 127.0.0.1\r\n',
    )
    assert.match(await say(first, 'MAIL FROM:<a@example.net>\r\n', '250'), /^250/)
    assert.equal(
      await say(second, 'MAIL FROM:<a@example.net>\r\n', '450'), '450 4.7.1 Error: too much mail from 127.0.0.1\r\n',
    )
    for (const socket of [first, second, third]) socket.destroy()
  }
  assert.ok(log.texts().includes('warning: Connection concurrency limit exceeded: 3 from localhost[127.0.0.1] for service smtp'))
  assert.ok(log.texts().includes('warning: Message delivery request rate limit exceeded: 2 from localhost[127.0.0.1] for service smtp'))
})

test('smtpd takes the client from the header of a HAProxy', async () => {
  using log = captureLog()
  {
    await using smtpd = await startSmtpd({ values: { smtpd_upstream_proxy_protocol: 'haproxy', smtpd_relay_restrictions: 'permit_mynetworks, reject_unauth_destination' } })
    const socket = connect(smtpd.port, '127.0.0.1')
    socket.write('PROXY TCP4 192.0.2.7 192.0.2.1 41562 25\r\n')
    await receive(socket, lastLine('220'))
    await say(socket, 'EHLO x\r\n', '250')
    await say(socket, 'MAIL FROM:<a@example.net>\r\n', '250')
    // 192.0.2.0/24 is in mynetworks, 127.0.0.1 is not.
    assert.match(await say(socket, 'RCPT TO:<x@elsewhere.example>\r\n', '250'), /^250/)
    socket.destroy()
    const bad = connect(smtpd.port, '127.0.0.1')
    bad.write('EHLO x\r\n')
    assert.equal(await receive(bad, () => false), '421 4.3.0 mail.example.org Server local error\r\n')
  }
  assert.ok(log.texts().includes('connect from unknown[192.0.2.7]'))
  assert.ok(log.texts().includes('warning: haproxy read: unrecognized protocol header'))
})

test('smtpd refuses a client that talks before the greeting', async () => {
  using log = captureLog()
  {
    await using smtpd = await startSmtpd()
    const socket = connect(smtpd.port, '127.0.0.1')
    socket.write('EHLO x\r\nMAIL FROM:<a@example.net>\r\n')
    assert.equal(await receive(socket, () => false), '554 5.5.0 Error: SMTP protocol synchronization\r\n')
  }
  assert.deepEqual(log.texts(), [
    'connect from localhost[127.0.0.1]',
    String.raw`improper command pipelining after CONNECT from localhost[127.0.0.1]: EHLO x\r\nMAIL FROM:<a@example.net>\r\n`,
    'disconnect from localhost[127.0.0.1] commands=0/0',
  ])
})
