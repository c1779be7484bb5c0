/** Mailboxes on a real file system: see src/deliver/mailbox. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { deliverMaildir } from '#deliver/mailbox/maildir.ts'
import { MailboxError } from '#deliver/mailbox/error.ts'
import { deliverMbox, type MboxOptions } from '#deliver/mailbox/mbox.ts'
import { flock } from '#system/posix.ts'
import { isRoot } from '#system/users.ts'

const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
const LOCKS = { styles: new Set(['fcntl', 'dotlock']), attempts: 3, delayMs: 5, staleMs: 60_000 }
/** A user who is not the administrator. */
const OTHER = 65_534
const MAILDIR = { sizeMax: 0, status: '5.2.0' } as const
const OPTIONS: MboxOptions = { owner, locks: LOCKS, sizeMax: 0, strictOwner: true, status: '5.2.0' }
const chunk = (text: string) => [Buffer.from(text)]

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'posthorn-mailbox-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

test('deliverMaildir() makes the Maildir and leaves one file in new/, none in tmp/', async () => {
  await using dir = await folder()
  await deliverMaildir(`${dir.path}/a/b/`, chunk('hello\n'), owner, MAILDIR)
  assert.deepEqual(await readdir(`${dir.path}/a/b`), ['cur', 'new', 'tmp'])
  assert.deepEqual(await readdir(`${dir.path}/a/b/tmp`), [])
  const [name = ''] = await readdir(`${dir.path}/a/b/new`)
  assert.match(name, /^\d+\.V[0-9a-f]+I[0-9a-f]+M\d+\./)
  assert.equal(await readFile(`${dir.path}/a/b/new/${name}`, 'utf8'), 'hello\n')
  assert.equal(fs.statSync(`${dir.path}/a/b/new/${name}`).mode & 0o777, 0o600)
})

test('deliverMaildir() leaves nothing behind when the message is too large', async () => {
  await using dir = await folder()
  await assert.rejects(deliverMaildir(`${dir.path}/`, chunk('hello\n'), owner, { ...MAILDIR, sizeMax: 3 }), { status: '5.2.2' })
  assert.deepEqual([...await readdir(`${dir.path}/tmp`), ...await readdir(`${dir.path}/new`)], [])
})

test('deliverMaildir() gives many deliveries of one moment names of their own', async () => {
  await using dir = await folder()
  await Promise.all(Array.from({ length: 50 }, (_, i) => deliverMaildir(dir.path, chunk(`${i}\n`), owner, MAILDIR)))
  assert.equal((await readdir(`${dir.path}/new`)).length, 50)
})

test('deliverMbox() appends whole messages, also when several come at once', async () => {
  await using dir = await folder()
  const path = `${dir.path}/box`
  await Promise.all(['a', 'b', 'c'].map((c) => deliverMbox(path, [Buffer.from(c.repeat(70_000)), Buffer.from('\n')], OPTIONS)))
  const text = await readFile(path, 'utf8')
  assert.match(text, /^(?:a{70000}\n|b{70000}\n|c{70000}\n){3}$/)
  assert.deepEqual(await readdir(dir.path), ['box'])
})

test('deliverMbox() cuts the file to its old length when it fails', async () => {
  await using dir = await folder()
  const path = `${dir.path}/box`
  await deliverMbox(path, chunk('first\n'), OPTIONS)
  await assert.rejects(deliverMbox(path, chunk('second\n'), { ...OPTIONS, sizeMax: 10 }), MailboxError)
  assert.equal(await readFile(path, 'utf8'), 'first\n')
})

test('deliverMbox() gives way to a lock file, and to none that is forgotten', async () => {
  await using dir = await folder()
  const path = `${dir.path}/box`
  await writeFile(`${path}.lock`, '')
  await assert.rejects(deliverMbox(path, chunk('x\n'), OPTIONS), { status: '4.2.0' })
  await deliverMbox(path, chunk('x\n'), { ...OPTIONS, locks: { ...LOCKS, staleMs: -1 } })
  assert.equal(await readFile(path, 'utf8'), 'x\n')
})

test('deliverMbox() refuses links, executables and directories', async () => {
  await using dir = await folder()
  await writeFile(`${dir.path}/real`, '')
  fs.symlinkSync(`${dir.path}/real`, `${dir.path}/link`)
  // The administrator's own links are followed.
  if (isRoot()) fs.lchownSync(`${dir.path}/link`, OTHER, OTHER)
  await assert.rejects(deliverMbox(`${dir.path}/link`, chunk('x'), OPTIONS), /symbolic link/)
  fs.linkSync(`${dir.path}/real`, `${dir.path}/second`)
  await assert.rejects(deliverMbox(`${dir.path}/real`, chunk('x'), OPTIONS), /file has 2 hard links/)
  await writeFile(`${dir.path}/tool`, '', { mode: 0o700 })
  await assert.rejects(deliverMbox(`${dir.path}/tool`, chunk('x'), { ...OPTIONS, anyFile: true }), /executable/)
  assert.equal(fs.statSync(`${dir.path}/real`).size, 0)
})

function withLocks(...styles: string[]): MboxOptions {
  return { ...OPTIONS, locks: { ...LOCKS, styles: new Set(styles) } }
}

test('deliverMbox() takes the locks that mailbox_delivery_lock names, and no other', async () => {
  await using dir = await folder()
  const path = `${dir.path}/box`
  await writeFile(path, '')
  const fd = fs.openSync(path, 'r+')
  try {
    flock(fd, 'exclusive', false)
    await assert.rejects(deliverMbox(path, chunk('x\n'), withLocks('flock')), { status: '4.2.0', message: /unable to lock/ })
    await deliverMbox(path, chunk('1\n'), withLocks('fcntl', 'dotlock'))
  } finally {
    fs.closeSync(fd)
  }
  await deliverMbox(path, chunk('2\n'), withLocks('flock'))
  await writeFile(`${path}.lock`, '')
  await assert.rejects(deliverMbox(path, chunk('x\n'), withLocks('flock', 'dotlock')), { status: '4.2.0', message: /lock file/ })
  await deliverMbox(path, chunk('3\n'), withLocks('flock', 'fcntl'))
  assert.equal(await readFile(path, 'utf8'), '1\n2\n3\n')
})

test('deliverMbox() writes to a device without locks', async () => {
  await deliverMbox('/dev/null', chunk('x\n'), { ...OPTIONS, anyFile: true, locks: { ...LOCKS, styles: new Set(['dotlock', 'fcntl', 'flock']) } })
  assert.equal(fs.existsSync('/dev/null.lock'), false)
})
