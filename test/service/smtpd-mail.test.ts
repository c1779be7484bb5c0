/** What our smtpd writes down of a session, what it leaves out on demand, and what policy services hear of it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { selfSignedCertificate } from '#network/certificate.ts'
import { queueBytes, recordTexts } from '#test/support/cleanup.ts'
import { startDovecot } from '#test/support/dovecot.ts'
import { captureLog } from '#test/support/log.ts'
import { tcpPort } from '#test/support/ports.ts'
import { startSmtpd, type TestSmtpd } from '#test/support/smtpd.ts'

const folder = mkdtempSync(join(tmpdir(), 'posthorn-smtpd-mail-'))
after(() => rmSync(folder, { recursive: true }))
const own = await selfSignedCertificate(['mail.example.org'])
writeFileSync(join(folder, 'cert.pem'), own.certificate)
writeFileSync(join(folder, 'key.pem'), own.key)

const TLS = {
  smtpd_tls_security_level: 'may', smtpd_tls_cert_file: 'none', smtpd_tls_eccert_file: join(folder, 'cert.pem'), smtpd_tls_eckey_file: join(folder, 'key.pem'),
}

/** The reply to `text`, to the end of its last line that starts with `code` and a space. */
async function say(socket: Socket, text: string, code: string): Promise<string> {
  socket.write(text)
  let reply = ''
  socket.setEncoding('latin1')
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    reply += String(chunk)
    if (/(?:^|\n)\d\d\d [^\n]*\n$/.test(reply)) break
  }
  assert.match(reply, new RegExp(`(^|\\n)${code} [^\\n]*\\n$`), text)
  return reply
}

async function dial({ port }: Pick<TestSmtpd, 'port'>): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await say(socket, '', '220')
  return socket
}

async function secure(smtpd: TestSmtpd, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const plain = await dial(smtpd)
  await say(plain, 'STARTTLS\r\n', '220')
  const socket = connectTls({ socket: plain, rejectUnauthorized: false, ...options })
  await once(socket, 'secureConnect')
  return socket
}

/** Sends one message; the records of its queue file. */
async function send(smtpd: TestSmtpd, socket: Socket, { mail = '', to = 'b@example.org', content = 'Subject: x\r\n\r\nx' } = {}): Promise<string[]> {
  await say(socket, 'EHLO c.example\r\n', '250')
  await say(socket, `MAIL FROM:<a@example.net>${mail}\r\n`, '250')
  await say(socket, `RCPT TO:<${to}>\r\n`, '250')
  await say(socket, 'DATA\r\n', '354')
  const reply = await say(socket, `${content}\r\n.\r\n`, '250')
  socket.destroy()
  return recordTexts(queueBytes(smtpd.spool.spool, 'incoming', /queued as (\w+)/.exec(reply)?.[1] ?? ''))
}

/** The lines of the first Received: header. */
function received(records: readonly string[]): string[] {
  const lines = records.filter((record) => record.startsWith('N ')).map((record) => record.slice(2))
  const start = lines.findIndex((line) => line.startsWith('Received:'))
  const end = lines.findIndex((line, i) => i > start && !line.startsWith('\t'))
  return lines.slice(start, end).map((line) => line.replace(/ id \w+$/, ' id QID').replace(/; .*$/, '; DATE'))
}

const by = (protocol: string) => [`\tby mail.example.org (Posthorn) with ${protocol} id QID`, '\tfor <b@example.org>; DATE']

test('Received: tells of TLS and logins as far as it may', async () => {
  using _ = captureLog()
  await using dovecot = await startDovecot()
  const login = { smtpd_sasl_auth_enable: 'yes', smtpd_sasl_type: 'dovecot', smtpd_sasl_path: dovecot.path }
  const start = 'Received: from c.example (localhost [127.0.0.1])'
  const tls = ['\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))', '\t(No client certificate requested)']
  const sender = '\t(Authenticated sender: bob)'
  const all = { smtpd_tls_received_header: 'yes', smtpd_sasl_authenticated_header: 'yes' }
  const cases = [
    [{}, false, [start, ...by('ESMTPS')]], [all, false, [start, ...tls, ...by('ESMTPS')]], [{}, true, [start, ...by('ESMTPSA')]],
    [all, true, [start, ...tls, sender, ...by('ESMTPSA')]],
    [{ ...all, smtpd_hide_client_session: 'yes' }, true, ['Received: by mail.example.org (Posthorn) id QID', '\tfor <b@example.org>; DATE']],
  ] as const
  for (const [values, authenticated, expected] of cases) {
    await using smtpd = await startSmtpd({ values: { ...TLS, ...login, ...values } })
    const socket = await secure(smtpd)
    if (authenticated) {
      await say(socket, 'EHLO c.example\r\n', '250')
      await say(socket, `AUTH PLAIN ${Buffer.from('\0bob\0secret').toString('base64')}\r\n`, '235')
    }
    assert.deepEqual(received(await send(smtpd, socket)), expected)
  }
})

test('MAIL takes REQUIRETLS inside TLS, and nowhere else [RFC 8689 §2]', async () => {
  using _ = captureLog()
  await using smtpd = await startSmtpd({ values: { ...TLS, requiretls_enable: 'yes' } })
  const socket = await secure(smtpd)
  assert.match(await say(socket, 'EHLO c.example\r\n', '250'), /REQUIRETLS/)
  const records = await send(smtpd, socket, { mail: ' REQUIRETLS SMTPUTF8' })
  // The options to send with, the last number of the size record: 32 is REQUIRETLS.
  assert.equal(Number(/(\d+)$/.exec(records[0] ?? '')?.[1]) & 32, 32)
  // RFC 6531 §4.3: the name of the protocol.
  assert.match(received(records)[1] ?? '', / with UTF8SMTPS id QID$/)
  const plain = await dial(smtpd)
  assert.doesNotMatch(await say(plain, 'EHLO c.example\r\n', '250'), /REQUIRETLS/)
  assert.match(await say(plain, 'MAIL FROM:<a@example.net> REQUIRETLS\r\n', '5\\d\\d'), /^5/)
  plain.destroy()
})

test('smtpd_tls_protocols and ciphers count at may, the mandatory ones at encrypt', async () => {
  using _ = captureLog()
  const values = {
    ...TLS, smtpd_tls_protocols: '<=TLSv1.2', smtpd_tls_mandatory_protocols: '>=TLSv1.3', smtpd_tls_exclude_ciphers: 'AES256, CHACHA20, ARIA, CAMELLIA, AESCCM',
    smtpd_tls_ciphers: 'high',
  }
  {
    await using smtpd = await startSmtpd({ values })
    const socket = await secure(smtpd)
    assert.deepEqual([socket.getProtocol(), socket.getCipher().name], ['TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256'])
    socket.destroy()
    await assert.rejects(secure(smtpd, { minVersion: 'TLSv1.3' }))
    await assert.rejects(secure(smtpd, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' }))
  }
  await using strict = await startSmtpd({ values: { ...values, smtpd_tls_security_level: 'encrypt' } })
  const socket = await secure(strict)
  assert.equal(socket.getProtocol(), 'TLSv1.3')
  socket.destroy()
  await assert.rejects(secure(strict, { maxVersion: 'TLSv1.2' }))
})

test('receive_override_options leave recipients, addresses and headers as they are', async () => {
  using _ = captureLog()
  const values = {
    local_recipient_maps: 'inline:{ { b@example.org = x } }', virtual_alias_maps: 'inline:{ { c@example.org = d@example.net } }',
    recipient_bcc_maps: 'static:copy@example.net', header_checks: 'regexp:{ { /^X-Bad:/ REJECT } }',
  }
  const letter = { to: 'c@example.org', content: 'X-Bad: y\r\n\r\nx' }
  {
    await using smtpd = await startSmtpd({ values })
    const socket = await dial(smtpd)
    await say(socket, 'MAIL FROM:<a@example.net>\r\n', '250')
    await say(socket, 'RCPT TO:<unknown@example.org>\r\n', '550')
    await say(socket, 'RCPT TO:<c@example.org>\r\n', '250')
    await say(socket, 'DATA\r\n', '354')
    await say(socket, `${letter.content}\r\n.\r\n`, '550')
    socket.destroy()
  }
  {
    await using smtpd = await startSmtpd({ values: { smtpd_milters: 'inet:127.0.0.1:1' } })
    const socket = connect(smtpd.port, '127.0.0.1')
    // A filter that cannot be asked: nothing is taken.
    await say(socket, '', '421')
    socket.destroy()
  }
  const overrides = 'no_unknown_recipient_checks, no_address_mappings, no_header_body_checks, no_milters'
  await using smtpd = await startSmtpd({ values: { ...values, receive_override_options: overrides, smtpd_milters: 'inet:127.0.0.1:1' } })
  const records = await send(smtpd, await dial(smtpd), letter)
  assert.deepEqual(records.filter((record) => record.startsWith('R ')), ['R c@example.org'])
  assert.ok(records.includes('N X-Bad: y'))
  assert.match((await send(smtpd, await dial(smtpd), { to: 'unknown@example.org' })).find((record) => record.startsWith('R ')) ?? '', /unknown@/)
})

test('FILTER of tables and header checks is in the queue file, also without a destination', async () => {
  using _ = captureLog()
  const cases = [
    [{ smtpd_recipient_restrictions: 'check_recipient_access inline:{ { b@example.org = FILTER scan:[127.0.0.1]:10025 } }' }, 'L scan:[127.0.0.1]:10025'],
    [{ smtpd_recipient_restrictions: 'check_recipient_access inline:{ { b@example.org = FILTER scan: } }' }, 'L scan:'],
    [{ header_checks: 'regexp:{ { /^Subject:/ FILTER scan: } }' }, 'L scan:'],
  ] as const
  for (const [values, expected] of cases) {
    await using smtpd = await startSmtpd({ values })
    const records = await send(smtpd, await dial(smtpd))
    assert.ok(records.includes(expected), records.join('\n'))
  }
})

test('errors above smtpd_soft_error_limit are answered like those below, up to the hard limit', async () => {
  using log = captureLog()
  {
    await using smtpd = await startSmtpd({ values: { smtpd_error_sleep_time: '0', smtpd_soft_error_limit: '1', smtpd_hard_error_limit: '4' } })
    const socket = await dial(smtpd)
    for (let i = 0; i < 3; i++) await say(socket, 'RCPT TO:<b@example.org>\r\n', '503')
    await say(socket, 'RCPT TO:<b@example.org>\r\n', '421')
    socket.destroy()
  }
  assert.ok(log.texts().some((text) => text === 'NOQUEUE: too many errors after RCPT from localhost[127.0.0.1]'), log.texts().join('\n'))
})

test('policy services hear of each stage: CONNECT, EHLO, MAIL, RCPT, DATA, END-OF-MESSAGE, ETRN, VRFY', async () => {
  using _ = captureLog()
  const requests: Map<string, string>[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let held = ''
    socket.on('data', (chunk: Buffer) => {
      held += chunk.toString()
      for (let end = held.indexOf('\n\n'); end >= 0; end = held.indexOf('\n\n')) {
        requests.push(new Map(held.slice(0, end).split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])))
        held = held.slice(end + 2)
        socket.write('action=DUNNO\n\n')
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const ask = `check_policy_service inet:127.0.0.1:${tcpPort(server)}`
  const lists = ['client', 'helo', 'sender', 'recipient', 'data', 'end_of_data', 'etrn'].map((name) => [`smtpd_${name}_restrictions`, ask])
  {
    await using smtpd = await startSmtpd({ values: { ...Object.fromEntries(lists), smtpd_delay_reject: 'no', fast_flush_domains: 'example.org' } })
    const socket = await dial(smtpd)
    await say(socket, 'HELO c.example\r\n', '250')
    await say(socket, 'EHLO c.example\r\n', '250')
    await say(socket, 'ETRN example.org\r\n', '\\d\\d\\d')
    await say(socket, 'VRFY b@example.org\r\n', '252')
    await send(smtpd, socket, { content: 'Subject: x\r\n\r\nxyz' })
  }
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  const shown = requests.map((request) => ['protocol_state', 'helo_name', 'sender', 'recipient', 'recipient_count', 'etrn_domain'].map((name) => request.get(name) ?? '?').join(' '))
  assert.deepEqual([...new Set(shown)], [
    'CONNECT    0 ', 'HELO c.example   0 ', 'EHLO c.example   0 ', 'ETRN c.example   0 example.org', 'VRFY c.example  b@example.org 0 ',
    'MAIL c.example a@example.net  0 ', 'RCPT c.example a@example.net b@example.org 0 ', 'DATA c.example a@example.net b@example.org 1 ',
    'END-OF-MESSAGE c.example a@example.net b@example.org 1 ',
  ])
  const last = requests.at(-1)
  assert.ok(Number(last?.get('size')) > 0)
  assert.match(last?.get('queue_id') ?? '', /^[0-9A-F]+$/)
  const ofMessage = requests.filter((request) => /^(?:RCPT|DATA|END)/.test(request.get('protocol_state') ?? ''))
  assert.equal(new Set(ofMessage.map((request) => request.get('instance'))).size, 1)
})
