/** Password hashes and the password file: see src/network/sasl. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { PasswordFile, changeUser, parseUsers } from '#network/sasl/password-file.ts'
import { argon2Hash, isPasswordHash, sha512Hash, verifyPassword } from '#network/sasl/passwords.ts'

/** Made by crypt(3). */
const VECTORS: readonly (readonly [password: string, hash: string])[] = [
  [
    'Hello world!',
    '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
  ],
  ['secret', '$5$abc$qsg6EHbUzHQzF1POlD7zUwBINSELQxypPaeDcZe6vH0'],
  ['secret', '$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a'],
  ['secret', '$y$j9T$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.'],
]

test('verifyPassword() takes the hashes of crypt(3)', async () => {
  for (const [password, hash] of VECTORS) {
    assert.equal(await verifyPassword(password, hash), true, hash)
    assert.equal(await verifyPassword(`${password}x`, hash), false, hash)
  }
})

test('verifyPassword() takes what sha512Hash() and argon2Hash() make, and nothing else', async () => {
  for (const hash of [sha512Hash('secret'), await argon2Hash('secret')]) {
    assert.equal(isPasswordHash(hash), true, hash)
    assert.equal(await verifyPassword('secret', hash), true, hash)
    assert.equal(await verifyPassword('Secret', hash), false)
    assert.equal(await verifyPassword('', hash), false)
  }
  assert.notEqual(sha512Hash('secret'), sha512Hash('secret'))
})

test('verifyPassword() refuses hashes that it cannot read, and costs beyond reason', async () => {
  const cases = [
    '', 'secret', '{PLAIN}secret', 'aaQSqAReePlq6', '$6$', '$99$x$y', '*', '!',
    '$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$c2VjcmV0c2VjcmV0c2VjcmV0',
    '$argon2id$v=19$m=8,t=4000000,p=1$c2FsdHNhbHQ$c2VjcmV0c2VjcmV0c2VjcmV0',
  ]
  for (const hash of cases) assert.equal(await verifyPassword('secret', hash), false, hash)
})

test('parseUsers() reads user and hash, and leaves comments out', () => {
  assert.deepEqual([...parseUsers('# users\nbob:$6$a$b\nal:$y$c:more:fields\n\nnohash:\n:x\nbob:$6$d$e\n')],
    [['bob', '$6$d$e'], ['al', '$y$c']])
})

test('changeUser() sets, replaces and removes one user and keeps the rest', () => {
  assert.equal(changeUser('', 'bob', 'x'), 'bob:x\n')
  assert.equal(changeUser('# c\nal:a\nbob:b\neve:e\n', 'bob', 'x'), '# c\nal:a\nbob:x\neve:e\n')
  assert.equal(changeUser('al:a\nbob:b\n', 'eve', 'e'), 'al:a\nbob:b\neve:e\n')
  assert.equal(changeUser('al:a\nbob:b\n', 'bob', undefined), 'al:a\n')
  assert.equal(changeUser('bob:b\n', 'bob', undefined), '')
})

test('PasswordFile tells a missing file, and keeps the users of one that went away', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-passwords-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'users')
  const missing = new PasswordFile(path).users()
  assert.deepEqual(missing, { kind: 'error', reason: `open password file ${path}: No such file or directory` })
  writeFileSync(path, 'bob:x\n')
  const file = new PasswordFile(path)
  assert.deepEqual(file.users(), { kind: 'users', hashes: new Map([['bob', 'x']]) })
})
