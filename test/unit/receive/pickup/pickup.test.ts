/** pickup on a real directory: what it takes, sets aside, keeps. */
import assert from 'node:assert/strict'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inputBytes, queueBytes, recordTexts, testSpool, type Input } from '#test/support/cleanup.ts'
import { captureLog } from '#test/support/log.ts'
import { runPickup, writeMaildrop } from '#test/support/pickup.ts'

const NAME = 'A1B2C3D4E5F6'
const ENVELOPE = ['T 1795168578 1', 'A rewrite_context=local', 'S alice', 'R bob@example.net']
const MAIL: Input = { envelope: ENVELOPE, content: 'Subject: x\n\nbody' }

test('pickup puts mail into the incoming queue and adds a trace line [RFC 5321 §4.4]', async () => {
  using captured = captureLog('postfix/pickup')
  using queue = testSpool({ content_filter: 'scan:', mail_name: 'Posthorn' })
  const path = writeMaildrop(queue.path, { name: NAME, bytes: inputBytes(MAIL) })
  const [id = ''] = await runPickup(queue.config)
  assert.ok(!existsSync(path))
  const uid = process.getuid?.()
  assert.ok(captured.texts().includes(`${id}: uid=${uid} from=<alice>`))
  const records = recordTexts(queueBytes(queue.spool, 'incoming', id))
  assert.ok(records.includes('L scan:'))
  assert.ok(records.includes(`N Received: by mail.example.org (Posthorn, from userid ${uid})`))
})

test('pickup leaves files that are not complete, and names that are no queue ids', async () => {
  using _ = captureLog()
  using queue = testSpool()
  writeMaildrop(queue.path, { name: NAME, bytes: inputBytes(MAIL), mode: 0o644 })
  writeMaildrop(queue.path, { name: '12345.678', bytes: inputBytes(MAIL) })
  assert.deepEqual(await runPickup(queue.config), [])
  assert.equal(readdirSync(join(queue.path, 'maildrop')).length, 2)
})

test('pickup follows no link and opens no folder', async () => {
  using captured = captureLog()
  using queue = testSpool()
  const secret = join(queue.path, 'secret')
  writeFileSync(secret, inputBytes(MAIL), { mode: 0o744 })
  symlinkSync(secret, join(queue.path, 'maildrop', NAME))
  mkdirSync(join(queue.path, 'maildrop', 'FEDCBA'))
  assert.deepEqual(await runPickup(queue.config), [])
  assert.deepEqual(captured.texts().filter((line) => line.includes('not a regular file')).length, 2)
  linkSync(secret, join(queue.path, 'maildrop', 'ABCDEF'))
  assert.equal((await runPickup(queue.config)).length, 1, 'a second name is a file like others')
})

test('pickup sets damaged files aside', async () => {
  const whole = inputBytes(MAIL)
  const cases: readonly (readonly [string, Uint8Array, number])[] = [
    ['cut within a record', whole.subarray(0, 30), -1],
    ['cut between records', whole.subarray(0, 18), -1],
    ['wrong record in the envelope', inputBytes({ ...MAIL, envelope: ['X'] }), 88],
    ['wrong record in the content', inputBytes({ ...MAIL, content: [['N', 'a'], ['R', 'x']] }), 82],
    ['no sender', inputBytes({ ...MAIL, envelope: ['T 1 1', 'R a'] }), 0],
    ['too long a record', inputBytes({ ...MAIL, content: 'x'.repeat(3000) }), -1],
    ['text', Buffer.from('Subject: hello\n\nworld\n'), -1],
  ]
  for (const [title, bytes, type] of cases) {
    using captured = captureLog()
    using queue = testSpool()
    writeMaildrop(queue.path, { name: NAME, bytes })
    assert.deepEqual(await runPickup(queue.config), [], title)
    assert.deepEqual(Buffer.from(readFileSync(join(queue.path, 'corrupt', NAME))), Buffer.from(bytes), title)
    assert.deepEqual(readdirSync(join(queue.path, 'incoming')), [], title)
    const uid = process.getuid?.()
    assert.ok(captured.texts().some((line) => line.startsWith(`warning: uid=${uid}: unexpected or malformed record type ${type}`)), `${title}: ${captured.texts().join('\n')}`)
  }
})

test('pickup keeps mail that cannot be queued now, and drops what never can', async () => {
  using captured = captureLog()
  using queue = testSpool({ canonical_maps: 'fail:later' })
  const kept = writeMaildrop(queue.path, { name: NAME, bytes: inputBytes(MAIL) })
  assert.deepEqual(await runPickup(queue.config), [])
  assert.ok(existsSync(kept))
  assert.ok(captured.texts().some((line) => line.startsWith(`warning: maildrop/${NAME}: error writing `)))
  using other = testSpool()
  const hopeless = writeMaildrop(other.path, { name: NAME, bytes: inputBytes({ ...MAIL, envelope: ENVELOPE.slice(0, 3) }) })
  assert.deepEqual(await runPickup(other.config), [])
  assert.ok(!existsSync(hopeless))
})

test('pickup takes many files in one scan', async () => {
  using _ = captureLog()
  using queue = testSpool()
  for (let i = 0; i < 50; i++) writeMaildrop(queue.path, { name: `AAAAA${i}`, bytes: inputBytes(MAIL) })
  assert.equal((await runPickup(queue.config)).length, 50)
  assert.deepEqual(readdirSync(join(queue.path, 'maildrop')), [])
})
