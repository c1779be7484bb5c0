/**
 * Nothing needs root: whole-system cases once more, with all of the system and the test itself run by an ordinary user.
 *
 * When the suite is not run by root, the files themselves are this test.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { asUser, type Identity } from '#system/as-user.ts'
import { getpwnam, isRoot } from '#system/users.ts'

const FILES = ['first-mail', 'doors', 'transports', 'aliases', 'retry', 'rules']
const USER = 'nobody'
/** Of the report of node:test. */
const FAILED = /^# fail (\d+)$/m
const PASSED = /^# pass (\d+)$/m

/** Whether a user can read this repository: one below /root stays closed. */
function canRead(user: Identity): boolean {
  try {
    asUser(user, () => closeSync(openSync(import.meta.filename, 'r')))
    return true
  } catch {
    return false
  }
}

async function runAs(user: Identity, file: string): Promise<string> {
  // A test that runs inside another reports to it, by a variable of the environment.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  const child = spawn(process.execPath, [
    '--test', '--test-reporter=tap', join(import.meta.dirname, `${file}.test.ts`),
  ], {
    uid: user.uid, gid: user.gid, env: { ...env, HOME: '/' }, stdio: ['ignore', 'pipe', 'inherit'],
  })
  let report = ''
  child.stdout.on('data', (chunk: Buffer) => (report += chunk.toString()))
  await new Promise((resolve) => child.on('close', resolve))
  return report
}

for (const file of FILES) {
  test(`an ordinary user runs the whole system: ${file}`, async (t) => {
    const user = getpwnam(USER)
    if (!isRoot() || !user) {
      t.skip('only root can become another user; the file itself was run without its rights')
      return
    }
    if (!canRead(user)) {
      t.skip(`${USER} cannot read ${import.meta.dirname}`)
      return
    }
    const report = await runAs(user, file)
    assert.equal(FAILED.exec(report)?.[1], '0', report)
    assert.ok(Number(PASSED.exec(report)?.[1]) > 0, report)
  })
}
