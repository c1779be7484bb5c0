/** Commands with a message on their input: see src/deliver/command/run.ts. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand, type CommandRequest } from '#deliver/command/run.ts'
import { getpwnam, isRoot } from '#system/users.ts'

const nobody = getpwnam('nobody')
const OWNER = isRoot() && nobody ? nobody : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }

function run(script: string, more: Partial<CommandRequest> = {}): ReturnType<typeof runCommand> {
  return runCommand({
    agent: 'local', words: ['/bin/sh', '-c', script], owner: OWNER, environment: { PATH: '/bin:/usr/bin' }, directory: '/', input: [Buffer.from('text\n')],
    timeLimitMs: 20_000, ...more,
  })
}

function* broken(): Generator<Uint8Array> {
  yield Buffer.from('the first half')
  throw new Error('damaged')
}

test('runCommand() gives the message to the command, and its output back', async () => {
  assert.deepEqual(await run('cat; echo and more >&2'), { kind: 'exit', code: 0, output: 'text\nand more\n' })
})

test('runCommand() tells exit status, signal and time limit apart', async () => {
  assert.deepEqual(await run('exit 75'), { kind: 'exit', code: 75, output: '' })
  assert.deepEqual(await run('kill -9 $$'), { kind: 'signal', code: 9, output: '' })
  assert.deepEqual(await run('echo slow; sleep 60', { timeLimitMs: 300 }), { kind: 'timeout', code: 0, output: 'slow\n' })
})

test('runCommand() does not mind a command that reads nothing', async () => {
  const large = Array.from({ length: 64 }, () => Buffer.alloc(65_536))
  assert.deepEqual(await run('exec 0<&-; exit 0', { input: large }), { kind: 'exit', code: 0, output: '' })
})

test('runCommand() ends a command whose input breaks off, so that half a message is never taken for a whole one', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-run-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const script = `cat > /dev/null; touch ${folder}/done`
  await assert.rejects(run(script, { input: broken() }), /damaged/)
  assert.equal(existsSync(join(folder, 'done')), false)
})

test('runCommand() tells why a command cannot be started', async () => {
  const { kind, code, output } = await run('', { words: ['/no/such/program'] })
  assert.deepEqual([kind, code], ['exit', 75])
  assert.equal(output, 'local: fatal: execvp /no/such/program: No such file or directory\n')
})

test('runCommand() never runs a command as root', async (t) => {
  if (!isRoot()) return t.skip('only root could')
  await assert.rejects(run('true', { owner: { uid: 0, gid: 0 } }), /refusing to run a command with the rights of root/)
})
