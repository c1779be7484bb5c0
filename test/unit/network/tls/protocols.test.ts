/** Words of TLS parameters: see src/network/tls. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '#config/error.ts'
import { configFrom } from '#config/load.ts'
import { selfSignedCertificate } from '#network/certificate.ts'
import { KeyFileError, splitChains } from '#network/tls/keys.ts'
import { establishedLine, handshakeProblems } from '#network/tls/log-lines.ts'
import { cipherBits, cipherList, versionRange } from '#network/tls/protocols.ts'

test('versionRange() reads bounds, exclusions and lists', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['>=TLSv1', 'TLSv1', 'TLSv1.3'],
    ['>=TLSv1.2', 'TLSv1.2', 'TLSv1.3'],
    ['>=TLSv1.2, <=TLSv1.2', 'TLSv1.2', 'TLSv1.2'],
    ['!SSLv2, !SSLv3', 'TLSv1', 'TLSv1.3'],
    ['!SSLv2, !SSLv3, !TLSv1, !TLSv1.1', 'TLSv1.2', 'TLSv1.3'],
    ['TLSv1.2:TLSv1.3', 'TLSv1.2', 'TLSv1.3'],
    ['>=0x0303', 'TLSv1.2', 'TLSv1.3'],
    ['', 'TLSv1', 'TLSv1.3'],
  ]
  for (const [text, minVersion, maxVersion] of cases) assert.deepEqual(
    versionRange('p', text), { minVersion, maxVersion }, text,
  )
  for (const text of ['TLSv9', '>=foo', '!TLSv1 !TLSv1.1 !TLSv1.2 !TLSv1.3']) assert.throws(
    () => versionRange('p', text), ConfigError, text,
  )
})

test('cipherList() joins the list of a grade and what is excluded', () => {
  const config = configFrom({ tls_medium_cipherlist: 'M', tls_high_cipherlist: 'H' })
  assert.equal(cipherList(config, 'medium', []), 'M')
  assert.equal(cipherList(config, 'high', ['aNULL', 'DES']), 'H:!aNULL:!DES')
  assert.throws(() => cipherList(config, 'best', []), ConfigError)
})

test('cipherBits() knows key sizes by name', () => {
  assert.deepEqual(cipherBits('TLS_AES_256_GCM_SHA384'), { used: 256, algorithm: 256 })
  assert.deepEqual(cipherBits('ECDHE-RSA-AES128-GCM-SHA256'), { used: 128, algorithm: 128 })
  assert.deepEqual(cipherBits('TLS_CHACHA20_POLY1305_SHA256'), { used: 256, algorithm: 256 })
  assert.deepEqual(cipherBits('DES-CBC3-SHA'), { used: 112, algorithm: 168 })
})

test('splitChains() takes each key with the chain behind it', async () => {
  const { key, certificate } = await selfSignedCertificate(['a.example'])
  const chains = splitChains(`${key}\n${certificate}\n${certificate}\n${key}\n${certificate}`, 'x')
  assert.deepEqual(chains.cert.map((chain) => chain.match(/BEGIN CERTIFICATE/g)?.length), [2, 1])
  assert.throws(() => splitChains(certificate, 'x'), KeyFileError)
  assert.throws(() => splitChains(key, 'x'), KeyFileError)
  assert.throws(() => splitChains('', 'x'), KeyFileError)
})

test('handshakeProblems() has the words of Postfix', () => {
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  assert.deepEqual(
    handshakeProblems(reset, 'C'), [{ level: 'info', text: 'SSL_accept error from C: Connection reset by peer' }],
  )
  assert.deepEqual(
    handshakeProblems(new Error('x'), 'C'), [{ level: 'info', text: 'SSL_accept error from C: lost connection' }],
  )
  assert.deepEqual(handshakeProblems(new Error('00:error:0A000102:SSL routines:f:unsupported protocol:x.c:1:\n'), 'C'), [
    { level: 'info', text: 'SSL_accept error from C: -1' },
    { level: 'warning', text: 'TLS library problem: error:0A000102:SSL routines:f:unsupported protocol:x.c:1:' },
  ])
})

test('establishedLine() names the server that was asked for', () => {
  const tls = { protocol: 'TLSv1.3', cipher: 'C', usedBits: 256, algorithmBits: 256, exchange: '', clientSignature: '' }
  assert.equal(
    establishedLine('Anonymous', 'a[b]', 'n', tls),
    'Anonymous TLS connection established from a[b] to n: TLSv1.3 with cipher C (256/256 bits)',
  )
})
