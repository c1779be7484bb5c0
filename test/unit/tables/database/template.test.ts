/** Templates of database tables: see src/tables/database/template.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expandTemplate, joinResults, parseTemplate, templateContext } from '#tables/database/template.ts'
import { captureLog } from '#test/support/log.ts'

/** Expands one query template. */
function query(format: string, key: string): string | undefined {
  return expandTemplate(parseTemplate(templateContext('pgsql', '/x.cf'), format, 'query'), key)
}

/** Expands the result template of a table whose query is `asked`. */
function result(format: string, key: string, value: string | null, asked = '%s'): string | undefined {
  const context = templateContext('pgsql', '/x.cf')
  parseTemplate(context, asked, 'query')
  return expandTemplate(parseTemplate(context, format, 'result'), key, value)
}

const QUERIES: readonly (readonly [format: string, key: string, expected: string | undefined])[] = [
  ['%s', 'u@d.org', 'u@d.org'],
  ['%S', 'u@d.org', 'u@d.org'],
  ['%u|%d', 'u@d.org', 'u|d.org'],
  ['%U|%D', 'u@d.org', 'u|d.org'],
  ['%u', 'user', 'user'],
  ['%d', 'user', undefined],
  ['%d', 'user@', undefined],
  ['%u', '@d.org', undefined],
  ['%d', '@d.org', 'd.org'],
  ['%s', '@d.org', '@d.org'],
  ['%u@%d', 'a@b@d.org', 'a@b@d.org'],
  ['%u', 'a@b@d.org', 'a@b'],
  ['%1 %2 %3', 'u@mail.example.com', 'com example mail'],
  ['%4', 'u@mail.example.com', undefined],
  ['%1', 'example.com', undefined],
  ['%1.%2', 'u@a..b.', 'b.a'],
  ['%1', 'u@...', undefined],
  ['%%s %%', 'u@d', '%s %'],
  ['100%% of \'%s\'', 'u', '100% of \'u\''],
  ['constant', 'u', 'constant'],
]

test('expandTemplate() puts the parts of the key into a query, or suppresses it', () => {
  for (const [format, key, expected] of QUERIES) assert.equal(query(format, key), expected, `${format} with ${key}`)
})

const RESULTS: readonly (readonly [format: string, value: string | null, expected: string | undefined])[] = [
  ['%s', 'v', 'v'],
  ['%s', null, undefined],
  ['%u', 'a@b', 'a'],
  ['%u', 'plain', 'plain'],
  ['%u', '@b', undefined],
  ['%d', 'a@b', 'b'],
  ['%d', '@b', 'b'],
  ['%d', 'plain', undefined],
  ['%d', 'a@', undefined],
  ['smtp:[%s]', 'mx.example.com', 'smtp:[mx.example.com]'],
  ['%U[%s]%D[%1', 'v', 'key[v]d.org[org'],
  ['%S', 'v', 'key@d.org'],
  ['%u and %U', 'a@b', 'a and key'],
  ['%%', 'v', '%'],
]

test('expandTemplate() puts the parts of a value into a result, or skips it', () => {
  for (const [format, value, expected] of RESULTS) {
    assert.equal(result(format, 'key@d.org', value), expected, `${format} with ${value}`)
  }
})

test('expandTemplate() of a query looks at what the result format needs', () => {
  const context = templateContext('pgsql', '/x.cf')
  const asked = parseTemplate(context, "select '%s'", 'query')
  parseTemplate(context, '%s at %2', 'result')
  assert.equal(expandTemplate(asked, 'u@example.org'), "select 'u@example.org'")
  assert.equal(expandTemplate(asked, 'u@org'), undefined)
  assert.equal(expandTemplate(asked, 'u'), undefined)
})

test('expandTemplate() quotes expansions and nothing else', () => {
  const asked = parseTemplate(templateContext('pgsql', '/x.cf'), "'%s' '%u' %% '%1'", 'query')
  assert.equal(expandTemplate(asked, "o'x@d.e", undefined, (text) => `<${text.replaceAll("'", "''")}>`), "'<o''x@d.e>' '<o''x>' % '<e>'")
})

test('expandTemplate() never expands what an expansion has brought in', () => {
  assert.equal(query("'%s'", '%s%d%1%%'), "'%s%d%1%%'")
  assert.equal(result('%s %U', '%d%%@x', '%u%1'), '%u%1 %d%%')
  assert.equal(expandTemplate(parseTemplate(templateContext('pgsql', 'x'), '%s', 'query'), '$&', undefined, (text) => text), '$&')
})

test('expandTemplate() warns about an empty key and an empty value', () => {
  using log = captureLog()
  assert.equal(query('%s', ''), undefined)
  assert.equal(result('%s', 'k', ''), undefined)
  assert.deepEqual(log.texts(), [
    'warning: table "pgsql:/x.cf": empty query string -- ignored',
    'warning: table "pgsql:/x.cf": empty lookup result for: "k" -- ignored',
  ])
})

test('parseTemplate() refuses what a percent sign cannot stand before', () => {
  for (const format of ['%x', 'a %', '%0', '% s', '%\u{1f600}', '%\n']) {
    for (const kind of ['query', 'result'] as const) {
      const message = `db_common_parse: /x.cf: Invalid ${kind} template: ${format}`
      assert.throws(() => parseTemplate(templateContext('pgsql', '/x.cf'), format, kind), { name: 'TableOpenError', message })
    }
  }
})

test('parseTemplate() tells whether a template depends on anything', () => {
  const cases = [['dc=%d', true], ['dc=org', false], ['100%%', false]] as const
  for (const [format, dynamic] of cases) assert.equal(parseTemplate(templateContext('ldap', 'x'), format, 'query').dynamic, dynamic)
})

test('joinResults() joins with commas and says when there are too many', () => {
  const cases: readonly (readonly [(string | undefined)[], number, string | undefined])[] = [
    [[], 0, ''], [[undefined], 1, ''], [['a'], 1, 'a'], [['a', undefined, 'b'], 2, 'a,b'], [['a', 'b'], 1, undefined],
    [['a', undefined], 1, 'a'], [['a', 'b', 'c'], 0, 'a,b,c'],
  ]
  for (const [results, limit, expected] of cases) assert.equal(joinResults(results, limit), expected)
})
