/** Sessions with servers of all kinds: see src/deliver/smtp/. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { SMTPServer } from 'smtp-server'
import { openTestClient, type TestClientOptions, type TestMessage } from '#test/support/delivery.ts'
import { fakeResolver } from '#test/support/dns.ts'
import { answering, startPeer, type Peer, type Replies, type Transcript } from '#test/support/smtp-peer.ts'

const SENT = 'dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4X9)'

/** Delivers one message to a server with fixed replies. */
async function deliverTo(replies: Replies, message: TestMessage = {}, options: TestClientOptions = {}) {
  const transcript: Transcript = { commands: [], messages: [] }
  await using server = await startPeer(answering(replies, transcript))
  await using client = openTestClient(options)
  const delivery = await client.deliver(`[127.0.0.1]:${server.port}`, message)
  return { ...delivery, ...transcript }
}

/** A key and a certificate for mx.example. */
function certificate(): { key: string; cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-cert-'))
  const file = (name: string): string => join(directory, name)
  try {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
      '-subj', '/CN=mx.example', '-addext', 'subjectAltName=DNS:mx.example', '-keyout', file('key'), '-out', file('cert')], { stdio: 'ignore' })
    return { key: readFileSync(file('key'), 'utf8'), cert: readFileSync(file('cert'), 'utf8') }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('MAIL and RCPT carry what the server understands, in the order of Postfix', async () => {
  const message: TestMessage = {
    recipients: [{ address: 'a b@mx.example', original: 'orig+x@mx.example', notify: 6 }, { address: 'c@mx.example', dsnOrcpt: 'rfc822;old@there', notify: 1 }],
    request: { encoding: '8bit', envelopeId: 'env+1', retFlags: 2, sendOptions: 1, contentLength: 4711 },
  }
  const { commands } = await deliverTo({ capabilities: ['PIPELINING', 'SIZE 100000', '8BITMIME', 'DSN', 'SMTPUTF8'] }, message)
  assert.deepEqual(commands.slice(1, 4), [
    'MAIL FROM:<sender@client.example> SIZE=4711 BODY=8BITMIME ENVID=env+2B1 RET=HDRS SMTPUTF8',
    'RCPT TO:<"a b"@mx.example> ORCPT=rfc822;orig+2Bx@mx.example NOTIFY=SUCCESS,FAILURE',
    'RCPT TO:<c@mx.example> ORCPT=rfc822;old@there NOTIFY=NEVER',
  ])
  const plain = await deliverTo({ ehlo: '250 mx.example' }, { ...message, request: { ...message.request, encoding: '7bit' } })
  assert.deepEqual(plain.commands.slice(1, 4), ['MAIL FROM:<sender@client.example>', 'RCPT TO:<"a b"@mx.example>', 'RCPT TO:<c@mx.example>'])
})

test('PIPELINING sends the envelope in one go, and its absence does not', async () => {
  for (const pipelining of [true, false]) {
    const seen: string[] = []
    const script = async (peer: Peer): Promise<void> => {
      peer.say('220 mx.example ESMTP')
      await peer.line()
      peer.say(...(pipelining ? ['250-mx.example', '250 PIPELINING'] : ['250 mx.example']))
      await peer.line()
      seen.push(peer.waiting)
      peer.close()
    }
    await using server = await startPeer(script)
    await using client = openTestClient()
    await client.deliver(`[127.0.0.1]:${server.port}`)
    assert.deepEqual(seen, [pipelining ? 'RCPT TO:<r@mx.example>\r\nDATA\r\n' : ''])
  }
})

test('PIPELINING waits for replies after 4096 bytes of commands', async () => {
  const recipients = Array.from({ length: 200 }, (_, i) => `recipient-number-${i}@mx.example`)
  const { log, commands } = await deliverTo({ capabilities: ['PIPELINING'] }, { recipients })
  assert.equal(commands.length, 1 + 1 + 200 + 1 + 1)
  assert.equal(log.filter((line) => line.includes(SENT)).length, 200)
})

test('content is stuffed, ended and broken as RFC 5321 asks', async () => {
  const long = 'x'.repeat(2000)
  const { messages, log } = await deliverTo({}, { content: ['', '.', '..a', { text: 'half ', more: true }, 'line', long, { text: '.end', more: true }] })
  const broken = `${'x'.repeat(998)}\r\n ${'x'.repeat(997)}\r\n ${'x'.repeat(5)}\r\n`
  assert.deepEqual(messages, [`\r\n..\r\n...a\r\nhalf line\r\n${broken}..end\r\n`])
  assert.ok(log.includes('4X1: breaking line > 998 bytes with <CR><LF>SPACE'))
})

test('content for a server without 8BITMIME becomes quoted-printable', async () => {
  const message: TestMessage = {
    content: ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit', '', 'caf\u00c3\u00a9 = x', '.'],
    request: { encoding: '8bit' },
  }
  const { messages, commands } = await deliverTo({ capabilities: ['SIZE'] }, message)
  assert.equal(commands[1], 'MAIL FROM:<sender@client.example>')
  assert.deepEqual(messages, ['Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9 =3D x\r\n..\r\n'])
  const kept = await deliverTo({ capabilities: ['8BITMIME'] }, message)
  assert.deepEqual(kept.messages, ['Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ncaf\u00c3\u00a9 = x\r\n..\r\n'])
})

test('smtp_generic_maps changes envelope and headers', async () => {
  const parameters = {
    smtp_generic_maps: 'inline:{sender@client.example=public@example.com, r@mx.example=r2@mx.example}', mydestination: '', append_dot_mydomain: 'no',
  }
  const { messages, commands } = await deliverTo({}, { content: ['From: Me <sender@client.example>', 'To: other@x.example', 'Subject: hi', '', 'From: sender@client.example'] }, { parameters })
  assert.deepEqual(commands.slice(1, 3), ['MAIL FROM:<public@example.com>', 'RCPT TO:<r2@mx.example>'])
  assert.deepEqual(messages, ['From: Me <public@example.com>\r\nTo: other@x.example\r\nSubject: hi\r\n\r\nFrom: sender@client.example\r\n'])
})

test('smtp_header_checks and smtp_body_checks act and say so', async () => {
  const parameters = {
    smtp_header_checks: 'regexp:{{/^X-Secret: 1/ IGNORE}, {/^X-Tag: 2/ REPLACE X-New: 3}, {/^Subject: hi/ WARN look}}',
    smtp_body_checks: 'regexp:{{/^bad line/ STRIP gone}}',
  }
  const content = ['X-Secret: 1', 'X-Tag: 2', 'Subject: hi', '', 'bad line', 'good line']
  const { messages, log } = await deliverTo({}, { content }, { parameters })
  assert.deepEqual(messages, ['X-New: 3\r\nSubject: hi\r\n\r\ngood line\r\n'])
  assert.deepEqual(log.slice(0, 3), ['4X1: replace: header X-Tag: 2: X-New: 3', '4X1: warning: header Subject: hi: look', '4X1: strip: body bad line: gone'])
})

test('flags=DOR put headers in front', async () => {
  const { messages } = await deliverTo({}, { content: ['Subject: x', '', 'y'], recipients: [{ address: 'r@mx.example', original: 'o@mx.example' }] }, { flags: 'DRO' })
  assert.deepEqual(messages, ['Return-Path: <sender@client.example>\r\nX-Original-To: o@mx.example\r\nDelivered-To: r@mx.example\r\nSubject: x\r\n\r\ny\r\n'])
})

test('XFORWARD tells where the mail came from, to servers that want to know', async () => {
  const request = { clientName: 'host.example', clientAddress: '192.0.2.7', clientPort: 'unknown', protocolName: 'ESMTP', heloName: 'he lo', logIdent: '4X1' }
  const { commands } = await deliverTo({ capabilities: ['XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE'] }, { request }, { parameters: { smtp_send_xforward_command: 'yes' } })
  assert.deepEqual(commands.slice(1, 3), ['XFORWARD NAME=host.example ADDR=192.0.2.7', 'XFORWARD PROTO=ESMTP HELO=he+20lo IDENT=4X1 SOURCE=LOCAL'])
})

test('an address probe ends after RCPT and delivers nothing', async () => {
  const flags = { trace: false, verify: true, userVerify: false, connLoad: false, connStore: false }
  const { log, commands, done } = await deliverTo({ rcpt: '250 2.1.5 fine' }, { request: { flags } })
  assert.deepEqual(commands.slice(1), ['MAIL FROM:<sender@client.example>', 'RCPT TO:<r@mx.example>', 'RSET', 'QUIT'])
  assert.match(log[0] ?? '', /dsn=2\.1\.5, status=deliverable \(250 2\.1\.5 fine\)/)
  assert.deepEqual(done, ['r@mx.example'])
})

test('connections are kept and used again as the queue manager asks', async () => {
  const transcript: Transcript = { commands: [], messages: [] }
  await using server = await startPeer(answering({ capabilities: ['PIPELINING'] }, transcript))
  await using client = openTestClient()
  const nexthop = `[127.0.0.1]:${server.port}`
  const flags = { trace: false, verify: false, userVerify: false, connLoad: true, connStore: true }
  const logs: string[] = []
  for (let i = 0; i < 3; i++) logs.push(...(await client.deliver(nexthop, { request: { flags } })).log)
  assert.equal(server.connections, 1)
  assert.equal(client.waiting, 1)
  assert.deepEqual(logs.map((line) => /relay=\S+ (conn_use=\d+)?/.exec(line)?.[1]), [undefined, 'conn_use=2', 'conn_use=3'])
  logs.push(...(await client.deliver(nexthop, { request: { flags: { ...flags, connStore: false } } })).log)
  assert.equal(client.waiting, 0)
  assert.match(logs[3] ?? '', /conn_use=4/)
  assert.deepEqual(transcript.commands.filter((line) => line === 'QUIT').length, 1)
})

test('a connection that died while it waited is replaced without a word', async () => {
  const transcript: Transcript = { commands: [], messages: [] }
  const good = answering({ capabilities: ['PIPELINING'] }, transcript)
  await using server = await startPeer(async (peer, connection) => {
    if (connection > 0) return good(peer)
    peer.say('220 mx.example ESMTP')
    await peer.line()
    peer.say('250-mx.example', '250 PIPELINING')
    for (let i = 0; i < 3; i++) await peer.line()
    peer.say('250 ok', '250 ok', '354 go')
    await peer.data()
    peer.say('250 2.0.0 first')
    await peer.line()
    peer.say('421 4.4.2 idle too long')
    peer.close()
  })
  await using client = openTestClient()
  const flags = { trace: false, verify: false, userVerify: false, connLoad: true, connStore: true }
  const nexthop = `[127.0.0.1]:${server.port}`
  await client.deliver(nexthop, { request: { flags } })
  const { log } = await client.deliver(nexthop, { request: { flags } })
  assert.deepEqual(log.length, 1)
  assert.match(log[0] ?? '', /status=sent \(250 2\.0\.0 Ok: queued as 4X9\)/)
  assert.equal(server.connections, 2)
})

test('temporary refusals go on to the next server, and the last one decides', async () => {
  await using first = await startPeer(answering({ rcpt: '450 4.2.0 first busy' }))
  await using second = await startPeer(answering({}), undefined, '127.0.0.2')
  await using client = openTestClient({
    parameters: { smtp_randomize_addresses: 'no', inet_protocols: 'ipv4' },
    resolver: fakeResolver({ 'mx.example': { a: ['127.0.0.1'] } }),
  })
  const { log } = await client.deliver(`[127.0.0.1]:${first.port}, [127.0.0.2]:${second.port}`)
  assert.equal(log[0], '4X1: host 127.0.0.1[127.0.0.1] said: 450 4.2.0 first busy (in reply to RCPT TO command)')
  assert.match(log[1] ?? '', /relay=127\.0\.0\.2\[127\.0\.0\.2\]:\d+, .*status=sent/)
})

test('MX hosts are tried by preference, and a refused connection leads to the next', async () => {
  await using good = await startPeer(answering({}), undefined, '127.0.0.3')
  const resolver = fakeResolver({
    'dest.example': { mx: [[20, 'two.example'], [10, 'one.example'], [5, 'gone.example']] },
    'one.example': { a: ['127.0.0.2'] }, 'two.example': { a: ['127.0.0.3'] },
  })
  await using client = openTestClient({ parameters: { inet_protocols: 'ipv4', smtp_tcp_port: String(good.port) }, resolver })
  const { log } = await client.deliver('dest.example')
  assert.deepEqual(log, [
    `connect to one.example[127.0.0.2]:${good.port}: Connection refused`,
    `4X1: to=<r@mx.example>, relay=two.example[127.0.0.3]:${good.port}, DELAYS, tls=none, ${SENT}`,
  ])
})

test('LMTP takes one reply per recipient, and speaks over a socket', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-lmtp-'))
  const path = join(directory, 'socket')
  const transcript: Transcript = { commands: [], messages: [] }
  const dot = ['250 2.1.5 a ok', '450 4.2.2 b full', '550 5.2.1 c gone']
  await using server = await startPeer(answering({ capabilities: ['PIPELINING'], dot }, transcript), path)
  await using client = openTestClient({ lmtp: true })
  const { log, done } = await client.deliver(`unix:${path}`, { recipients: ['a@x', 'b@x', 'c@x'] })
  rmSync(directory, { recursive: true })
  assert.equal(server.connections, 1)
  assert.equal(transcript.commands[0], 'LHLO client.example')
  const relay = `client.example[${path}]`
  assert.deepEqual(log.map((line) => line.replace(/, DELAYS, tls=\w+/, '')).toSorted(), [
    `4X1: to=<a@x>, relay=${relay}, dsn=2.1.5, status=sent (250 2.1.5 a ok)`,
    `4X1: to=<b@x>, relay=${relay}, dsn=4.2.2, status=deferred (host ${relay} said: 450 4.2.2 b full (in reply to end of DATA command))`,
    `4X1: to=<c@x>, relay=${relay}, dsn=5.2.1, status=bounced (host ${relay} said: 550 5.2.1 c gone (in reply to end of DATA command))`,
  ])
  assert.deepEqual(done, ['a@x', 'c@x'])
})

test('TLS is used where it is offered, demanded where the policy says so, and checked', async () => {
  const { key, cert } = certificate()
  const messages: string[] = []
  const resumed: boolean[] = []
  const server = new SMTPServer({
    onSecure: (socket, _session, done) => {
      resumed.push(socket instanceof TLSSocket && socket.isSessionReused())
      done()
    },
    key, cert, authOptional: true, disabledCommands: ['AUTH'],
    onData: (stream, session, done) => {
      stream.resume()
      stream.on('end', () => {
        messages.push(session.secure ? 'secure' : 'clear')
        done(null, 'queued')
      })
    },
  })
  const listener = server.listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  const address = listener.address()
  const nexthop = `[127.0.0.1]:${typeof address === 'object' ? address?.port : 0}`
  try {
    const cases = [
      ['none', {}, 'clear', 'tls=none, dsn=2.0.0, status=sent'], ['may', {}, 'secure', 'tls=may, dsn=2.0.0, status=sent'],
      ['encrypt', {}, 'secure', 'tls=encrypt, dsn=2.0.0, status=sent'],
      ['verify', {}, undefined, 'tls=!verify, dsn=4.7.5, status=deferred (Server certificate not verified)'],
      ['dane', {}, 'secure', 'tls=may, dsn=2.0.0, status=sent'],
      ['fingerprint', {}, undefined, 'tls=unknown?, dsn=4.7.5, status=deferred (client TLS configuration problem)'],
    ] as const
    for (const [level, more, security, expected] of cases) {
      await using client = openTestClient({ parameters: { smtp_tls_security_level: level, ...more } })
      messages.length = 0
      const { log } = await client.deliver(nexthop)
      assert.ok(log.some((line) => line.includes(expected)), `${level}: ${log.join(' | ')}`)
      assert.equal(messages[0], security)
    }
    await using client = openTestClient({ parameters: { smtp_tls_security_level: 'may', smtp_tls_session_cache_database: 'btree:/x' } })
    resumed.length = 0
    for (let i = 0; i < 2; i++) await client.deliver(nexthop)
    assert.deepEqual(resumed, [false, true])
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  const without = await deliverTo({}, {}, { parameters: { smtp_tls_security_level: 'encrypt' } })
  assert.match(without.log[0] ?? '', /tls=!encrypt, dsn=4\.7\.4, status=deferred \(TLS is required, but was not offered by host 127\.0\.0\.1\[127\.0\.0\.1\]\)/)
  const fallback = await deliverTo({}, {}, { parameters: { smtp_tls_security_level: 'may' } })
  assert.match(fallback.log[0] ?? '', /tls=may:none, dsn=2\.0\.0, status=sent/)
})

test('AUTH logs in with the password of the server, and a refusal defers', async () => {
  const asked: string[] = []
  const script = (answer: string) => async (peer: Peer): Promise<void> => {
    peer.say('220 mx.example ESMTP')
    await peer.line()
    peer.say('250-mx.example', '250 AUTH PLAIN LOGIN')
    asked.push(await peer.line() ?? '')
    peer.say(answer)
    await answering({ greeting: '' })(peer)
  }
  const parameters = {
    smtp_sasl_auth_enable: 'yes', smtp_sasl_password_maps: 'inline:{{127.0.0.1 = user:pass:word}}', smtp_sasl_security_options: 'noanonymous',
  }
  await using refusing = await startPeer(script('535 5.7.8 bad password'))
  await using client = openTestClient({ parameters })
  const { log } = await client.deliver(`[127.0.0.1]:${refusing.port}`)
  assert.equal(asked[0], `AUTH PLAIN ${Buffer.from('\0user\0pass:word').toString('base64')}`)
  assert.match(log[0] ?? '', /dsn=4\.7\.8, status=deferred \(SASL authentication failed; server 127\.0\.0\.1\[127\.0\.0\.1\] said: 535 5\.7\.8 bad password\)/)
  const strict = await deliverTo({ capabilities: ['AUTH PLAIN'] }, {}, { parameters: { ...parameters, smtp_sasl_security_options: 'noplaintext' } })
  assert.match(strict.log[0] ?? '', /dsn=4\.7\.0, status=deferred \(SASL authentication failed: server 127\.0\.0\.1\[127\.0\.0\.1\] offered no compatible authentication mechanisms for this type of connection security\)/)
})

/** The end of a reason about our own TLS level. */
function disabledBy(name: string, what: string): string {
  return `my configured TLS security level '${name}' disables ${what}. The last attempted server was 127.0.0.1)`
}

test('REQUIRETLS is honoured or the mail does not go there [RFC 8689]', async () => {
  const request = { sendOptions: 32 }
  const notOffered = 'TLS service was not offered by host 127.0.0.1[127.0.0.1])'
  // The ends that the real client gives to the same mail.
  const cases = [
    ['none', 'enforce', 'tls=none?/!requiretls:nocertmatch, dsn=5.7.10', disabledBy('none', 'certificate matching')],
    ['none', 'opportunistic+starttls', 'tls=none?/!requiretls:noencryption, dsn=5.7.10', disabledBy('none', 'encryption')],
    ['may', 'enforce', 'tls=may?/!requiretls:nocertmatch, dsn=5.7.10', disabledBy('may', 'certificate matching')],
    ['may', 'opportunistic+starttls', 'tls=may?/!requiretls:nostarttls, dsn=5.7.30', notOffered],
    ['encrypt', 'opportunistic+starttls', 'tls=!encrypt/!requiretls:nostarttls, dsn=5.7.30', notOffered],
    ['verify', 'enforce', 'tls=!verify/!requiretls:nostarttls, dsn=5.7.30', notOffered],
  ] as const
  for (const [tlsLevel, policy, expected, why] of cases) {
    const { log, commands } = await deliverTo({}, { request }, { parameters: { smtp_tls_security_level: tlsLevel, smtp_requiretls_policy: policy } })
    const line = log.at(-1) ?? ''
    assert.ok(line.includes(expected) && line.endsWith(`status=bounced (Sender requested REQUIRETLS, but ${why}`), line)
    assert.ok(!commands.some((command) => command.startsWith('MAIL')))
  }
  const relaxed = await deliverTo({}, { request }, { parameters: { smtp_requiretls_policy: 'inline:{{127.0.0.1=opportunistic}}, enforce' } })
  assert.ok(relaxed.log.some((line) => line.includes('tls=none/requiretls:none, dsn=2.0.0, status=sent')), relaxed.log.join('\n'))
})

test('a temporary refusal of a whole server is not final while another is left', async () => {
  await using first = await startPeer(answering({ greeting: '421 4.3.2 closed' }))
  await using second = await startPeer(answering({ mail: '550 5.7.1 never' }), undefined, '127.0.0.2')
  await using client = openTestClient()
  const { log, reply } = await client.deliver(`[127.0.0.1]:${first.port} [127.0.0.2]:${second.port}`)
  assert.equal(log[0], '4X1: host 127.0.0.1[127.0.0.1] refused to talk to me: 421 4.3.2 closed')
  assert.match(log[1] ?? '', /status=bounced \(host 127\.0\.0\.2\[127\.0\.0\.2\] said: 550 5\.7\.1 never/)
  assert.equal(reply.hop, undefined)
})

test('servers of the fallback relay take what the others do not', async () => {
  await using relay = await startPeer(answering({}), undefined, '127.0.0.2')
  await using client = openTestClient({ parameters: { smtp_fallback_relay: `[127.0.0.2]:${relay.port}`, inet_protocols: 'ipv4' } })
  const { log } = await client.deliver('absent.example')
  assert.equal(log.length, 1)
  assert.match(log[0] ?? '', /relay=127\.0\.0\.2\[127\.0\.0\.2\]:\d+, .*status=sent/)
})

test('a masked greeting turns the workarounds for its firewalls on', async () => {
  const { commands, log } = await deliverTo({ greeting: '220 **********************2***0**' })
  assert.equal(commands[0], 'HELO client.example')
  assert.equal(log[0], '4X1: enabling PIX workarounds: disable_esmtp for 127.0.0.1[127.0.0.1]:PORT')
})

test('a server that talks nonsense between replies is understood all the same', async () => {
  await using server = await startPeer(async (peer) => {
    peer.say('220 mx.example ESMTP')
    for (const reply of ['250 mx.example', '*** noise', '250 ok', '354 go']) {
      await peer.line()
      if (reply.startsWith('*')) peer.say(reply, '250 ok')
      else peer.say(reply)
    }
    await peer.data()
    peer.say('250 2.0.0 done')
  })
  await using client = openTestClient()
  const { log } = await client.deliver(`[127.0.0.1]:${server.port}`)
  assert.match(log[0] ?? '', /status=sent \(250 2\.0\.0 done\)/)
})
