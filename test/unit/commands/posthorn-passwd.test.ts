/** The command for the password file: see src/commands/posthorn-passwd. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CommandExit } from '#commands/getopt.ts'
import { main } from '#commands/posthorn-passwd/main.ts'
import { parseUsers } from '#network/sasl/password-file.ts'
import { verifyPassword } from '#network/sasl/passwords.ts'

type Run = { readonly path: string; readonly out: string[]; readonly run: (...args: string[]) => Promise<number> }

function command(t: TestContext, password = 'secret'): Run {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-passwd-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'main.cf'), 'compatibility_level = 3.11\n')
  const path = join(folder, 'users')
  const out: string[] = []
  const add = (text: string | Uint8Array): void => void out.push(String(text))
  const tools = { console: { out: add, err: add }, readPassword: () => Promise.resolve(password) }
  return { path, out, run: (...args) => main(['-c', folder, '-f', path, ...args], tools) }
}

test('posthorn-passwd sets a password that verifies, in a file that others cannot read', async (t) => {
  const { path, run } = command(t)
  for (const method of ['sha512', 'argon2']) {
    assert.equal(await run('-m', method, 'bob'), 0)
    const hash = parseUsers(readFileSync(path, 'utf8')).get('bob') ?? ''
    assert.match(hash, method === 'sha512' ? /^\$6\$/ : /^\$argon2id\$/)
    assert.equal(await verifyPassword('secret', hash), true)
  }
  assert.equal(statSync(path).mode & 0o007, 0)
})

test('posthorn-passwd lists, tests and removes users', async (t) => {
  const { path, out, run } = command(t)
  assert.equal(await run('-m', 'sha512', 'bob'), 0)
  assert.equal(await run('-m', 'sha512', 'al'), 0)
  assert.equal(await run('-l'), 0)
  assert.deepEqual(out, ['bob\n', 'al\n'])
  assert.equal(await run('-t', 'bob'), 0)
  assert.equal(await run('-d', 'bob'), 0)
  assert.deepEqual([...parseUsers(readFileSync(path, 'utf8')).keys()], ['al'])
  await assert.rejects(run('-d', 'bob'), CommandExit)
  await assert.rejects(run('-t', 'bob'), CommandExit)
})

test('posthorn-passwd refuses what would spoil the file', async (t) => {
  const { run } = command(t)
  for (const user of ['', 'a:b', 'a b', '#a', 'a\nb']) await assert.rejects(
    run('-m', 'sha512', user), CommandExit, user,
  )
  await assert.rejects(run('-m', 'md5', 'bob'), CommandExit)
  await assert.rejects(run(), CommandExit)
  await assert.rejects(command(t, '').run('bob'), CommandExit)
})
