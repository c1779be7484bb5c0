/** sendmail where it does postdrop's work itself: see src/commands/sendmail/drop.ts. No mail system runs but a pickup that listens. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { testOwner } from '#test/support/owner.ts'

const home = mkdtempSync(join(tmpdir(), 'posthorn-submission-'))
after(() => rmSync(home, { recursive: true }))
const owner = testOwner()
const maildrop = join(home, 'queue/maildrop')
chmodSync(home, 0o755)
for (const folder of ['queue', 'queue/maildrop', 'queue/public', 'etc']) {
  mkdirSync(join(home, folder))
  chownSync(join(home, folder), owner.uid, owner.gid)
}
const uid = process.getuid?.() ?? 0
writeFileSync(join(home, 'etc/main.cf'), `queue_directory = ${home}/queue
mail_owner = ${owner.name}
setgid_group = ${owner.group}
default_privs = ${owner.name}
compatibility_level = 3.11
maillog_file = ${home}/log
maillog_file_prefixes = ${home}
message_size_limit = 3000
local_login_sender_maps = static:alice@example.com
`)

type Result = { readonly status: number | null; readonly signal: NodeJS.Signals | null; readonly stderr: string }

/** What pickup was told. */
const triggers: string[] = []
const pickup = createServer((socket) => {
  socket.on('error', () => undefined)
  socket.on('data', (bytes) => triggers.push(bytes.toString('latin1')))
})
after(() => pickup.close())
pickup.listen(join(home, 'queue/public/pickup'))
await once(pickup, 'listening')

/** Runs sendmail; `meanwhile` gets the process before its input ends. */
async function sendmail(sender: string, input: string, meanwhile?: (kill: (signal: NodeJS.Signals) => void) => Promise<void>): Promise<Result> {
  const program = join(import.meta.dirname, '../../src/commands/sendmail/main.ts')
  const args = [program, '-C', join(home, 'etc'), '-f', sender, 'bob@example.org']
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (bytes: Buffer) => { stderr += bytes.toString() })
  child.stdin.on('error', () => undefined)
  child.stdin.write(input)
  await meanwhile?.((signal) => void child.kill(signal))
  child.stdin.end()
  await once(child, 'close')
  return { status: child.exitCode, signal: child.signalCode, stderr }
}

function logged(pattern: RegExp): boolean {
  return readFileSync(join(home, 'log'), 'utf8').split('\n').some((line) => pattern.test(line))
}

test('sendmail leaves a whole file of the mode of postdrop, and wakes pickup', async () => {
  assert.deepEqual(await sendmail('alice@example.com', 'Subject: x\n\ntext\n'), { status: 0, signal: null, stderr: '' })
  const [name = '', ...others] = readdirSync(maildrop)
  assert.deepEqual([others, statSync(join(maildrop, name)).mode & 0o7777], [[], 0o744])
  assert.match(readFileSync(join(maildrop, name), 'latin1'), /^T[^]*S.alice@example\.comR.bob@example\.orgM.N\nSubject: xN.N.textX.E.$/s)
  while (triggers.length === 0) await pause(10)
  assert.deepEqual(triggers, ['W\0'])
  rmSync(join(maildrop, name))
})

test('what postdrop refuses is refused in its words and under its name, and leaves nothing', async () => {
  const large = await sendmail('alice@example.com', `Subject: large\n\n${`${'x'.repeat(70)}\n`.repeat(100)}`)
  assert.deepEqual(large, {
    status: 75, signal: null,
    stderr: `postdrop: warning: uid=${uid}: File too large\nsendmail: fatal: alice@example.com(${uid}): message file too big\n`,
  })
  assert.ok(logged(/postfix\/postdrop\[\d+\]: warning: uid=\d+: File too large$/))
  assert.ok(logged(/postfix\/sendmail\[\d+\]: fatal: alice@example\.com\(\d+\): message file too big$/))
  const other = await sendmail('mallory@example.com', 'Subject: x\n\ntext\n')
  assert.deepEqual([other.status, other.stderr], [75, `sendmail: fatal: mallory@example.com(${uid}): not authorized to use sender='mallory@example.com'\n`])
  assert.deepEqual(readdirSync(maildrop), [])
})

test('what would end postdrop is told as the end of a child process', async () => {
  rmSync(maildrop, { recursive: true })
  writeFileSync(maildrop, '')
  const { status, stderr } = await sendmail('alice@example.com', 'Subject: x\n\ntext\n')
  rmSync(maildrop)
  mkdirSync(maildrop)
  assert.deepEqual([status, stderr.split('\n')], [75, [
    'postdrop: fatal: mail_queue_enter: create file maildrop: Not a directory',
    'sendmail: warning: command "/usr/sbin/postdrop -r" exited with status 1',
    `sendmail: fatal: alice@example.com(${uid}): unable to execute /usr/sbin/postdrop -r: Application error`, '',
  ]])
})

test('a signal ends sendmail, and leaves nothing', async () => {
  const result = await sendmail('alice@example.com', 'Subject: x\n\ntext\n', async (kill) => {
    while (readdirSync(maildrop).length === 0) await pause(10)
    kill('SIGTERM')
    while (readdirSync(maildrop).length > 0) await pause(10)
  })
  assert.deepEqual(result, { status: null, signal: 'SIGTERM', stderr: '' })
})
