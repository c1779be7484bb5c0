/** TLS towards servers: policies, certificates, protocols and what happens when it does not work. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSecureContext, TLSSocket, type SecureContextOptions } from 'node:tls'
import { selfSignedCertificate } from '#network/certificate.ts'
import { openTestClient, type TestClientOptions, type TestMessage } from '#test/support/delivery.ts'
import { fakeResolver } from '#test/support/dns.ts'
import { answering, startPeer, type Peer } from '#test/support/smtp-peer.ts'

const folder = mkdtempSync(join(tmpdir(), 'posthorn-tls-'))
after(() => rmSync(folder, { recursive: true }))
const own = await selfSignedCertificate(['mx.example'])
const other = await selfSignedCertificate(['other.example'])
const CA = join(folder, 'ca.pem')
const OTHER_CA = join(folder, 'other.pem')
const CA_FOLDER = join(folder, 'certs')
writeFileSync(CA, own.certificate)
writeFileSync(OTHER_CA, other.certificate)
mkdirSync(CA_FOLDER)
writeFileSync(join(CA_FOLDER, '0a1b2c3d.0'), own.certificate)

const resolver = fakeResolver({
  'mx.example': { a: ['127.0.0.1'] }, 'example.com': { mx: [[10, 'mx.example']] }, 'sub.example.com': { mx: [[10, 'mx.example']] },
})

/** What a server has seen of its clients. */
type Seen = { readonly protocols: string[]; readonly ciphers: string[]; readonly names: (string | false | null)[]; readonly commands: string[] }

/** A server with STARTTLS, or with TLS from the start. */
async function startTlsServer(options: SecureContextOptions = {}, wrapper = false): Promise<AsyncDisposable & { port: number; seen: Seen }> {
  const seen: Seen = { protocols: [], ciphers: [], names: [], commands: [] }
  const secureContext = createSecureContext({ key: own.key, cert: own.certificate, ...options })
  const sockets = new Set<Socket>()
  const server = createServer((plain) => {
    sockets.add(plain)
    plain.on('error', () => undefined)
    const talk = (socket: NodeJS.ReadWriteStream, greeting: boolean): void => {
      if (greeting) socket.write('220 mx.example ESMTP\r\n')
      let held = ''
      let content = false
      socket.on('data', (chunk: Buffer) => {
        held += chunk.toString('latin1')
        for (let end = held.indexOf('\r\n'); end >= 0; end = held.indexOf('\r\n')) {
          const line = held.slice(0, end)
          held = held.slice(end + 2)
          if (content) {
            content = line !== '.'
            if (!content) socket.write('250 2.0.0 Ok: queued as 4X9\r\n')
            continue
          }
          seen.commands.push(line)
          const verb = line.slice(0, 4).toUpperCase()
          content = verb === 'DATA'
          if (verb === 'STAR') {
            socket.removeAllListeners('data')
            socket.write('220 2.0.0 go ahead\r\n')
            secure()
          } else if (verb === 'EHLO') socket.write(socket === plain ? '250-mx.example\r\n250 STARTTLS\r\n' : '250 mx.example\r\n')
          else if (verb === 'QUIT') socket.end('221 2.0.0 Bye\r\n')
          else socket.write(content ? '354 go ahead\r\n' : '250 2.0.0 Ok\r\n')
        }
      })
    }
    const secure = (): void => {
      const socket = new TLSSocket(plain, { isServer: true, secureContext })
      socket.on('error', () => void plain.destroy())
      socket.on('secure', () => {
        seen.protocols.push(socket.getProtocol() ?? '')
        seen.ciphers.push(socket.getCipher().name)
        seen.names.push(socket.servername)
      })
      talk(socket, wrapper)
    }
    if (wrapper) secure()
    else talk(plain, true)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server
  const { port } = server.address() as AddressInfo
  return {
    port, seen,
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => void server.close(() => resolve()))
    },
  }
}

type Given = { readonly parameters: Readonly<Record<string, string>>; readonly server?: SecureContextOptions; readonly wrapper?: boolean }

/** Delivers one message to `host`; the log, and what the server has seen. */
async function deliver(host: string, { parameters, server = {}, wrapper = false }: Given, message: TestMessage = {}) {
  await using peer = await startTlsServer(server, wrapper)
  const values = Object.entries(parameters).map(([name, value]) => [name, value.replaceAll('PORT', String(peer.port))])
  const options: TestClientOptions = { parameters: Object.fromEntries(values), resolver }
  await using client = openTestClient(options)
  const { log } = await client.deliver(`${host}:${peer.port}`, message)
  return { log: log.map((line) => line.replaceAll(String(peer.port), 'PORT')), seen: peer.seen }
}

const SENT = 'dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4X9)'
const NOT_VERIFIED = 'dsn=4.7.5, status=deferred (Server certificate not verified)'
const MISCONFIGURED = 'dsn=4.7.5, status=deferred (client TLS configuration problem)'

function assertLine(log: readonly string[], ...parts: readonly string[]): void {
  for (const part of parts) assert.ok(log.some((line) => line.includes(part)), `${part}:\n${log.join('\n')}`)
}

test('the log says how far a certificate is believed: Untrusted, Trusted, Verified', async () => {
  const cases = [
    ['may', {}, 'Untrusted', `tls=may, ${SENT}`],
    ['may', { smtp_tls_CAfile: CA }, 'Trusted', `tls=may, ${SENT}`],
    ['encrypt', { smtp_tls_CApath: CA_FOLDER }, 'Trusted', `tls=encrypt, ${SENT}`],
    ['verify', { smtp_tls_CAfile: CA }, 'Verified', `tls=verify, ${SENT}`],
    ['verify', { smtp_tls_CApath: CA_FOLDER }, 'Verified', `tls=verify, ${SENT}`],
    ['verify', { smtp_tls_CAfile: OTHER_CA }, 'Untrusted', `tls=!verify, ${NOT_VERIFIED}`],
    ['secure', { smtp_tls_CAfile: CA }, 'Verified', `tls=secure, ${SENT}`],
  ] as const
  for (const [level, more, word, end] of cases) {
    const { log } = await deliver('[mx.example]', { parameters: { smtp_tls_security_level: level, smtp_tls_loglevel: '1', ...more } })
    assertLine(log, `${word} TLS connection established to mx.example[127.0.0.1]:PORT: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)`, end)
  }
})

test('names of the certificate: hostname, nexthop, dot-nexthop, names and patterns', async () => {
  const cases = [
    ['[mx.example]', 'verify match=hostname', true], ['[mx.example]', 'verify match=other.example', false],
    ['[mx.example]', 'verify match=other.example:hostname', true], ['[mx.example]', 'verify match=a.example match=mx.example', true],
    ['[mx.example]', 'verify match=.example', true], ['[mx.example]', 'verify match=.mx.example', false],
    ['[mx.example]', 'secure match=nexthop', true], ['example.com', 'secure', false], ['example.com', 'verify', true],
    ['example.com', 'secure match=mx.example', true], ['example.com', 'secure match=dot-nexthop', false],
  ] as const
  for (const [host, text, good] of cases) {
    const parameters = { smtp_tls_CAfile: CA, smtp_tls_policy_maps: `inline:{ { ${host}:PORT = ${text} } }` }
    const { log, seen } = await deliver(host, { parameters })
    assertLine(log, good ? SENT : NOT_VERIFIED)
    assert.equal(seen.commands.some((command) => command.startsWith('MAIL')), good, `${host} ${text}`)
  }
})

test('policies are found by the next hop as written, and by the parents of a plain domain', async () => {
  const policies = { smtp_tls_security_level: 'none', smtp_tls_policy_maps: 'inline:{ { .example.com = encrypt } { [mx.example]:PORT = encrypt } { mx.example = secure } { .example = secure } }' }
  const cases = [['[mx.example]', 'encrypt'], ['sub.example.com', 'none'], ['example.com', 'none']] as const
  for (const [host, level] of cases) assertLine((await deliver(host, { parameters: policies })).log, `tls=${level}, ${SENT}`)
  // Without a port the destination is a plain domain name: its server is found by smtp_tcp_port.
  const byParent = [['sub.example.com', 'encrypt'], ['example.com', 'none'], ['deep.sub.example.com', 'encrypt']] as const
  for (const [host, level] of byParent) {
    await using peer = await startTlsServer()
    const zone = fakeResolver({ 'mx.example': { a: ['127.0.0.1'] }, [host]: { mx: [[10, 'mx.example']] } })
    await using client = openTestClient({ parameters: { ...policies, smtp_tcp_port: String(peer.port) }, resolver: zone })
    assertLine((await client.deliver(host)).log, `tls=${level}, ${SENT}`)
  }
})

const policy = (text: string) => ({ smtp_tls_policy_maps: `inline:{ { [mx.example]:PORT = ${text} } }` })

test('policies choose protocols, ciphers and the server name', async () => {
  const protocols = await deliver('[mx.example]', { parameters: policy('encrypt protocols=TLSv1.2') })
  assert.deepEqual(protocols.seen.protocols, ['TLSv1.2'])
  const ranged = await deliver('[mx.example]', { parameters: policy('encrypt protocols=!TLSv1:!TLSv1.1:!TLSv1.3 exclude=AES256:CHACHA20:ARIA:CAMELLIA:AESCCM') })
  assert.deepEqual(ranged.seen.ciphers, ['ECDHE-ECDSA-AES128-GCM-SHA256'])
  const named = await deliver('[mx.example]', { parameters: policy('may servername=sni.example connection_reuse=no') })
  assert.deepEqual(named.seen.names, ['sni.example'])
  const graded = { ...policy('encrypt protocols=TLSv1.2 ciphers=high'), tls_high_cipherlist: 'ECDHE-ECDSA-CHACHA20-POLY1305', smtp_tls_mandatory_ciphers: 'medium' }
  assert.deepEqual((await deliver('[mx.example]', { parameters: graded })).seen.ciphers, ['ECDHE-ECDSA-CHACHA20-POLY1305'])
  // The attribute takes the place of the parameters.
  const replaced = { ...policy('encrypt protocols=TLSv1.2 exclude=CHACHA20'), smtp_tls_exclude_ciphers: 'AES', smtp_tls_mandatory_exclude_ciphers: 'ECDHE' }
  assert.match((await deliver('[mx.example]', { parameters: replaced })).seen.ciphers[0] ?? '', /AES/)
})

test('smtp_tls_protocols and ciphers count at may, the mandatory ones above it', async () => {
  const parameters = {
    smtp_tls_protocols: '<=TLSv1.2', smtp_tls_mandatory_protocols: '>=TLSv1.3', smtp_tls_exclude_ciphers: 'AES256, CHACHA20, ARIA, CAMELLIA, AESCCM', smtp_tls_mandatory_exclude_ciphers: 'SHA1',
  }
  const may = await deliver('[mx.example]', { parameters: { ...parameters, smtp_tls_security_level: 'may' } })
  assert.deepEqual([may.seen.protocols, may.seen.ciphers], [['TLSv1.2'], ['ECDHE-ECDSA-AES128-GCM-SHA256']])
  const encrypt = await deliver('[mx.example]', { parameters: { ...parameters, smtp_tls_security_level: 'encrypt' } })
  assert.deepEqual(encrypt.seen.protocols, ['TLSv1.3'])
  const strict = await deliver('[mx.example]', { parameters: { ...parameters, smtp_tls_security_level: 'encrypt' }, server: { maxVersion: 'TLSv1.2' } })
  assertLine(strict.log, 'SSL_connect error to mx.example[127.0.0.1]:PORT: ', 'dsn=4.7.5, status=deferred (Cannot start TLS: handshake failure)')
  const nothing = { smtp_tls_security_level: 'encrypt', smtp_tls_mandatory_protocols: '<=TLSv1.2', smtp_tls_mandatory_exclude_ciphers: 'AES, CHACHA20, CAMELLIA, ARIA' }
  const none = await deliver('[mx.example]', { parameters: { ...nothing, tls_medium_cipherlist: 'ECDHE-ECDSA-AES128-GCM-SHA256' } })
  assertLine(none.log, 'warning: TLS library problem: error:', 'dsn=4.7.5, status=deferred (Cannot start TLS: handshake failure)')
})

test('a policy that cannot be carried out keeps the mail here, and says why', async () => {
  const cases = [
    ['fingerprint match=3D:95', 'unsupported TLS security level "fingerprint"'], ['safe', 'invalid security level "safe"'],
    ['encrypt match=hostname', 'attribute "match" invalid at security level "encrypt"'], ['encrypt ciphers=', 'attribute "ciphers" has empty value'],
    ['encrypt protocols=TLSv1.2 protocols=TLSv1.3', 'attribute "protocols" is specified multiple times'],
    ['encrypt protocols=TLSv9', 'Invalid TLS protocol list "TLSv9" in protocols'], ['encrypt ciphers=best', 'invalid TLS cipher grade: "best"'],
    ['encrypt servername=-', '"servername=-" specifies an invalid hostname'], ['encrypt connection_reuse=maybe', 'attribute "connection_reuse" has bad value: "maybe"'],
    ['secure tafile=/etc/anchor.pem', 'unsupported attribute "tafile"'], ['secure mx_host_pattern=mx.example', 'unsupported attribute "mx_host_pattern"'],
    ['encrypt colour=blue', 'invalid attribute name: "colour"'], ['encrypt strong', 'malformed attribute/value pair "strong"'],
  ] as const
  for (const [text, why] of cases) {
    const { log, seen } = await deliver('[mx.example]', { parameters: policy(text) })
    assertLine(log, `warning: smtp_tls_policy_maps, next-hop destination "[mx.example]:PORT": ${why}`, MISCONFIGURED)
    assert.deepEqual(seen.commands, [], text)
  }
  const main = await deliver('[mx.example]', { parameters: { smtp_tls_security_level: 'encrypt', smtp_tls_mandatory_protocols: 'TLSv9' } })
  assertLine(main.log, 'warning: smtp_tls_security_level: Invalid TLS protocol list', MISCONFIGURED)
})

test('smtp_tls_wrappermode starts with the handshake, and wants a level for it', async () => {
  const parameters = { smtp_tls_wrappermode: 'yes', smtp_tls_security_level: 'secure', smtp_tls_CAfile: CA }
  const { log, seen } = await deliver('[mx.example]', { parameters, wrapper: true })
  assertLine(log, `tls=secure, ${SENT}`)
  assert.ok(!seen.commands.includes('STARTTLS'))
  const weak = await deliver('[mx.example]', { parameters: { ...parameters, smtp_tls_security_level: 'may' }, wrapper: true })
  assertLine(weak.log, 'warning: smtp_tls_wrappermode requires "smtp_tls_security_level = encrypt" (or stronger)', MISCONFIGURED)
  const untrusted = await deliver('[mx.example]', { parameters: { ...parameters, smtp_tls_CAfile: OTHER_CA }, wrapper: true })
  assertLine(untrusted.log, `tls=!secure, ${NOT_VERIFIED}`)
  assert.deepEqual(untrusted.seen.commands.filter((command) => command.startsWith('MAIL')), [])
})

/** STARTTLS is agreed to, and then there is no TLS; in clear the server takes mail. */
function brokenTls(): (peer: Peer) => Promise<void> {
  return async (peer) => {
    peer.say('220 mx.example ESMTP')
    await peer.line()
    peer.say('250-mx.example', '250 STARTTLS')
    if (await peer.line() !== 'STARTTLS') return answering({ greeting: '250 2.1.0 Ok' })(peer)
    peer.say('220 go ahead')
    peer.close()
  }
}

test('optional TLS that fails is done without, but not at the first attempt of a message', async () => {
  await using server = await startPeer(brokenTls())
  const nexthop = `[127.0.0.1]:${server.port}`
  const seconds = Math.trunc(Date.now() / 1000)
  const late = { request: { arrival: { seconds: seconds - 1000, microseconds: 0 } } }
  const failed = 'dsn=4.7.5, status=deferred (Cannot start TLS: handshake failure)'
  const cases = [
    ['may', {}, {}, failed], ['may', {}, late, `tls=none, ${SENT}`], ['encrypt', {}, late, failed], ['verify', {}, late, failed],
    ['may', { smtp_sasl_auth_enable: 'yes', smtp_sasl_password_maps: 'inline:{ { 127.0.0.1 = u:p } }' }, late, failed],
  ] as const
  for (const [level, more, message, end] of cases) {
    await using client = openTestClient({ parameters: { smtp_tls_security_level: level, ...more } })
    assertLine((await client.deliver(nexthop, message)).log, end)
  }
})
