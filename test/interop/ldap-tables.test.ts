/** ldap tables against slapd: the same answers as real Postfix; servers that go and come back; TLS. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openTable } from '#tables/open.ts'
import { captureLog } from '#test/support/log.ts'
import { SITE_LDIF } from '#test/support/ldap-site.ts'
import { JUDGE, ours, theirs, workplace } from '#test/support/postmap.ts'
import { READER, slapdAbsent, startSlapd, type Slapd } from '#test/support/slapd.ts'
import { tableFolder, tableOptions, type TableFolder } from '#test/support/tables.ts'

const absent = slapdAbsent()
let directory: Slapd | undefined

before(async () => {
  if (absent === undefined) directory = await startSlapd(SITE_LDIF)
})
after(() => directory?.[Symbol.asyncDispose]())

const GROUPS = 'result_attribute = memberaddr\nspecial_result_attribute = memberdn, memberurl\nleaf_result_attribute = mail\n'
const LIMITED = 'special_result_attribute = memberdn\nresult_attribute =\nleaf_result_attribute = mail\n'

/** What a table file has besides the server, version and base, and keys. */
const QUESTIONS: readonly (readonly [name: string, settings: string, keys: readonly string[]])[] = [
  ['all defaults', '', ['alice', 'ALICE', 'nobody', 'both', 'empty', 'a.lice@example.com', 'odd', 'zoë']],
  ['hostile keys', '', ['*', 'al*', 'a)(mail=*', '(', '\\', '\\2a', 'par(en)s', 'st*r', 'back\\slash', 'blank s', 'x,y=z+w"<>;#']],
  ['a filter over several lines', 'query_filter = ( & ( mail=%s )\n  (| (cn=*) (sn= x)) )\n', ['alice@example.com', 'x@example.com']],
  ['a bare filter', 'query_filter = mail=%u@example.com\n', ['bob', 'bob@other.example', '@other.example']],
  ['all kinds of comparison', 'query_filter = (&(|(cn>=a)(cn<=zz)(cn~=%u))(!(cn=x*y*z))(objectClass=*)(cn:dn:caseIgnoreMatch:=%u)(2.5.4.3=%u))\n', ['alice', 'ALICE']],
  ['a filter that is none', 'query_filter = (mail=%s\n', ['alice']],
  ['a filter made of the key', 'query_filter = %s\n', ['cn=alice', 'cn=*)(cn=*']],
  ['parts of the key', 'query_filter = (mail=%u@%d)\nresult_format = %U/%2.%1/%d/%u\n', ['bob@example.com', 'bob', 'bob@com', '@example.com']],
  ['result_filter, the old name', 'result_filter = smtp:[%d]\n', ['alice', 'odd']],
  ['values with parts', 'result_format = <%u|%d>\n', ['odd']],
  ['a domain list', 'domain = example.com, example.org\nquery_filter = (mail=%s)\n', ['bob@example.com', 'bob@EXAMPLE.com', 'bob@example.net', 'bob', 'example.com']],
  ['a base with the domain', 'search_base = ou=%d,ou=domains,dc=example,dc=com\nquery_filter = (mailacceptinggeneralid=%u)\n', ['info@example.org', 'info@example.net', 'info@x,y=z', 'info']],
  ['a base that is not there', 'search_base = ou=none,dc=example,dc=com\n', ['alice']],
  ['a base that is no name', 'search_base = nonsense\n', ['alice']],
  ['scope one', 'scope = one\n', ['alice']],
  ['scope one at the right base', 'scope = one\nsearch_base = ou=people,dc=example,dc=com\n', ['alice']],
  ['scope base', 'scope = base\nsearch_base = cn=alice,ou=people,dc=example,dc=com\nquery_filter = (objectClass=*)\n', ['x']],
  ...[0, 1, 2, 3].map((value) => [`dereference = ${value} at an alias`,
    `dereference = ${value}\nscope = base\nsearch_base = cn=nick,ou=people,dc=example,dc=com\nquery_filter = (objectClass=*)\n`, ['x']] as const),
  ['dereference while searching', 'dereference = 1\nquery_filter = (sn=bob)\nscope = one\nsearch_base = ou=people,dc=example,dc=com\n', ['x']],
  ['groups', GROUPS, ['staff', 'nested', 'alice', 'byurl', 'byurlall', 'urlother', 'team']],
  ['a bad URL in an entry', GROUPS, ['urlbad']],
  ['a group in itself', `${GROUPS}recursion_limit = 20\n`, ['round']],
  ['terminal attributes', `${GROUPS}terminal_result_attribute = maildrop\n`, ['routed', 'mixed', 'nested', 'staff', 'team']],
  ['without leaf attributes', 'result_attribute = maildrop mail\nspecial_result_attribute = memberdn\n', ['nested', 'routed']],
  ['expansion_limit', 'expansion_limit = 1\n', ['alice']],
  ['expansion_limit that suffices', 'expansion_limit = 2\n', ['bob', 'alice', 'nobody']],
  ['expansion_limit of a group', `${LIMITED}expansion_limit = 2\n`, ['staff']],
  ['expansion_limit of a group in a group', `${LIMITED}expansion_limit = 2\n`, ['nested']],
  ['size_limit', 'size_limit = 1\n', ['both']],
  ['recursion_limit', `${LIMITED}recursion_limit = 1\n`, ['staff']],
  ['no bind', 'bind = no\n', ['bob']],
  ['a bind', `bind_dn = ${READER.dn}\nbind_pw = ${READER.password}\n`, ['bob']],
  ['a wrong password', `bind_dn = ${READER.dn}\nbind_pw = wrong\n`, ['bob']],
  ['a referral in the result', 'search_base = dc=example,dc=com\n', ['bob']],
  ['a referral in place of the base', 'search_base = ou=away,dc=example,dc=com\n', ['bob']],
  ['all users attributes but no values', 'result_attribute = nosuchattribute\n', ['bob']],
  ['no server', 'server_host = ldap://127.0.0.1:1\n', ['bob']],
  ['the second server', 'server_host = ldap://127.0.0.1:1 ldap://127.0.0.1:$PORT\n', ['bob']],
  ['a socket', 'server_host = $SOCKET\n', ['bob']],
  ['host and port apart', 'server_host = 127.0.0.1\nserver_port = $PORT\n', ['bob']],
  ['version 2, which this server does not speak', 'version = 2\n', ['bob']],
  ['odd values', 'scope = strange\ndereference = 9\nversion = 7\ncache = yes\n', ['bob']],
  ['a bad template', 'query_filter = (mail=%x)\n', ['bob']],
  ['a bad bind', 'bind = maybe\n', ['bob']],
  ['a bad number', 'timeout = soon\n', ['bob']],
]

function tableFile(folder: TableFolder, slapd: Slapd, settings: string): string {
  const defaults = `server_host = 127.0.0.1:${slapd.port}\nsearch_base = dc=example,dc=com\nversion = 3\ntimeout = 5\n`
  const own = settings.replaceAll('$PORT', String(slapd.port)).replaceAll('$SOCKET', slapd.socketUrl)
  const names = new Set(own.split('\n').map((line) => line.split(' ')[0]))
  return folder.write('table.cf', defaults.split('\n').filter((line) => !names.has(line.split(' ')[0])).join('\n') + `\n${own}`)
}

for (const [name, settings, keys] of QUESTIONS) {
  test(`postmap -q ldap: the same answers and exit status as Postfix 3.11: ${name}`, async (t) => {
    if (directory === undefined) return t.skip(absent)
    if (JUDGE.absent !== undefined) return t.skip(JUDGE.absent)
    using folder = workplace()
    const spec = `ldap:${tableFile(folder, directory, settings)}`
    const argv = ['-q', keys.length === 1 ? (keys[0] ?? '') : '-', spec]
    const input = keys.map((key) => `${key}\n`).join('')
    const [mine, judge] = [await ours(folder, 'postmap', argv, input), await theirs(JUDGE, folder, 'postmap', argv, input)]
    assert.deepEqual({ status: mine.status, out: mine.out }, { status: judge.status, out: judge.out }, `${judge.log}\n${mine.log}`)
    assert.equal(mine.log.includes('fatal:'), judge.log.includes('fatal:'))
    if (process.env['SHOW'] !== undefined) console.log(name, judge, mine.log)
    return undefined
  })
}

test('ldap: the settings of main.cf have the name of the table before their own', async (t) => {
  if (directory === undefined) return t.skip(absent)
  if (JUDGE.absent !== undefined) return t.skip(JUDGE.absent)
  using folder = workplace()
  const settings = `acc_server_host = 127.0.0.1:${directory.port}\nacc_search_base = dc=$mydomain,dc=com\nacc_version = 3\nmydomain = example\n`
  folder.write('main.cf', `compatibility_level = 3.6\n${settings}`)
  for (const key of ['bob', 'nobody']) {
    const [mine, judge] = [await ours(folder, 'postmap', ['-q', key, 'ldap:acc']), await theirs(JUDGE, folder, 'postmap', ['-q', key, 'ldap:acc'])]
    assert.deepEqual({ status: mine.status, out: mine.out }, { status: judge.status, out: judge.out }, mine.log)
  }
  return undefined
})

test('ldap: many lookups at a time over one connection; a server that stops is an error with the name of the table, and is found again', async (t) => {
  if (absent !== undefined) return t.skip(absent)
  await using slapd = await startSlapd(SITE_LDIF)
  using folder = tableFolder()
  using log = captureLog()
  const file = tableFile(folder, slapd, GROUPS)
  const table = openTable(`ldap:${file}`, tableOptions())
  const ask = async (): Promise<unknown> => table.lookup('staff')
  const staff = { kind: 'found', value: 'guest@else.example,alice@example.com,bob@example.com' }
  assert.deepEqual(await Promise.all(Array.from({ length: 50 }, ask)), Array.from({ length: 50 }, () => staff))
  // Restarted between two lookups: nobody notices.
  await slapd.stop()
  await slapd.start()
  assert.deepEqual(await ask(), staff)
  // Stopped while lookups are at work: each ends, with a result or an error.
  const atWork = Array.from({ length: 50 }, ask)
  await slapd.stop()
  for (const answer of await Promise.all(atWork)) assert.match(JSON.stringify(answer), /"found"|"error"/)
  const failed = await table.lookup('staff')
  assert.equal(failed.kind, 'error')
  assert.ok(log.texts().some((text) => text.startsWith('warning: ') && text.includes(file) && text.includes("Can't contact LDAP server")))
  await slapd.start()
  let answer = await ask()
  // For a second after a failure nobody tries.
  for (const until = performance.now() + 5000; !JSON.stringify(answer).includes('found') && performance.now() < until; answer = await ask()) await new Promise(setImmediate)
  assert.deepEqual(answer, staff)
  table.close()
  return undefined
})
