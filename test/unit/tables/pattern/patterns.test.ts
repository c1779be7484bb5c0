/** regexp and pcre tables: see src/tables/pattern. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileTranslated } from '#tables/pattern/pcre-translate.ts'
import { ExpressionError, subject } from '#tables/pattern/matcher.ts'
import { nativePcre } from '#tables/pattern/pcre-native.ts'
import { captureLog } from '#test/support/log.ts'
import { lookups, tableFolder, tableOptions } from '#test/support/tables.ts'

const noLibc = process.platform !== 'linux' && 'regexp tables need the C library'
const noPcre = (noLibc !== false || nativePcre(false) === undefined) && 'libpcre2-8 is not installed'

const RULES = [
  '/^foo(.*)bar$/ got $1 ${1} $(1) $$ x', '/(unclosed/ x', '/x/q y', 'bad', '/ab', 'if /^z/', '/zz/ zz', '!/zzz/ zq', 'endif',
  'endif', 'if !/^z/', '/q$/ endq', 'endif', '/a(b)c/  $2', '!/neg(b)/ $1', '|pipe| P', '/dol1/ a$', '/dol2/ a$x', '/Case/i sens',
  '/sl\\/ash/ slash', '/opt(x)?y/ [$1]', 'if /unterminated/', '/e1$/ e1', '',
].join('\n')

const EXPECTED: readonly (readonly [key: string, value: string | undefined])[] = [
  ['fooXbar', 'got X X X $ x'], ['zz', 'zz'], ['zy', 'zq'], ['xq', 'endq'], ['zzzq', 'zz'], ['PIPE', 'P'], ['case', undefined],
  ['Case', 'sens'], ['sl/ash', 'slash'], ['opty', '[]'], ['optxy', '[x]'], ['e1', undefined], ['unterminated e1', 'e1'],
]

for (const [type, skip] of [['regexp', noLibc], ['pcre', noPcre]] as const) {
  test(`${type}: rules, if, negation and substitution`, { skip }, async () => {
    using folder = tableFolder()
    const path = folder.write('r', RULES)
    using log = captureLog()
    assert.deepEqual(await lookups(`${type}:${path}`, EXPECTED.map(([key]) => key)), EXPECTED.map(([, value]) => value))
    const problems = log.texts().map((text) => text.replace(`warning: ${type} map ${path}, line `, ''))
    for (const problem of [
      '3: unknown regexp option "q": skipping this rule', '4: ignoring unrecognized request', '10: ignoring ENDIF without matching IF',
      '14: out of range replacement index "2": skipping this rule',
      '15: $number found in negative match replacement text: skipping this rule', '17: bad replacement syntax: skipping this rule',
      '18: non-numeric replacement index "x"', '22: IF has no matching ENDIF',
    ]) assert.ok(problems.includes(problem), problem)
  })

  test(`${type}: no substitution where a table may not have it`, { skip }, async () => {
    using log = captureLog()
    assert.deepEqual(await lookups(`${type}:{{/(a)/ $1}, {/b/ ok}}`, ['a', 'b'], tableOptions({}, { regsub: false })), [undefined, 'ok'])
    assert.match(log.texts().join('\n'), /regular expression substitution is not allowed: skipping this rule/)
  })
}

test('regexp: leftmost-longest, POSIX classes, a second pattern', { skip: noLibc }, async () => {
  assert.deepEqual(await lookups('regexp:{{/(a|ab)(c|bcd)?/ $1-$2}}', ['abcd']), ['a-bcd'])
  assert.deepEqual(await lookups('regexp:{{/^[[:digit:]]+$/ n}, {/a/!/b/ ab}}', ['123', 'ab', 'ac']), ['n', undefined, 'ab'])
})

test('pcre: JavaScript lacks these, libpcre2 has them', { skip: noPcre }, async () => {
  assert.deepEqual(await lookups('pcre:{{/^(?>a+)b\\z/ atomic}, {/^x++y/ possessive}, {/\\A\\h+z/ space}}', ['aab', 'xxy', ' \tz']), ['atomic', 'possessive', 'space'])
})

test('compileTranslated() means what libpcre2 means', { skip: noPcre }, () => {
  const native = nativePcre(true)
  const subjects = ['', 'a', 'abc\n', 'ABC', 'a\nb', 'x{2}', 'foo.bar', '  ', 'a]b', '12', 'ab\nab', '\u2028', 'a\rb']
  const expressions = ['^abc$', 'a.b', 'a\\z', 'c\\Z', '^\\s*$', '[[:alpha:]]+', 'x\\{2}', '[]a]', 'a{1,2}?', '(?=a)a', '\\d+', '^b', 'a$', '^ab$', '.', '[^\\d]']
  for (const options of ['is', 'i', 'ims', 'm', 's', 'isE', 'isU', 'A']) {
    for (const expression of expressions) {
      const set = new Set(options)
      for (const text of subjects) {
        const key = subject(text)
        const [ours, theirs] = [compileTranslated(expression, set), native?.(expression, set)].map((matcher) => {
          const match = matcher?.match(key)
          return match?.kind === 'match' ? match.groups(0) : undefined
        })
        assert.equal(ours, theirs, `/${expression}/${options} on ${JSON.stringify(text)}`)
      }
    }
  }
})

test('compileTranslated() refuses what JavaScript cannot say', () => {
  for (const expression of ['(?>a)', 'a++', '\\Qa\\E', '(?i)a', '(?R)', '\\Ka', '(a', '[a', '\\p{L}']) {
    assert.throws(() => compileTranslated(expression, new Set('is')), ExpressionError, expression)
  }
})
