/** ldap tables and more than one kind of server: TLS, referrals to another one, rights, as the real Postfix sees them. */
import assert from 'node:assert/strict'
import { chownSync } from 'node:fs'
import { test } from 'node:test'
import { newAuthority, newCertificate, opensslAbsent } from '#test/support/authority.ts'
import { daemonFolder, systemUser } from '#test/support/daemon.ts'
import { SITE_LDIF } from '#test/support/ldap-site.ts'
import { JUDGE, ours, theirs, workplace } from '#test/support/postmap.ts'
import { READER, slapdAbsent, startSlapd } from '#test/support/slapd.ts'
import type { TableFolder } from '#test/support/tables.ts'

/** Asks both sides; the answers must be the same. Ours. */
async function ask(folder: TableFolder, settings: string, key: string): Promise<{ status: number; out: string; log: string }> {
  const spec = `ldap:${folder.write('table.cf', `search_base = dc=example,dc=com\nversion = 3\ntimeout = 5\n${settings}`)}`
  const [mine, judge] = [await ours(folder, 'postmap', ['-q', key, spec]), await theirs(JUDGE, folder, 'postmap', ['-q', key, spec])]
  assert.deepEqual({ status: mine.status, out: mine.out }, { status: judge.status, out: judge.out }, `${settings}\n${judge.log}\n${mine.log}`)
  return mine
}

test('ldap: TLS from the start and by start_tls; whose certificate is not known or has another name is not asked', async (t) => {
  const absent = slapdAbsent() ?? JUDGE.absent ?? opensslAbsent()
  if (absent !== undefined) return t.skip(absent)
  const user = systemUser('openldap')
  using certificates = daemonFolder(user)
  const [known, other] = ['known', 'other'].map((name) => newAuthority(certificates.path, name))
  if (known === undefined || other === undefined) return undefined
  const { cert, key } = newCertificate(certificates.path, '127.0.0.1', known)
  if (user !== undefined) chownSync(key, user.uid, user.gid)
  await using slapd = await startSlapd(SITE_LDIF, { cert, key })
  using folder = workplace()
  const secure = `server_host = ldaps://127.0.0.1:${slapd.securePort}\n`
  const upgraded = `server_host = ldap://127.0.0.1:${slapd.port}\nstart_tls = yes\n`
  for (const server of [secure, upgraded]) {
    assert.equal((await ask(folder, server, 'bob')).out, 'bob@box1.example.com\n')
    assert.equal((await ask(folder, `${server}bind_dn = ${READER.dn}\nbind_pw = ${READER.password}\n`, 'bob')).status, 0)
    assert.equal((await ask(folder, `${server}tls_require_cert = yes\ntls_ca_cert_file = ${known.cert}\n`, 'bob')).status, 0)
    assert.match((await ask(folder, `${server}tls_require_cert = yes\ntls_ca_cert_file = ${other.cert}\n`, 'bob')).log, /Can't contact LDAP server|Connect error/)
    const elsewhere = server.replace('127.0.0.1', 'localhost')
    assert.equal((await ask(folder, `${elsewhere}tls_require_cert = yes\ntls_ca_cert_file = ${known.cert}\n`, 'bob')).status, 1)
  }
  assert.equal((await ask(folder, `${secure}tls_cipher_suite = ECDHE-ECDSA-AES256-GCM-SHA384\n`, 'bob')).status, 0)
  assert.equal((await ask(folder, `${secure}tls_cipher_suite = nonsense\n`, 'bob')).status, 1)
  await using strict = await startSlapd(SITE_LDIF, { cert, key, clients: known.cert })
  const demanding = `server_host = ldaps://127.0.0.1:${strict.securePort}\n`
  const own = newCertificate(certificates.path, 'client.example.com', known)
  // The real one is ended by a signal here: its write meets a closed connection.
  const refused = await ours(folder, 'postmap', ['-q', 'bob', `ldap:${folder.write('t.cf', `${demanding}search_base = dc=example,dc=com\n`)}`])
  assert.deepEqual([refused.status, refused.out], [1, ''])
  assert.equal((await ask(folder, `${demanding}tls_cert = ${own.cert}\ntls_key = ${own.key}\n`, 'bob')).status, 0)
  // Without TLS on the other side: never in the clear.
  await using plain = await startSlapd(SITE_LDIF)
  assert.equal((await ask(folder, `server_host = ldap://localhost:${plain.port}\nstart_tls = yes\n`, 'bob')).status, 1)
  return undefined
})

test('ldap: referrals are followed with chase_referrals only', async (t) => {
  const absent = slapdAbsent() ?? JUDGE.absent
  if (absent !== undefined) return t.skip(absent)
  await using second = await startSlapd(SITE_LDIF)
  const away = `ref: ldap://127.0.0.1:${second.port}/ou=people,dc=example,dc=com`
  // The first one has no people of its own but those with an a.
  const entries = SITE_LDIF.split('\ndn: ').filter((entry, i) => i === 0 || !entry.startsWith('cn=') || entry.startsWith('cn=alice'))
  await using first = await startSlapd(entries.join('\ndn: ').replace(/ref: .*/, away))
  using folder = workplace()
  const server = `server_host = 127.0.0.1:${first.port}\n`
  assert.equal((await ask(folder, server, 'bob')).status, 1)
  assert.equal((await ask(folder, `${server}chase_referrals = yes\n`, 'bob')).out, 'bob@box1.example.com\n')
  assert.equal((await ask(folder, `${server}chase_referrals = yes\n`, 'nobody')).status, 1)
  const base = `${server}search_base = ou=away,dc=example,dc=com\n`
  assert.equal((await ask(folder, `${base}chase_referrals = yes\n`, 'bob')).out, 'bob@box1.example.com\n')
  assert.match((await ask(folder, base, 'bob')).log, /Referral/)
  await second.stop()
  assert.match((await ask(folder, `${base}chase_referrals = yes\n`, 'bob')).log, /cannot follow the referral|Can't contact/)
  return undefined
})
