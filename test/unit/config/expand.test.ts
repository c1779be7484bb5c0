/** Expressions of main.cf: see src/config/expand.ts. The real postconf -x gave the expected texts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExpressionError } from '#config/expression.ts'
import { expandText, findNames } from '#config/expand.ts'

const NAMES: Readonly<Record<string, string>> = {
  host: 'h.example', domain: 'd', empty: '', indirect: '$domain', blank: '$empty', loop: 'a$loop',
  compatibility_level: '3.6',
}
const lookup = (name: string) => (Object.hasOwn(NAMES, name) ? NAMES[name] : undefined)
const expand = (text: string) => expandText(text, lookup, { recursive: true })

test('expandText() gives the texts of the real postconf -x', () => {
  const cases = [
    ['a$$b ${host} $(domain) $domain.x', 'a$b h.example d d.x'],
    ['$indirect ${indirect}$nosuch', 'd d'],
    ['${domain?yes}-${domain:no}-${nosuch:{no such}}-${nosuch?x}', 'yes--no such-'],
    ['${domain?{Y}:{N}} ${empty?{Y}:{N}} ${domain?{Y}:N} ${nosuch ? {Y} : {N}}', 'Y N Y N'],
    ['${blank?{its text is not empty}}', 'its text is not empty'],
    ['${{a} == {a} ? {eq} : {ne}} ${{3} < {20} ?{lt}:{ge}}', 'eq lt'],
    ['${{10} > {9} ? {Y}:{N}}${{ 10 } > {9} ? {Y}:{N}}${{a}!={b}?{Y}}', 'YNY'],
    ['${{a}=={b}}|${{a}=={a}}', '|true'],
    ['${{$compatibility_level} <level {3.10} ? {old} : {new}} ${{3.10} >= {3.9} ? {Y}:{N}}', 'old N'],
    ['${{4} ==level {4.0} ? {a} : {b}} ${{4.0.1} >level {4.0} ? {a} : {b}}', 'a a'],
    ['${domain?a:b} ${domain? x }|${domain?{ x }}|${domain?}', 'a:b  x | x |'],
    ['${domain?{a$$b}}${domain?(x)} ${ domain }${ domain ?x}', 'a$b(x) dx'],
    ['${:foo}${?foo}', 'foo'],
    ['${domain_to_ascii{b\u00fccher.example}} ${domain_to_ascii {A.x}}', 'xn--bcher-kva.example A.x'],
    ['${domain_to_utf8{xn--tda}}', '\u00fc'],
    ['${domain?{ok}:{$ }}', 'ok'],
  ] as const
  for (const [text, expected] of cases) assert.equal(expand(text), expected, text)
})

test('expandText() refuses bad syntax in the words of Postfix', () => {
  const cases = [
    ['${domain', 'truncated macro reference: "${domain"'],
    ['$ x', 'empty macro name: "$ x"'],
    ['${my-domain}x', 'attribute name syntax error at: "...my>>>-domain"'],
    ['${{a} ~ {b}?x}', '"==" or "!="" or "<"" or "<="" or ">="" or ">" expected at: "...a}>>>~ {b}?x"'],
    ['${domain?{a} x}', '":" expected at: "...a}>>>x"'],
    ['${domain?{a}:{b} x}', 'unexpected input at: "...b}>>>x"'],
    ['${{a} == b ? {c}}', '"{expression}" expected at: "...{a} ==>>> b ? {c}"'],
    ['${{a} <foo {b}}', 'bad operator suffix at: "...<>>>foo"'],
    ['${toString{x}}', 'unknown function "toString" at"...>>>toString{x}"'],
    ['${{abc} <level {3}}', 'malformed compatibility level syntax: "abc"'],
  ] as const
  for (const [text, message] of cases) assert.throws(() => expand(text), (error) => error instanceof ExpressionError && error.message === message, text)
})

test('expandText() ends a loop of names', () => {
  assert.throws(() => expand('$loop'), /unreasonable macro call nesting: "a"/)
})

test('expandText() without recursion keeps $ in values and replaces characters not allowed', () => {
  assert.equal(expandText('x$indirect', lookup), 'x$domain')
  assert.equal(expandText('x$indirect', lookup, { allowed: 'domain' }), 'x_domain')
})

test('findNames() finds the names of all branches, and those before an error', () => {
  const names: string[] = []
  findNames('$a ${b?{$c}:{${d:$e}}} ${{$f} == {x}} $$g', (name) => names.push(name))
  assert.deepEqual(names, ['a', 'b', 'c', 'd', 'e', 'f'])
  names.length = 0
  findNames('$a ${b?{$c} $d} $e', (name) => names.push(name), (text) => names.push(text))
  assert.deepEqual(names, ['a', 'b', 'c', '":" expected at: "...$c}>>>$d"'])
})
