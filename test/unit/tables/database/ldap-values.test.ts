/** From entries to results, with a directory of plain objects: see src/tables/database/ldap-values.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LdapEntry, SearchRequest } from '#network/database/ldap-message.ts'
import { ldapOptions, ldapQuery } from '#tables/database/ldap-settings.ts'
import { attributeRelation, Expander, ExpansionFailed, urlAttributes } from '#tables/database/ldap-values.ts'
import { parseSettings } from '#tables/database/settings.ts'
import { TableOpenError } from '#tables/table.ts'
import { captureLog } from '#test/support/log.ts'

type Attributes = Readonly<Record<string, readonly string[]>>

function entry(attributes: Attributes): LdapEntry {
  return { dn: 'cn=x', attributes: Object.entries(attributes).map(([name, values]) => ({ name, values })) }
}

const DIRECTORY: Readonly<Record<string, Attributes>> = {
  'cn=a': { mail: ['a@x'] },
  'cn=b': { mail: ['b@x', 'bb@x'] },
  'cn=group': { mail: ['group@x'], member: ['cn=a', 'cn=b'] },
  'cn=loop': { member: ['cn=loop'] },
  'cn=wide': { member: ['cn=wide', 'cn=wide'] },
}

async function expand(settings: string, entries: readonly Attributes[], deadline = Infinity): Promise<{ results: readonly string[]; asked: SearchRequest[] }> {
  const asked: SearchRequest[] = []
  const expander = new Expander({
    query: ldapQuery(parseSettings(`special_result_attribute = member\nresult_attribute = addr\nleaf_result_attribute = mail\n${settings}`, 'table'), 'table'),
    name: 'table', key: 'k@example.com', deadline,
    async search(request) {
      asked.push(request)
      const found = DIRECTORY[request.base]
      await Promise.resolve()
      return { status: found === undefined ? 32 : 0, text: '', referrals: [], references: [], entries: found === undefined ? [] : [entry(found)] }
    },
  })
  await expander.add(entries.map(entry))
  return { results: expander.results, asked }
}

test('Expander follows names of entries, leaves out what is not for groups, and what is gone [ldap_table(5)]', async () => {
  using log = captureLog()
  const { results, asked } = await expand('', [{ addr: ['first@x'], mail: ['hidden@x'], member: ['cn=group', 'cn=gone', 'cn=a'] }])
  assert.deepEqual(results, ['first@x', 'a@x', 'b@x', 'bb@x', 'a@x'])
  assert.deepEqual(asked.map(({ base, scope }) => [base, scope]), [['cn=group', 0], ['cn=a', 0], ['cn=b', 0], ['cn=gone', 0], ['cn=a', 0]])
  assert.deepEqual(log.texts(), ['warning: dict_ldap_get_values[1]: DN cn=gone not found, skipping '])
})

test('Expander formats values, cuts them at a NUL, and knows attributes with options', async () => {
  assert.deepEqual((await expand('result_format = %S:%u\n', [{ 'ADDR;lang-en': ['x@y', 'z\0w'] }])).results, ['k@example.com:x', 'k@example.com:z'])
})

test('Expander takes only terminal attributes where there are any', async () => {
  assert.deepEqual((await expand('terminal_result_attribute = drop\n', [{ addr: ['no@x'], drop: ['yes@x'], member: ['cn=a'] }])).results, ['yes@x'])
})

function fails(settings: string, entries: readonly Attributes[], deadline?: number): Promise<void> {
  return assert.rejects(expand(settings, entries, deadline), ExpansionFailed)
}

test('Expander ends at each of its limits', async () => {
  using log = captureLog()
  await fails('recursion_limit = 50\n', [{ member: ['cn=loop'] }])
  await fails('expansion_limit = 2\n', [{ member: ['cn=group'] }])
  await fails('size_limit = 1\n', [{ addr: ['a'] }, { addr: ['b'] }])
  await fails('', [{ member: ['cn=wide'] }], performance.now() + 50)
  await fails('', [{ member: ['ldap:///x?mail?wrong'] }])
  await fails('', [{ member: ['ldap:///x?mail?sub?(bad'] }])
  assert.equal(log.texts().filter((text) => text.includes('table')).length, 4)
})

test('attributeRelation() and urlAttributes() match names with options [RFC 4511 §4.1.4]', () => {
  const cases = [['mail', 'MAIL', 1], ['mail', 'mail;lang-en', 1], ['mail;lang-en', 'mail', -1], ['mail', 'mailbox', 0], ['mailbox', 'mail', 0]] as const
  for (const [one, other, expected] of cases) assert.equal(attributeRelation(one, other), expected, `${one} ${other}`)
  assert.deepEqual(urlAttributes([], ['a', 'b']), ['a', 'b'])
  assert.deepEqual(urlAttributes(['A', 'c', 'b;x'], ['a', 'b']), ['a', 'b;x'])
})

function options(text: string): unknown {
  return ldapOptions(parseSettings(text, 'table'))
}

test('settings: what is refused and what is warned about', () => {
  using log = captureLog()
  assert.throws(() => options('bind = sasl\n'), /SASL binds are not supported/)
  assert.throws(() => options('bind = perhaps\n'), /unsupported parameter value: bind = perhaps/)
  assert.throws(() => options('server_host = ldap://h:x\n'), TableOpenError)
  assert.throws(() => options('server_host =\n'), TableOpenError)
  assert.equal(ldapOptions(parseSettings('version = 2\nserver_host = ldaps://h\n', 'table')).version, 3)
  assert.ok(log.texts().some((text) => text.includes('URL scheme ldaps requires protocol version 3')))
  assert.equal(ldapOptions(parseSettings('bind = no\n', 'table')).bind, undefined)
  assert.equal(ldapQuery(parseSettings('expansion_limit = 7\n', 'table'), 'table').sizeLimit, 7)
})
