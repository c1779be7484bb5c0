/** Expressions of main.cf: what the real `postconf -x` makes of them, ours makes of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createConfigSite, runPostconf, runRealPostconf } from '#test/support/postconf.ts'
import { judgeAbsent } from '#test/support/real-postfix.ts'

const EXPRESSIONS = 400
const SEED = 20261120

const NAMES = ['va', 'vb', 'vc', 'empty', 'nosuch', 'mydomain', 'compatibility_level'] as const

/** Definitions that the expressions refer to. */
const DEFINITIONS = 'va = x\nvb = $va$va\nvc = 10\nempty =\ncompatibility_level = 3.6\n'

const literal = fc.stringMatching(/^[a-z0-9.,:?@ -]{0,6}$/)
const plain = fc.stringMatching(/^[a-z0-9.]{0,4}$/)
const name = fc.constantFrom(...NAMES)
const operator = fc.constantFrom('==', '!=', '<', '<=', '>', '>=')

const { expression } = fc.letrec<{ expression: string; piece: string; branch: string; operand: string }>((tie) => ({
  expression: fc.array(tie('piece'), { minLength: 1, maxLength: 3, depthIdentifier: 'depth' })
    .map((pieces) => pieces.join('')),
  piece: fc.oneof(
    { depthIdentifier: 'depth', maxDepth: 4, withCrossShrink: true },
    literal,
    fc.constant('$$'),
    name.map((one) => `\${${one}}`),
    name.map((one) => `$(${one})`),
    fc.tuple(name, fc.constantFrom('?', ':'), plain).map(([one, op, text]) => `\${${one}${op}${text}}`),
    fc.tuple(name, fc.constantFrom('?', ':'), tie('branch')).map(([one, op, text]) => `\${${one}${op}{${text}}}`),
    fc.tuple(name, tie('branch'), tie('branch')).map(([one, a, b]) => `\${ ${one} ? {${a}} : {${b}}}`),
    fc.tuple(tie('operand'), operator, tie('operand'), tie('branch'), tie('branch'))
      .map(([a, op, b, yes, no]) => `\${{${a}} ${op} {${b}} ? {${yes}}:{${no}}}`),
    fc.tuple(fc.constantFrom('2', '3.6', '3.10', '$compatibility_level'), fc.constantFrom('<', '<=', '==', '>'), plain)
      .map(([level, op, text]) => `\${{${level}} ${op}level {3.6} ? {${text}}}`),
    fc.stringMatching(/^[a-z]{0,3}$/).map((text) => `\${domain_to_ascii{${text}\u00fc}}`),
  ),
  branch: tie('expression'),
  operand: fc.oneof(plain, fc.constantFrom('$va', '$vc', '9', '010', ' 9 ', '$empty')),
}))

test('expansion agrees with the real postconf -x on generated expressions', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const expressions = fc.sample(expression, { seed: SEED, numRuns: EXPRESSIONS })
  const names = expressions.map((_, i) => `e${i}`)
  const lines = expressions.map((text, i) => `e${i} = ${text}\n`).join('')
  // One user for each: the real one counts some nesting that is none, and refuses long values.
  const uses = names.map((one) => `use_${one} = $${one}\n`).join('')
  using site = createConfigSite({ 'main.cf': DEFINITIONS + lines + uses, 'master.cf': '' })
  const ours = await runPostconf(site.directory, '-x', ...names)
  const real = await runRealPostconf(site.directory, '-x', ...names)
  assert.equal(real.status, 0, real.err.filter((line) => !line.includes('undefined')).join('\n'))
  const shown = real.out.split('\n')
  for (const [i, line] of ours.out.split('\n').entries()) assert.equal(line, shown[i], expressions[i] ?? 'the end')
  assert.deepEqual(ours.err.toSorted(), real.err.toSorted())
})

/** Each of these makes the real one wait a second. */
const MALFORMED = [
  '${va', '$ x', '${}', '${a-b}', '${va+x}', '${{a} ~ {b}}', '${{a}}', '${{a} == b}', '${{a} == {b} {c}}',
  '${va?{a} x}', '${va?{a}:{b} x}', '${va:{a}?{b}}', '${{a} <foo {b}}', '${nosuchfn{x}}',
  '${domain_to_ascii{a}?{b}}', '${{a} <level {3}}', '$relayhost', '${{99999999999999999999} > {1}}', '$va}', '$(va}',
]

test('expressions that the real postconf refuses are refused in its words', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  await Promise.all(MALFORMED.map(async (text) => {
    using site = createConfigSite({ 'main.cf': `va = x\nrelayhost = ${text}\n`, 'master.cf': '' })
    const ours = await runPostconf(site.directory, '-x', 'relayhost')
    const real = await runRealPostconf(site.directory, '-x', 'relayhost')
    assert.deepEqual({ ...ours, err: ours.err.toSorted() }, { ...real, err: real.err.toSorted() }, text)
  }))
})
