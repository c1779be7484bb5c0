/** Running commands: see src/deliver/command/run.ts. They are those of every system, with short input. */
import assert from 'node:assert/strict'
import { userInfo } from 'node:os'
import { test } from 'node:test'
import { getpwnam, isRoot } from '#system/users.ts'
import { runCommand, type CommandRequest } from '#deliver/command/run.ts'

const owner = (isRoot() ? getpwnam('nobody') : undefined) ?? userInfo()

function run(words: readonly string[], options: Partial<CommandRequest> = {}) {
  return runCommand({
    words, owner, environment: { PATH: '/bin:/usr/bin' }, directory: '/', input: [Buffer.from('hello\n')], timeLimitMs: 20_000, ...options,
  })
}

test('runCommand() gives the message to the command and keeps what it says', async () => {
  assert.deepEqual(await run(['cat']), { kind: 'exit', code: 0, output: 'hello\n' })
  assert.deepEqual(await run(['sh', '-c', 'echo out; echo err >&2; exit 67']), { kind: 'exit', code: 67, output: 'out\nerr\n' })
})

test('runCommand() passes no environment but the given one, and no rights of root', async () => {
  const { output } = await run(['sh', '-c', 'echo $FOO-$HOME-$(id -u)'], { environment: { PATH: '/bin:/usr/bin', FOO: 'bar' } })
  assert.equal(output, `bar--${owner.uid}\n`)
})

test('runCommand() ends a command, and all that it started, at the time limit', async () => {
  const { kind } = await run(['sh', '-c', 'sleep 600 & sleep 600'], { timeLimitMs: 50 })
  assert.equal(kind, 'timeout')
})

test('runCommand() does not mind a command that does not read, however long the message', async () => {
  const input = Array.from({ length: 100 }, () => Buffer.alloc(65_536))
  assert.deepEqual(await run(['true'], { input }), { kind: 'exit', code: 0, output: '' })
})

test('runCommand() tells of a signal, and of a command that does not exist', async () => {
  assert.deepEqual(await run(['sh', '-c', 'kill -9 $$']), { kind: 'signal', code: 9, output: '' })
  const missing = await run(['/nonexistent/command'])
  assert.equal(missing.code, 127)
})

test('runCommand() refuses to be root', { skip: isRoot() ? false : 'only root can try' }, async () => {
  await assert.rejects(run(['true'], { owner: { uid: 0, gid: 0 } }), /rights of root/)
})
