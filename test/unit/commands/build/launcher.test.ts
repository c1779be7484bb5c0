/** The scripts of dist/bin, with a stand-in for Node.js that tells what it was given: see src/commands/build/launcher.ts. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { launcher } from '#commands/build/launcher.ts'

const top = mkdtempSync(join(tmpdir(), 'posthorn-launcher-'))
after(() => rmSync(top, { recursive: true }))
for (const folder of ['dist/bin', 'node/bin', 'sbin']) mkdirSync(join(top, folder), { recursive: true })
put('dist/bin/postconf', launcher('commands/postconf'))
put('node/bin/node', '#!/bin/sh\necho "$POSTHORN_ARGV0|$NODE_OPTIONS"\n')
symlinkSync(join(top, 'dist/bin/postconf'), join(top, 'sbin/postconf'))

function put(path: string, text: string): void {
  writeFileSync(join(top, path), text)
  chmodSync(join(top, path), 0o755)
}

/** What the program learns of how it was called. */
function called(command: string, path = '/usr/bin:/bin'): string {
  const env = { PATH: path, NODE_OPTIONS: '--require /tmp/evil' }
  return spawnSync('/bin/sh', ['-c', command], { cwd: top, env, encoding: 'utf8' }).stdout.trim()
}

test('launcher() tells the name as it was typed: with the path, or without where PATH has it', () => {
  const bin = join(top, 'dist/bin')
  assert.equal(called(`${bin}/postconf`), `${bin}/postconf|`)
  assert.equal(called('dist/bin/postconf'), 'dist/bin/postconf|')
  assert.equal(called('./dist/bin/postconf'), './dist/bin/postconf|')
  assert.equal(called('postconf', `/usr/bin:/bin:${bin}`), 'postconf|')
  assert.equal(called('postconf', `${join(top, 'sbin')}:/usr/bin:/bin`), 'postconf|')
  assert.equal(called(`${top}/sbin/postconf`), `${top}/sbin/postconf|`)
})
