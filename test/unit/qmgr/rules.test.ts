/** What the configuration says of transports: see src/qmgr/rules.ts. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { transportRules } from '#qmgr/rules.ts'

/** A configuration with these lines of master.cf; none: without the file. */
function rulesWith(masterLines: readonly string[] | undefined, values: Record<string, string> = {}): ReturnType<typeof transportRules> {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-rules-'))
  try {
    if (masterLines !== undefined) writeFileSync(join(folder, 'master.cf'), masterLines.map((line) => `${line}\n`).join(''))
    return transportRules(configFrom(values, folder))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('transportRules() takes the process limit from master.cf; the last line of a service counts', () => {
  const rules = rulesWith([
    'smtp inet n - n - 7 smtpd', 'smtp unix - - n - - smtp', 'slow unix - - n - 2 smtp', 'slow unix - - n - 3 smtp', 'free unix - - n - 0 smtp',
  ], { default_process_limit: '40' })
  assert.deepEqual(['smtp', 'slow', 'free', 'absent'].map((name) => rules(name).processLimit), [40, 3, 0, 0])
})

test('transportRules() without a master.cf knows no process limits', () => {
  assert.equal(rulesWith(undefined)('smtp').processLimit, 0)
})

test('transportRules() prefers the parameter of a transport to the default', () => {
  const rules = rulesWith([], { slow_destination_concurrency_limit: '3', default_destination_concurrency_limit: '30' })
  assert.deepEqual([rules('slow').limit, rules('smtp').limit], [3, 30])
})
