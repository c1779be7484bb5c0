/** LDAP URLs and lists of servers: see src/network/database/ldap-url.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLdapUrl, parseLdapUrl, parseServers } from '#network/database/ldap-url.ts'

test('parseLdapUrl() takes a search apart [RFC 4516]', () => {
  const url = parseLdapUrl('ldap://h:1/dc=x%20y,dc=z?mail,cn;lang-en?one?(a=b%3f)')
  assert.deepEqual(url, {
    server: { scheme: 'ldap', host: 'h', port: 1, text: 'ldap://h:1' },
    base: 'dc=x y,dc=z', attributes: ['mail', 'cn;lang-en'], scope: 1, filter: '(a=b?)',
  })
  const bare = parseLdapUrl('LDAP:///')
  assert.deepEqual([bare?.server.host, bare?.base, bare?.scope, bare?.filter, bare?.attributes], ['localhost', '', 0, '(objectClass=*)', []])
  assert.deepEqual(parseLdapUrl('ldap:///dc=x?cn,*')?.attributes, [])
  assert.equal(parseLdapUrl('ldap:///dc=x???')?.scope, 0)
  assert.equal(parseLdapUrl('ldap:///dc=x??sub??x-ext=1')?.scope, 2)
})

test('parseLdapUrl() refuses what it cannot understand', () => {
  for (const text of ['', 'http://h/', 'ldap:h', 'ldap://h:99999/', 'ldap://h:x/', 'ldap://a:b:c/', 'ldap:///dc=x??wrong', 'ldap:///dc=x????!critical', 'ldap:///%zz', 'ldap:///x?a?sub?f?e?more']) {
    assert.equal(parseLdapUrl(text), undefined, text)
  }
  assert.ok(isLdapUrl('ldaps://x') && isLdapUrl('LDAPI://x') && !isLdapUrl('cn=ldap://x') && !isLdapUrl('ldapx://h'))
})

test('parseServers() takes URLs, hosts with and without port, and sockets', () => {
  const { servers, bad } = parseServers('a, b:1444\n ldaps://c ldap://[::1]:390\tldapi://%2Frun%2Fldapi ldapi:// ldap://:x', 1389)
  assert.deepEqual(servers.map(({ scheme, host, port }) => [scheme, host, port]), [
    ['ldap', 'a', 1389], ['ldap', 'b', 1444], ['ldaps', 'c', 636], ['ldap', '::1', 390], ['ldapi', '/run/ldapi', 0], ['ldapi', '/var/run/slapd/ldapi', 0],
  ])
  assert.deepEqual(bad, ['ldap://:x'])
})
