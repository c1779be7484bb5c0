/** Passwords that were right a moment ago: see src/network/sasl/verified.ts. */
import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { localSasl } from '#network/sasl/local.ts'
import { PasswordFile } from '#network/sasl/password-file.ts'
import { sha512Hash } from '#network/sasl/passwords.ts'
import { VerifiedPasswords } from '#network/sasl/verified.ts'
import { FixedClock } from '#system/clock.ts'

const MINUTE_MS = 60_000

/** A password is right when the hash names it. */
function play() {
  const clock = new FixedClock(0)
  return { clock, verified: new VerifiedPasswords(async (password, hash) => hash === `of ${password}`, clock) }
}

test('VerifiedPasswords: a password that was right is known for five minutes, with that hash alone', async () => {
  const { clock, verified } = play()
  assert.equal(verified.knows('secret', 'of secret'), false)
  assert.equal(await verified.verify('secret', 'of secret'), true)
  assert.equal(verified.knows('secret', 'of secret'), true)
  assert.equal(verified.knows('secret', 'of another'), false)
  assert.equal(verified.knows('secre', 'of secret'), false)
  clock.advance(5 * MINUTE_MS - 1)
  assert.equal(verified.knows('secret', 'of secret'), true)
  clock.advance(1)
  assert.equal(verified.knows('secret', 'of secret'), false)
})

test('VerifiedPasswords: a wrong password is verified each time', async () => {
  const { verified } = play()
  assert.equal(await verified.verify('wrong', 'of secret'), false)
  assert.equal(verified.knows('wrong', 'of secret'), false)
})

test('VerifiedPasswords: no more than 10,000 are kept, the latest', async () => {
  const { verified } = play()
  for (let i = 0; i <= 10_000; i++) await verified.verify(String(i), `of ${i}`)
  assert.equal(verified.knows('0', 'of 0'), false)
  assert.equal(verified.knows('1', 'of 1'), true)
  assert.equal(verified.knows('10000', 'of 10000'), true)
})

test('localSasl(): a user logs in again, not with a wrong password, and not with one that was changed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-sasl-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'users')
  writeFileSync(path, `carol:${sha512Hash('secret')}\n`)
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const server = localSasl(new PasswordFile(path), '')
  const peer = { clientAddress: '', clientPort: '', serverAddress: '', serverPort: '', helo: undefined, secured: true }
  const login = async (password: string): Promise<string> => {
    const step = await server.exchange('PLAIN', peer, []).start(Buffer.from(`\0carol\0${password}`).toString('base64'))
    return step.kind
  }
  assert.deepEqual([await login('secret'), await login('secret'), await login('wrong')], ['done', 'done', 'failed'])
  writeFileSync(`${path}.new`, `carol:${sha512Hash('changed')}\n`)
  renameSync(`${path}.new`, path)
  now += 2000
  assert.deepEqual([await login('secret'), await login('changed'), await login('changed')], ['failed', 'done', 'done'])
})
