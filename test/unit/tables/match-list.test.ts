/** Match lists: see src/tables/match-list.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMatchList, type MatchMode } from '#tables/match-list.ts'
import { captureLog } from '#test/support/log.ts'
import { tableFolder, tableOptions } from '#test/support/tables.ts'

const PARENT = tableOptions({ parent_domain_matches_subdomains: 'relay_domains' })

async function expectMatches(list: readonly [title: string, patterns: string, mode: MatchMode],
  cases: readonly (readonly [expected: boolean | 'error', value: string, address?: string])[]): Promise<void> {
  const opened = openMatchList(...list, PARENT)
  for (const [expected, ...values] of cases) assert.equal(await opened.match(...values), expected, `${list[1]}: ${values.join(' ')}`)
  opened.close()
}

test('match() string: whole strings without case; ! ends the search', async () => {
  await expectMatches(['mydestination', 'a.com, !b.com, inline:{b.com=x, c.com=x}', 'string'], [
    [true, 'A.COM'], [false, 'x.a.com'], [false, 'b.com'], [true, 'c.com'], [false, 'd.com'],
  ])
})

test('match() domain: sub-domains by a leading dot, or with parent_domain_matches_subdomains', async () => {
  await expectMatches(['other', 'a.com .b.com inline:{c.com=1,.d.com=1}', 'domain'], [
    [true, 'a.com'], [false, 'x.a.com'], [false, 'b.com'], [true, 'x.y.b.com'], [true, 'c.com'], [false, 'x.c.com'], [true, 'x.d.com'],
  ])
  await expectMatches(['relay_domains', 'a.com inline:{c.com=1}', 'domain'], [
    [true, 'x.a.com'], [false, 'xa.com'], [true, 'x.y.c.com'], [false, 'com'],
  ])
})

test('match() host: names and addresses in one list', async () => {
  await expectMatches(['debug_peer_list', '127.0.0.0/8 [::1]/128, !192.168.3.4 192.168.0.0/16 [2001:db8::5] .foo.com host', 'host'], [
    [true, 'x', '127.3.4.5'], [true, 'x', '::1'], [false, 'x', '192.168.3.4'], [true, 'x', '192.168.3.5'],
    [true, 'x', '2001:DB8::5'], [true, 'a.foo.com', '9.9.9.9'], [false, 'foo.com', '9.9.9.9'], [true, 'host', '9.9.9.9'], [false, 'x'],
  ])
})

test('match() address: only addresses', async () => {
  await expectMatches(['list', '10.0.0.0/8 cidr:{{1.2.3.0/24 x}}', 'address'], [
    [true, '10.1.2.3'], [false, '11.1.2.3'], [true, '1.2.3.4'], [false, 'name'],
  ])
})

test('match() tells errors apart from no match, unless a match came first', async () => {
  using log = captureLog()
  await expectMatches(['mynetworks', '10.0.0.0/8 1.2.3.4/24', 'host'], [[true, 'x', '10.0.0.1'], ['error', 'x', '1.2.3.4'], [false, 'x', '::1']])
  await expectMatches(['relay_domains', 'a.com fail:x', 'domain'], [[true, 'a.com'], ['error', 'b.com']])
  await expectMatches(['relay_domains', '/no/file', 'domain'], [['error', 'b.com']])
  assert.deepEqual(log.texts(), [
    'warning: mynetworks: non-null host address bits in "1.2.3.4/24", perhaps you should use "1.2.3.0/24" instead',
    'warning: relay_domains: fail:x: table lookup problem',
    'error: open file /no/file: No such file or directory',
    'warning: relay_domains: non-existent:/no/file: table lookup problem',
  ])
})

test('match() reads items from files, also negated', async () => {
  using folder = tableFolder()
  const inner = folder.write('inner', '# comment\nc.com\n')
  const path = folder.write('list', `a.com b.com\n!d.com\n${inner}\n`)
  await expectMatches(['x', path, 'string'], [[true, 'a.com'], [true, 'b.com'], [false, 'd.com'], [true, 'c.com']])
  await expectMatches(['x', `!${path} static:all`, 'string'], [[false, 'a.com'], [true, 'd.com'], [true, 'z.com']])
})

test('match() waits for tables of other processes only when it has to', () => {
  const list = openMatchList('x', 'a.com', 'string', PARENT)
  assert.equal(list.match('a.com'), true)
  assert.equal(list.empty, false)
})
