/** pickup takes maildrop files as Postfix's does: same queue files, same log. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { loadConfig } from '#config/load.ts'
import { getpwnam } from '#system/users.ts'
import { comparableLog, comparableRecords, judgeAbsent, startJudge, type Judge } from '#test/support/judge.ts'
import { inputBytes, queueBytes, testSpool, TEST_VALUES, type Input } from '#test/support/cleanup.ts'
import { captureLog } from '#test/support/log.ts'
import { runPickup, writeMaildrop, type MaildropFile } from '#test/support/pickup.ts'
import { printable } from '#util/printable.ts'

const NAME = 'A1B2C3D4E5F6'
const NOBODY = 65_534
const WAIT_MS = 20
const ATTEMPTS_MAX = 250
const T = 'T 1795168578 593490'
const ENVELOPE = [T, 'A rewrite_context=local', 'F Full Name', 'S alice', 'R bob@x']

type Case = Omit<MaildropFile, 'name' | 'bytes'> & { readonly name: string; readonly input: Input | Uint8Array; readonly requeued?: boolean }

const CASES: readonly Case[] = [
  { name: 'plain', input: { envelope: ENVELOPE, content: 'Subject: x\n\nbody' } },
  { name: 'old and new', seconds: 1_700_000_000, input: { envelope: ENVELOPE, content: 'Subject: x\n\nbody' } },
  { name: 'from the future', seconds: 4_000_000_000, input: { envelope: ENVELOPE, content: 'Subject: x\n\nbody' } },
  { name: 'begins with a blank', input: { envelope: ENVELOPE, content: ' x\n\nbody' } },
  { name: 'begins with a tab', input: { envelope: ENVELOPE, content: [['L', '\tx'], ['N', '']] } },
  { name: 'empty content', input: { envelope: ENVELOPE, content: [] } },
  { name: 'no time', input: { envelope: ['S a', 'R b'], content: 'x: y\n' } },
  { name: 'all records', input: { envelope: ['C 1 2 3 4 5 33', T, 'A create_time=1', 'L a:b', '> c@d', 'A envelope_id=x', 'S a', 'A notify_flags=2', 'O o', 'R b', 'D done', 'W      1795168600', 'A other=x'], content: 'x: y\n', extracted: ['L a:b', 'A other=x', 'A message_id=<a>', '> c', 'r a', 'e b', 'A dsn_orig_rcpt=a;b', 'R z'] } },
  { name: 'requeued', mode: 0o700, requeued: true, input: { envelope: [T, 'S a', 'R b'], content: 'Received: old\nx: y\n\nbody' } },
  { name: 'null sender', input: { envelope: [T, 'S ', 'R b'], content: 'Subject: x\n\nbody' } },
  { name: 'quoted sender', input: { envelope: [T, 'S a b', 'R b'], content: 'Subject: x\n\nbody' } },
]

async function trigger(path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(path, () => socket.write('W\0'))
    socket.on('error', reject)
    socket.on('end', () => socket.end())
    socket.on('close', () => resolve())
    socket.resume()
  })
}

/** The id that pickup gave the message, from its log. */
function newId(lines: readonly string[]): string {
  return lines.map((line) => /pickup\[\d+\]: ([0-9A-F]{10,}): uid=/.exec(line)?.[1]).find((id) => id !== undefined) ?? ''
}

type Made = { readonly pickup: readonly string[]; readonly cleanup: readonly string[]; readonly records: readonly string[] | undefined }

const withoutAge = (line: string): string => line.replace(/dated \d+ seconds/, 'dated N seconds')

function shown(lines: readonly string[], file: (id: string) => Uint8Array | undefined): Made {
  const id = newId(lines)
  const bytes = id === '' ? undefined : file(id)
  return {
    pickup: comparableLog(lines, id, 'pickup').map(withoutAge),
    cleanup: comparableLog(lines, id, 'cleanup').map(withoutAge),
    records: bytes === undefined ? undefined : comparableRecords(bytes, id),
  }
}

async function theirs(judge: Judge, one: Case, bytes: Uint8Array, uid: number): Promise<Made> {
  const before = judge.log().length
  const path = writeMaildrop(judge.queue, { ...one, name: NAME, bytes, uid })
  await trigger(join(judge.queue, 'public', 'pickup'))
  for (let i = 0; i < ATTEMPTS_MAX && existsSync(path); i++) await delay(WAIT_MS)
  for (let i = 0; i < ATTEMPTS_MAX && !judge.log().slice(before).some((line) => line.includes('message-id=')); i++) await delay(WAIT_MS)
  const lines = judge.log().slice(before)
  const file = await judge.file('hold', newId(lines))
  return shown(lines, () => file)
}

async function ours(judge: Judge, one: Case, bytes: Uint8Array, uid: number): Promise<Made> {
  using captured = captureLog('postfix/pickup')
  using queue = testSpool({}, loadConfig(judge.etc))
  const path = writeMaildrop(queue.path, { ...one, name: NAME, bytes, uid })
  await runPickup(queue.config)
  assert.ok(!existsSync(path), 'the file is gone from maildrop')
  const lines = captured.lines.map(({ ident, text }) => `x ${ident}[1]: ${printable(text)}`)
  return shown(lines, (id) => queueBytes(queue.spool, 'hold', id))
}

test('pickup makes the same of a maildrop file as Postfix', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const main = { ...TEST_VALUES, header_checks: 'static:HOLD', content_filter: 'scan:[127.0.0.1]:10025', mail_name: 'Posthorn' }
  await using judge = await startJudge(main)
  for (const one of CASES) {
    await t.test(one.name, async () => {
      const bytes = one.input instanceof Uint8Array ? one.input : inputBytes(one.input)
      const uid = one.requeued === true ? (getpwnam('postfix')?.uid ?? 0) : NOBODY
      assert.deepEqual(await ours(judge, one, bytes, uid), await theirs(judge, one, bytes, uid))
    })
  }
})
