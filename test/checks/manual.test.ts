/** Every program begins with its manual: see src/commands/build/manual.ts. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { test } from 'node:test'
import { manualPage, parseManual } from '#commands/build/manual.ts'

const DAEMON_PARTS = ['Talks to', 'Reads, writes', 'Privileges', 'Diagnostics', 'Standards']
/** Commands that talk to nobody, or follow no standard, need not say so. */
const COMMAND_PARTS = ['Privileges', 'Diagnostics']

test('every main.ts has a header with its name and all parts of a manual', () => {
  const missing: string[] = []
  for (const file of globSync('src/**/main.ts').toSorted()) {
    const manual = parseManual(readFileSync(file, 'utf8'))
    const wanted = file.startsWith('src/commands/') ? COMMAND_PARTS : DAEMON_PARTS
    if (manual?.name !== basename(dirname(file))) missing.push(`${file}: "${basename(dirname(file))}: what it does"`)
    for (const part of wanted) if (!manual?.parts.has(part)) missing.push(`${file}: ${part}`)
  }
  assert.deepEqual(missing, [])
})

test('manualPage() writes man(7), with what roff would take for its own escaped', () => {
  const header = '/**\n * tool: does a thing. And more.\n *\n *     tool [-v] file\n *\n * Long `text`\n * goes on.\n *\n'
    + ' * Privileges:    none,\n *                really.\n * @module\n */\nimport x'
  const manual = parseManual(header) ?? assert.fail()
  assert.equal(manualPage(manual, '1', '1.0'), [
    '.TH TOOL 1 "" "Posthorn 1.0" "Posthorn manual"', '.SH NAME', 'tool \\- does a thing', '.SH SYNOPSIS', '.nf', 'tool [\\-v] file', '.fi',
    '.SH DESCRIPTION', 'does a thing. And more.', '.PP', 'Long \\fBtext\\fR goes on.', '.SH PRIVILEGES', 'none, really.', '',
  ].join('\n'))
})

test('parseManual() of a file without a header is undefined', () => assert.equal(parseManual('import x'), undefined))
