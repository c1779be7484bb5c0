/** What has no effect yet is named: see src/config/parameters/pending.ts. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { isPending } from '#config/parameters/pending.ts'
import { readServices } from '#master/master.ts'
import { captureLog } from '#test/support/log.ts'

test('isPending() knows names, families, and the lmtp_ twin of an smtp_ name', () => {
  const cases = [
    ['in_flow_delay', true], ['postscreen_greet_wait', true], ['lmtp_min_data_rate', true], ['milter_default_action', false],
    ['myhostname', false], ['lmtp_helo_timeout', false],
  ] as const
  for (const [name, expected] of cases) assert.equal(isPending(name), expected, name)
})

test('readServices() warns of what a site sets without effect, in main.cf and by -o, and of nothing else', async () => {
  using log = captureLog()
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-pending-'))
  try {
    writeFileSync(join(directory, 'master.cf'), 'discard unix - - n - - discard -o biff=no\n')
    await readServices(configFrom({ in_flow_delay: '0', notify_classes: 'bounce, protocol', myhostname: 'a.example' }, directory))
    await readServices(configFrom({ notify_classes: 'bounce' }, directory))
  } finally {
    rmSync(directory, { recursive: true })
  }
  const discard = 'warning: master.cf: discard/unix: parameter biff has no effect in this version of Posthorn'
  assert.deepEqual(log.texts(), [
    'warning: main.cf: parameter in_flow_delay has no effect in this version of Posthorn',
    discard, discard,
  ])
})
