/** test/compat.tsv: one row per feature of Postfix, and a test behind every "yes". */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

type Row = { readonly line: number; readonly feature: string; readonly tier: string; readonly status: string; readonly tests: string[] }

function readRows(): Row[] {
  const lines = readFileSync('test/compat.tsv', 'utf8').trimEnd().split('\n')
  assert.equal(lines[0], 'feature\ttier\tstatus\ttest')
  return lines.slice(1).map((text, i) => {
    const [feature = '', tier = '', status = '', tests = ''] = text.split('\t')
    return { line: i + 2, feature, tier, status, tests: tests.split(' ').filter((name) => name !== '') }
  })
}

test('compat.tsv: every row has a feature, a tier and a status', () => {
  for (const { line, feature, tier, status } of readRows()) {
    assert.match(feature, /^\d+[a-z]? ./, `line ${line}`)
    assert.match(tier, /^[123]$/, `line ${line}`)
    assert.match(status, /^(?:yes|partial|no)$/, `line ${line}`)
  }
})

test('compat.tsv: no feature stands twice', () => {
  const names = readRows().map(({ feature }) => feature)
  assert.deepEqual(names.filter((name, i) => names.indexOf(name) !== i), [])
})

test('compat.tsv: every "yes" and "partial" names a test file that exists', () => {
  const wrong = readRows().filter(({ status, tests }) => status !== 'no' && tests.length === 0)
  assert.deepEqual(wrong.map(({ line, feature }) => `${line}: ${feature}`), [])
  const missing = readRows().flatMap(({ line, tests }) => tests.filter((file) => !existsSync(file)).map((file) => `${line}: ${file}`))
  assert.deepEqual(missing, [])
})
