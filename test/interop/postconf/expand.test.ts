/** Expressions of main.cf: what the real `postconf -x` makes of them, ours makes of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createConfigSite, runPostconf, runRealPostconf } from '#test/support/postconf.ts'
import { judgeAbsent } from '#test/support/real-postfix.ts'
import { damaged, DEFINITIONS, wellFormed } from './expressions.ts'

const BATCHES = 4
const BATCH_SIZE = 600
const SEED = Number(process.env['EXPRESSION_SEED'] ?? 20_261_120)

function definitions(expressions: readonly string[]): string {
  return DEFINITIONS + expressions.map((text, i) => `e${i} = ${text}\n`).join('')
}

function problems(lines: readonly string[]): string[] {
  return lines.filter((line) => !line.includes('unused parameter')).toSorted()
}

for (let batch = 0; batch < BATCHES; batch++) {
  test(`expansion agrees with the real postconf -x on ${BATCH_SIZE} generated expressions (${batch + 1} of ${BATCHES})`, async (t) => {
    const absent = judgeAbsent()
    if (absent !== undefined) return t.skip(absent)
    const expressions = fc.sample(wellFormed, { seed: SEED + batch, numRuns: BATCH_SIZE })
    const names = expressions.map((_, i) => `e${i}`)
    using site = createConfigSite({ 'main.cf': definitions(expressions), 'master.cf': '' })
    const ours = await runPostconf(site.directory, '-x', ...names)
    const real = await runRealPostconf(site.directory, '-x', ...names)
    assert.equal(real.status, 0, real.err.filter((line) => !line.includes('undefined')).join('\n'))
    const shown = real.out.split('\n')
    for (const [i, line] of ours.out.split('\n').entries()) assert.equal(line, shown[i], expressions[i] ?? 'the end')
    assert.deepEqual(ours.err.toSorted(), real.err.toSorted())
  })

  test(`what is wrong with generated expressions is said as the real one says it (${batch + 1} of ${BATCHES})`, async (t) => {
    const absent = judgeAbsent()
    if (absent !== undefined) return t.skip(absent)
    const expressions = fc.sample(damaged, { seed: SEED + batch, numRuns: BATCH_SIZE })
    using site = createConfigSite({ 'main.cf': definitions(expressions), 'master.cf': '' })
    // Without -x, names that nothing uses are looked through to the end: one run shows the errors of all.
    const ours = await runPostconf(site.directory, '-n')
    const real = await runRealPostconf(site.directory, '-n')
    assert.deepEqual(problems(ours.err), problems(real.err))
    assert.deepEqual(ours, { ...real, err: ours.err })
  })
}
/** Each of these makes the real one wait a second. */
const MALFORMED = [
  '${va', '$ x', '${}', '${a-b}', '${va+x}', '${{a} ~ {b}}', '${{a}}', '${{a} == b}', '${{a} == {b} {c}}',
  '${va?{a} x}', '${va?{a}:{b} x}', '${va:{a}?{b}}', '${{a} <foo {b}}', '${nosuchfn{x}}',
  '${domain_to_ascii{a}?{b}}', '${{a} <level {3}}', '$relayhost', '${{99999999999999999999} > {1}}', '$va}', '$(va}',
  '$la', '${la?{$lb}}', '$lb', '${va+} $nosuch ${', '${{${va+}} == {${va-}}}', '${va?{${va+}}:{$} x', '${empty:${va?{a} b}} $',
]

test('expressions that the real postconf refuses are refused in its words', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  await Promise.all(MALFORMED.map(async (text) => {
    using site = createConfigSite({ 'main.cf': `va = x\nempty =\nla = $lb\nlb = x $la\nrelayhost = ${text}\n`, 'master.cf': '' })
    const ours = await runPostconf(site.directory, '-x', 'relayhost')
    const real = await runRealPostconf(site.directory, '-x', 'relayhost')
    assert.deepEqual({ ...ours, err: ours.err.toSorted() }, { ...real, err: real.err.toSorted() }, text)
  }))
})
