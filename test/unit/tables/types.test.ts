/** Tables without files, tables of tables, and tables that cannot be opened: see src/tables. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTable } from '#tables/open.ts'
import { TableOpenError } from '#tables/table.ts'
import { captureLog } from '#test/support/log.ts'
import { lookups, tableOptions } from '#test/support/tables.ts'

test('openTable() answers as each type of table without a file does', async () => {
  const cases: readonly (readonly [spec: string, key: string, expected: unknown])[] = [
    ['static:OK', 'any', 'OK'],
    ['static:{ two words }', 'any', 'two words'],
    ['inline:{a=b,{ c = d e }, x=y}', 'C', 'd e'],
    ['inline:{a=b,a=c}', 'a', 'c'],
    ['inline:{{"a b"@x=y},{c\\=d=z}}', '"a b"@x', 'y'],
    ['inline:{{"a b"@x=y},{c\\=d=z}}', 'c\\=d', 'z'],
    ['inline:{a=b}', 'z', undefined],
    ['fail:x', 'any', Error],
    ['internal:x', 'any', undefined],
    ['randmap:{one}', 'any', 'one'],
    ['pipemap:{static:a,inline:{a=z}}', 'any', 'z'],
    ['pipemap:{static:a,inline:{b=z}}', 'any', undefined],
    ['pipemap:{static:a,fail:x}', 'any', Error],
    ['unionmap:{static:a,inline:{q=1},static:b}', 'x', 'a,b'],
    ['unionmap:{inline:{q=1}}', 'x', undefined],
    ['unionmap:{static:a,fail:b}', 'x', Error],
    ['debug:static:v', 'x', 'v'],
  ]
  using log = captureLog()
  for (const [spec, key, expected] of cases) assert.deepEqual(await lookups(spec, [key]), [expected], spec)
  assert.deepEqual(log.texts(), ['static:v lookup: "x" = "v"'])
})

test('openTable() of what cannot be opened gives errors and says why in Postfix words', async () => {
  const cases: readonly (readonly [spec: string, reason: string])[] = [
    ['foo:bar', 'unsupported dictionary type: foo'],
    ['static:', 'open dictionary: expecting "type:name" form instead of "static:"'],
    ['plain', 'open dictionary: expecting "type:name" form instead of "plain"'],
    ['texthash:/no/file', 'open database /no/file: No such file or directory'],
    ['cidr:/no/file', 'open /no/file: No such file or directory'],
    ['hash:/no/file', 'open database /no/file.db: No such file or directory'],
    ['lmdb:/no/file', 'open database /no/file.lmdb: No such file or directory'],
    ['texthash:/tmp', 'read /tmp: Is a directory'],
    ['inline:{}', 'bad syntax: "inline:{}"; need "inline:{name=value...}"'],
    ['inline:{a=b,{ C = d }x}', `syntax error after '}' in "{ C = d }x": "inline:{a=b,{ C = d }x}"; need "inline:{name=value...}"`],
    ['static:{ a } b', `bad static:name syntax: syntax error after '}' in "{ a } b"`],
    ['randmap:a', 'bad syntax: "randmap:a"; need "randmap:{value...}"'],
    ['pipemap:{static}', 'bad syntax: "pipemap:{static}"; need "pipemap:{type:name...}"'],
    ['unix:x', 'unknown table: unix:x'],
    ['cidr:{1.2.3.0/24 a}', `cidr map: no '{' at start of text in "1.2.3.0/24"`],
  ]
  for (const [spec, reason] of cases) {
    using log = captureLog()
    assert.deepEqual(await lookups(spec, ['x']), [Error], spec)
    assert.deepEqual(log.texts(), [`error: ${reason}`, `warning: ${spec} is unavailable. ${reason}`])
    assert.throws(() => openTable(spec, tableOptions({}, { strict: true })), new TableOpenError(reason))
  }
})

test('openTable() marks tables that take whole keys only', () => {
  using log = captureLog()
  const pattern = ['cidr:{}', 'regexp:{}', 'pcre:{}', 'randmap:{a}', 'fail:x', 'tcp:localhost:1', 'pipemap:{cidr:{}}']
  const exact = ['static:a', 'inline:{a=b}', 'environ:x', 'pipemap:{cidr:{},static:a}', 'unix:passwd.byname']
  for (const spec of pattern) assert.equal(openTable(spec, tableOptions()).pattern, true, spec)
  for (const spec of exact) assert.equal(openTable(spec, tableOptions()).pattern, false, spec)
  assert.deepEqual(log.texts(), [])
})

test('unix:passwd.byname is a line of passwd(5) without the password', { skip: process.platform !== 'linux' && 'needs libc' }, async () => {
  const [line] = await lookups('unix:passwd.byname', ['root'])
  assert.match(String(line), /^root:x:0:0:/)
  assert.deepEqual(await lookups('unix:group.byname', ['no-such-group']), [undefined])
})
