/** Quoting for SQL: see src/tables/database/quote.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queryExpansions, quoteSql, type QuoteStyle } from '#tables/database/quote.ts'
import { expandTemplate, parseTemplate, templateContext } from '#tables/database/template.ts'
import { randomFrom } from '#test/fuzz/mutate.ts'

const MYSQL: QuoteStyle = { dialect: 'mysql', escapes: 'backslash', doubleQuotes: false }
const STANDARD: QuoteStyle = { dialect: 'standard', escapes: 'quotes', doubleQuotes: false }
const STYLES: Readonly<Record<string, QuoteStyle>> = {
  'MySQL': MYSQL,
  'MySQL with NO_BACKSLASH_ESCAPES': { ...MYSQL, escapes: 'quotes' },
  'PostgreSQL and SQLite': STANDARD,
  'PostgreSQL without standard_conforming_strings': { ...STANDARD, escapes: 'backslash' },
  'double quotes': { ...STANDARD, doubleQuotes: true },
  'MySQL, double quotes, NO_BACKSLASH_ESCAPES': { dialect: 'mysql', escapes: 'quotes', doubleQuotes: true },
}

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', 0: '\0', Z: '\u001a' }

/** Reads a literal as the server does: its text, and what stands behind it. */
function readLiteral(sql: string, quote: string, escapes: QuoteStyle['escapes']): { text: string; rest: string } {
  let text = ''
  for (let i = 1; i < sql.length; i++) {
    const c = sql.charAt(i)
    if (c === '\\' && escapes === 'backslash') text += ESCAPED[sql.charAt(++i)] ?? sql.charAt(i)
    else if (c !== quote) text += c
    else if (sql.charAt(i + 1) === quote) text += sql.charAt(++i)
    else return { text, rest: sql.slice(i + 1) }
  }
  return { text, rest: 'never closed' }
}

const ATTACKS = [
  "'", "''", "\\'", "\\\\'", "' or '1'='1", "'; drop table a; --", "x\\", "\\", '"', '\\"', "\u00bf'", "\u00bf\\'", '\u0000', "a\u0000'", '\n', '\r\n', '\u001a',
  '%s', '%d%u', '$1', '/*', '--', ';', "E'", '$$', 'U&"', "\u2019", "\u02bc", '\ud83d\ude00\'', "a'b\"c\\d", '\u00a5\'', '\u20a9\\',
]
const PIECES = ["'", '"', '\\', '\u0000', '\n', 'a', '%s', ';', '--', '\u00e9', '\u{1f600}', '\u001a', ' ', 'n', 'Z', '0']

test('quoteSql() gives a literal whose text is the key, whatever is in it', () => {
  const random = randomFrom(7)
  const pick = (): string => PIECES[random(PIECES.length)] ?? ''
  const keys = [...ATTACKS, ...Array.from({ length: 2000 }, () => Array.from({ length: 1 + random(8) }, pick).join(''))]
  for (const [name, style] of Object.entries(STYLES)) {
    for (const key of keys) {
      const quoted = quoteSql(key, style)
      const { text, rest } = readLiteral(`'${quoted}' and more`, "'", style.escapes)
      // Where double quotes are doubled for the other places, they stay so in single quotes: such a key finds nothing.
      const expected = style.doubleQuotes ? key.replaceAll('"', '""') : key
      assert.deepEqual([text, rest], [expected, ' and more'], `${name}: ${JSON.stringify(key)}`)
      if (style.doubleQuotes) assert.equal(readLiteral(`"${quoted}" and more`, '"', style.escapes).rest, ' and more', JSON.stringify(key))
    }
  }
})

test('quoteSql() escapes for MySQL what its own function escapes', () => {
  assert.equal(quoteSql('a\0b\nc\rd\\e\'f"g\u001ah', MYSQL), String.raw`a\0b\nc\rd\\e\'f\"g\Zh`)
  assert.equal(quoteSql('a\\b\'c"d', { ...MYSQL, escapes: 'quotes' }), 'a\\b\'\'c"d')
})

test('an expansion cannot leave its quotes by way of the parts of a key', () => {
  const template = parseTemplate(templateContext('mysql', 'x'), "select '%u' where d = '%d' and l = '%1'", 'query')
  const sql = expandTemplate(template, "o'x\\@d'.e'", undefined, (text) => quoteSql(text, STANDARD))
  assert.equal(sql, "select 'o''x\\' where d = 'd''.e''' and l = 'e'''")
})

test('queryExpansions() tells which quotes are around an expansion', () => {
  const cases: readonly (readonly [string, string])[] = [
    ["k = '%s'", "%s'"], ['k = "%s"', '%s"'], ['k = %s', '%s'], ["'%u@%d'", "%u'%d'"], ["'it''s %u'", "%u'"], ['"it\'s" = \'%u\'', "%u'"],
    ["'\"%u' = '%u'", "%u'%u'"], ["'%%' %% 2", ''], ["'x\\'%u' and %1", "%u%1'"], ["'%1' %9", "%1'%9"],
  ]
  for (const [query, expected] of cases) {
    assert.equal(queryExpansions(query).map(({ text, inside }) => text + inside).join(''), expected, query)
  }
})
