/** Process 1 of a container: `postfix start-fg` in a process namespace of its own. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRoot } from '#system/users.ts'
import { sendMail } from '#test/support/smtp-client.ts'
import { createSystem, eventually } from '#test/support/system.ts'

const POSTFIX = join(import.meta.dirname, '../../src/commands/postfix/main.ts')

/** The process that `unshare` has started: 1 inside, another number here. */
function childOf(pid: number): number | undefined {
  const found = spawnSync('pgrep', ['-P', String(pid)]).stdout.toString().trim()
  return found === '' ? undefined : Number(found.split('\n')[0])
}

test('master is process 1: it serves, collects orphans, and stops in order', async (t) => {
  if (!isRoot() || spawnSync('unshare', ['-pf', '--mount-proc', 'true']).status !== 0) return t.skip('process namespaces need root and unshare')
  await using system = await createSystem({ master: ['postlog unix-dgram n - n - 1 postlogd'] })
  const outer = spawn('unshare', ['-pf', '--mount-proc', process.execPath, POSTFIX, '-c', system.etc, 'start-fg'], { stdio: 'ignore' })
  t.after(() => outer.kill('SIGKILL'))
  await system.waitForLog(/master\[1\]: daemon started/)
  const inner = await eventually('process 1', () => childOf(outer.pid ?? 0))
  assert.match(await sendMail(system.port('smtp'), 'a@example.com', ['b@example.org'], 'Subject: x\n\nhello'), /^250 /)
  await system.waitForLog(/: removed/)
  // A shell that ends before its child makes the child an orphan of process 1.
  spawnSync('nsenter', ['-t', String(inner), '-p', '-m', 'sh', '-c', '(exec sleep 0.1) & exit 0'])
  await eventually('no zombies', () => {
    const states = spawnSync('nsenter', ['-t', String(inner), '-p', '-m', 'ps', '-eo', 'stat,comm']).stdout.toString()
    return /sleep/.test(states) ? undefined : states
  })
  const ended = new Promise((resolve) => outer.on('exit', resolve))
  process.kill(inner, 'SIGTERM')
  assert.equal(await ended, 0)
  await system.waitForLog(/master\[1\]: terminating on signal 15/)
  return undefined
})
