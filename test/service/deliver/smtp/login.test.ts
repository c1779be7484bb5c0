/** Logins, names and addresses of the client towards servers. */
import assert from 'node:assert/strict'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { openTestClient, type TestMessage } from '#test/support/delivery.ts'
import { fakeResolver } from '#test/support/dns.ts'
import { answering, startPeer, type Peer, type Transcript } from '#test/support/smtp-peer.ts'

const resolver = fakeResolver({ 'mx.example': { a: ['127.0.0.1'] }, 'example.com': { mx: [[10, 'mx.example']] } })

/** Takes any PLAIN, LOGIN or CRAM-MD5; writes down the commands of the login. */
function loginServer(mechanisms: string, asked: string[]): (peer: Peer) => Promise<void> {
  return async (peer) => {
    peer.say('220 mx.example ESMTP')
    await peer.line()
    peer.say('250-mx.example', `250 AUTH ${mechanisms}`)
    let line = await peer.line() ?? ''
    asked.push(line)
    if (line === 'AUTH LOGIN') {
      peer.say('334 VXNlcm5hbWU6')
      await peer.line()
      peer.say('334 UGFzc3dvcmQ6')
      await peer.line()
    } else if (line === 'AUTH CRAM-MD5') {
      peer.say(`334 ${Buffer.from('<1@mx.example>').toString('base64')}`)
      line = await peer.line() ?? ''
      asked.push(Buffer.from(line, 'base64').toString().split(' ')[0] ?? '')
    }
    await answering({ greeting: line.startsWith('MAIL') ? '250 2.1.0 Ok' : '235 2.7.0 Ok' })(peer)
  }
}

type LoginCase = { readonly mechanisms?: string; readonly parameters?: Readonly<Record<string, string>>; readonly message?: TestMessage }

/** The first command after EHLO, and the log. */
async function login(passwords: string, { mechanisms = 'PLAIN LOGIN CRAM-MD5', parameters = {}, message = {} }: LoginCase) {
  const asked: string[] = []
  await using server = await startPeer(loginServer(mechanisms, asked))
  await using client = openTestClient({ resolver, parameters: {
    smtp_sasl_auth_enable: 'yes', smtp_sasl_password_maps: `inline:{ ${passwords.replaceAll('PORT', String(server.port))} }`,
    smtp_sasl_security_options: 'noanonymous', ...parameters,
  } })
  const { log } = await client.deliver(`example.com:${server.port}`, message)
  return { asked, log }
}

const plain = (user: string): string => `AUTH PLAIN ${Buffer.from(`\0${user}\0p`).toString('base64')}`

test('passwords are found by sender, server and next hop, in this order', async () => {
  const all = '{ sender@client.example = s:p } { @client.example = d:p } { mx.example = h:p } { example.com:PORT = n:p }'
  const dependent = { smtp_sender_dependent_authentication: 'yes' }
  const cases = [
    [all, dependent, 's'], [all.replace(/^\S+ \S+ = s:p \}/, ''), dependent, 'd'], ['{ mx.example = h:p } { example.com:PORT = n:p }', dependent, 'h'],
    [all, {}, 'h'], ['{ example.com:PORT = n:p }', {}, 'n'],
  ] as const
  for (const [passwords, more, user] of cases) {
    const { asked, log } = await login(passwords, { mechanisms: 'PLAIN', parameters: more })
    assert.equal(asked[0], plain(user), passwords)
    assert.match(log.at(-1) ?? '', /status=sent/)
  }
  const none = await login('{ other.example = o:p }', {})
  assert.equal(none.asked[0]?.slice(0, 10), 'MAIL FROM:')
})

test('smtp_sender_dependent_authentication keeps the sessions of different senders apart', async () => {
  const asked: string[] = []
  await using server = await startPeer(loginServer('PLAIN', asked))
  await using client = openTestClient({ resolver, parameters: {
    smtp_sasl_auth_enable: 'yes', smtp_sasl_security_options: 'noanonymous', smtp_sender_dependent_authentication: 'yes',
    smtp_sasl_password_maps: 'inline:{ { a@x.example = a:p } { b@x.example = b:p } }',
  } })
  for (const sender of ['a@x.example', 'b@x.example']) {
    const flags = { trace: false, verify: false, userVerify: false, connLoad: true, connStore: true }
    await client.deliver(`example.com:${server.port}`, { request: { sender, flags } })
  }
  assert.deepEqual(asked, [plain('a'), plain('b')])
})

test('smtp_sasl_mechanism_filter and smtp_sasl_security_options choose the mechanism', async () => {
  const cases = [
    [{}, 'AUTH CRAM-MD5'], [{ smtp_sasl_mechanism_filter: 'plain, login' }, plain('u')], [{ smtp_sasl_mechanism_filter: '!cram-md5, static:rest' }, plain('u')],
    [{ smtp_sasl_mechanism_filter: 'login' }, 'AUTH LOGIN'], [{ smtp_sasl_security_options: 'noplaintext, noanonymous' }, 'AUTH CRAM-MD5'],
  ] as const
  for (const [parameters, command] of cases) {
    const { asked, log } = await login('{ mx.example = u:p }', { parameters })
    assert.equal(asked[0], command)
    assert.match(log.at(-1) ?? '', /status=sent/)
  }
  for (const parameters of [{ smtp_sasl_mechanism_filter: 'gssapi' }, { smtp_sasl_security_options: 'noplaintext' }]) {
    const { log } = await login('{ mx.example = u:p }', { mechanisms: 'PLAIN LOGIN', parameters })
    assert.match(log.at(-1) ?? '', /dsn=4\.7\.0, status=deferred \(SASL authentication failed: server mx\.example\[127\.0\.0\.1\] offered no compatible authentication mechanisms/)
  }
})

/** A server that writes down where its clients come from. */
async function addressServer(host: string): Promise<AsyncDisposable & { readonly port: number; readonly clients: string[] }> {
  const clients: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    clients.push(socket.remoteAddress ?? '')
    socket.end('421 4.3.2 not now\r\n')
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server
  const { port } = server.address() as AddressInfo
  return {
    port, clients,
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => void server.close(() => resolve()))
    },
  }
}

test('smtp_bind_address is where connections come from; one that is not here is a warning or an error', async () => {
  await using server = await addressServer('127.0.0.1')
  const cases = [
    [{ smtp_bind_address: '127.0.0.2' }, '127.0.0.2'], [{ smtp_bind_address: '192.0.2.99' }, '127.0.0.1'],
    [{ smtp_bind_address: '192.0.2.99', smtp_bind_address_enforce: 'yes' }, undefined], [{ smtp_bind_address6: '::1' }, '127.0.0.1'],
  ] as const
  for (const [parameters, source] of cases) {
    server.clients.length = 0
    await using client = openTestClient({ parameters })
    const { log } = await client.deliver(`[127.0.0.1]:${server.port}`)
    assert.equal(server.clients[0], source)
    const missing = 'smtp_bind_address' in parameters && parameters.smtp_bind_address === '192.0.2.99'
    assert.equal(log.some((line) => line.startsWith('warning: smtp_connect_addr: bind 192.0.2.99: ')), missing, log.join('\n'))
    if (source === undefined) assert.match(log.at(-1) ?? '', /dsn=4\.4\.0, status=deferred \(server configuration error\)/)
  }
})

test('inet_protocols says over which of its addresses a server is reached', async () => {
  const zone = fakeResolver({ 'mx.example': { a: ['127.0.0.1'], aaaa: ['::1'] } })
  await using server = await addressServer('::')
  for (const [protocols, expected] of [['ipv4', '::ffff:127.0.0.1'], ['ipv6', '::1']] as const) {
    server.clients.length = 0
    await using client = openTestClient({ parameters: { inet_protocols: protocols }, resolver: zone })
    await client.deliver(`[mx.example]:${server.port}`)
    assert.deepEqual([...new Set(server.clients)], [expected])
  }
  server.clients.length = 0
  await using client = openTestClient({ parameters: { inet_protocols: 'all' }, resolver: zone })
  await client.deliver(`[mx.example]:${server.port}`)
  assert.deepEqual(server.clients.toSorted(), ['::1', '::ffff:127.0.0.1'])
})

test('smtp_helo_name and lmtp_lhlo_name are what the client calls itself', async () => {
  for (const [lmtp, command] of [[false, 'EHLO out.example'], [true, 'LHLO in.example']] as const) {
    const transcript: Transcript = { commands: [], messages: [] }
    await using server = await startPeer(answering({}, transcript))
    await using client = openTestClient({ lmtp, parameters: { smtp_helo_name: 'out.example', lmtp_lhlo_name: 'in.example' } })
    await client.deliver(lmtp ? `inet:127.0.0.1:${server.port}` : `[127.0.0.1]:${server.port}`)
    assert.equal(transcript.commands[0], command)
  }
})
