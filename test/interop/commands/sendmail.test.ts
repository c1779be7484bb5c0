/** sendmail with postdrop leaves the same maildrop files as Postfix's, and says the same. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { programFile } from '#commands/programs.ts'
import { judgeAbsent, startJudge, type CommandResult, type Judge } from '#test/support/judge.ts'
import { recordTexts, TEST_VALUES } from '#test/support/cleanup.ts'

type Case = { readonly args: readonly string[]; readonly input?: string; readonly env?: Readonly<Record<string, string>> }

const MAIL = 'Subject: x\nTo: to@x, "a b" <c@d>\nCc: cc\nBcc: bcc (comment)\n\nbody\n'
const LONG = 'x'.repeat(2048)

const CASES: readonly Case[] = [
  { args: ['a@b'] },
  { args: ['a@b', 'c, "d e"@f (x), Name <g@h>', ''] },
  { args: ['-i', 'a@b'], input: 'a\n.\nb' },
  { args: ['-oi', 'a@b'], input: 'a\n.\nb\n' },
  { args: ['a@b'], input: 'a\n.\nb' },
  { args: ['a@b'], input: 'From x y\n>From z\nSubject: x\nFrom a\n\n..\n' },
  { args: ['a@b'], input: 'a\r\nb\nc\r\r\n.\r\nd' },
  { args: ['a@b'], input: 'a\nb\r\n.\r\nd' },
  { args: ['a@b'], input: '' },
  { args: ['a@b'], input: '\n' },
  { args: ['a@b'], input: `${LONG}\n${LONG}x\n${LONG}${LONG}\n${LONG}` },
  { args: ['a@b'], input: 'a\0b\n\xff\n' },
  { args: ['-t'], input: MAIL },
  { args: ['-ti', 'also@x'], input: MAIL },
  { args: ['-t'], input: `Resent-To: r1\n${MAIL}Resent-Cc: body` },
  { args: ['-t'], input: `To: early\nResent-To: r1, r2\nResent-Bcc: r3\nTo: late\n\nx` },
  { args: ['-t'], input: `To : a\n b,\n\tc\nX: ${LONG}y\n\n${LONG}y` },
  { args: ['-t'], input: 'Subject: none\n\nTo: body' },
  { args: ['-t'], input: 'To: group: a, b;, @r:c@d\nApparently-To: x\nbody' },
  { args: ['-t'], input: `To: x@y\nSubject: ${'x'.repeat(110_000)}\n b\n c\n\nx` },
  { args: ['-t', '-N', 'never'], input: MAIL },
  { args: ['-f', 'sender@x', 'a'] },
  { args: ['-f', '<sender@x>', 'a'] },
  { args: ['-fName <s@x>', 'a'] },
  { args: ['-f', '', 'a'] },
  { args: ['-f', '<>', 'a'] },
  { args: ['-f', 'a, b', 'a'] },
  { args: ['-f', '"a b"@c', 'a'] },
  { args: ['-r', 'x', '-F', 'Full Name', 'a'] },
  { args: ['-F', '', 'a'] },
  { args: ['a'], env: { NAME: 'From Environment' } },
  { args: ['-N', 'success,delay', '-R', 'hdrs', '-V', 'env1', 'a', 'b'] },
  { args: ['-N', 'foo', '-R', 'bar', '-V', 'a\tb', 'a'] },
  { args: ['-V', 'x'.repeat(101), 'a'] },
  { args: ['-V', 'xy', 'a'] },
  { args: ['-Vxy', 'a'] },
  { args: ['-V', '+=', 'a'] },
  { args: ['-V+=', 'a'] },
  { args: ['-XV', 'a'] },
  { args: ['-XV-+', 'a'] },
  { args: ['-XVab', 'a'] },
  { args: ['-XV', '-f', '', 'a'] },
  { args: ['-Xz', 'a'] },
  { args: ['-B', '8BITMIME', 'a'] },
  { args: ['-B7BIT', 'a'] },
  { args: ['-B', 'other', 'a'] },
  { args: ['-G', 'a'] },
  { args: ['-O', 'REQUIRETLS=yes', 'a'] },
  { args: ['-O', 'SMTPUTF8=yes', '-O', 'requiretls=YES', 'a'] },
  { args: ['-O', 'SMTPUTF8=yes', '-O', 'SMTPUTF8=no', 'a'] },
  { args: ['-O', 'SMTPUTF8=maybe', 'a'] },
  { args: ['-OOther=x', 'a'] },
  { args: ['-v', 'a'] },
  { args: ['-bv', 'a', 'b, c'] },
  { args: ['-bv', '-f', '', 'a'] },
  { args: ['-bv', '-t', 'a'] },
  { args: ['-bv', '-N', 'never', 'a'] },
  { args: ['-bv', '-R', 'full', 'a'] },
  { args: ['-bv', '-v', 'a'] },
  { args: ['-bv'] },
  { args: [] },
  { args: ['-z', 'a'] },
  { args: ['-n', 'a'] },
  { args: ['-bz', 'a'] },
  { args: ['-bh'] },
  { args: ['-bH', 'a'] },
  { args: ['-bm', '-oem', '-odb', '-o7', '-o8', '-om', '-m', '-c', '-x', '-U', '-e', 'q', '-h', '5', '-p', 'x', '-A', 'y', '-L', 'tag', 'a'] },
  { args: ['-oA', 'a'] },
  { args: ['-q', 'a'] },
  { args: ['-q5m', 'a'] },
  { args: ['-q5m', '-t'] },
  { args: ['-bp', '-q5m'] },
  { args: ['(c)', '', ' ', 'a,,b', 'g: a;', 'a b', '"', '<'] },
  { args: ['-f', '(c)', 'a'] },
  { args: ['-N', 'success,foo', 'a'] },
  { args: ['-f'] },
  { args: ['-qR'] },
  { args: ['-qI'] },
  { args: ['-qz'] },
  { args: ['-qRsite', 'a'] },
  { args: ['-qIid', 'a'] },
  { args: ['-bp', 'a'] },
  { args: ['-bp', '-qRx'] },
  { args: ['-bp', '-qIx'] },
  { args: ['-bp', '-t'] },
  { args: ['-bd', 'a'] },
  { args: ['-bi', 'a'] },
  { args: ['-I', 'a'] },
  { args: ['-bs', 'a'] },
  { args: ['--', '-dash@x'] },
  { args: ['-i', '--', '-t'] },
  { args: ['-f', 'x@y', '-i', 'a', '-t'] },
]

/** Our own configuration: the judge's, with another queue. */
type Own = { readonly etc: string; readonly queue: string }

function ownInstance(judge: Judge, folder: string): Own {
  const own = { etc: join(folder, 'etc'), queue: join(folder, 'queue') }
  for (const path of [own.etc, own.queue, join(own.queue, 'maildrop'), join(own.queue, 'public')]) mkdirSync(path)
  const main = readFileSync(join(judge.etc, 'main.cf'), 'utf8').replaceAll(judge.queue, own.queue)
  writeFileSync(join(own.etc, 'main.cf'), main.replace(/^maillog_file = .*$/m, `maillog_file = ${folder}/log`))
  return own
}

function runOurs(own: Own, { args, input = MAIL, env = {} }: Case): Promise<CommandResult> {
  const all = { ...process.env, MAIL_CONFIG: own.etc, ...env }
  const child = spawn(process.execPath, [programFile('commands/sendmail'), ...args], { env: all, stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => { stdout += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString() })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input, 'latin1')
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ status: code ?? -1, stdout, stderr }))
  })
}

/** What is in maildrop, without times; it is empty afterwards. Files that are not complete do not count. */
function takeFiles(queue: string): unknown[] {
  const folder = join(queue, 'maildrop')
  const found = readdirSync(folder).map((name) => {
    const path = join(folder, name)
    const { mode, uid } = statSync(path)
    const records = recordTexts(readFileSync(path)).map((text) => text.replace(/^T \d+ \d+$/, 'T TIME'))
    rmSync(path)
    return { mode: mode & 0o7777, uid, records }
  })
  return found.filter(({ mode }) => (mode & 0o100) !== 0)
}

const clean = (result: CommandResult): unknown => ({
  ...result, stderr: result.stderr.replaceAll(/^(\w+): fatal: usage: \S*sendmail /gm, '$1: fatal: usage: sendmail '),
})

test('sendmail leaves the same files and says the same as Postfix', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-sendmail-'))
  t.after(() => rmSync(folder, { recursive: true }))
  await using judge = await startJudge({ ...TEST_VALUES, alias_database: '' }, { services: [] })
  const own = ownInstance(judge, folder)
  for (const one of CASES) {
    const { args, input = MAIL, env = {} } = one
    const title = `${args.map((word) => JSON.stringify(word.slice(0, 40))).join(' ')} < ${JSON.stringify(input.slice(0, 40))}`
    await t.test(title, async () => {
      const made = { ...await runOurs(own, one), files: takeFiles(own.queue) }
      const theirs = await judge.run('sendmail', args, { input: Buffer.from(input, 'latin1'), env })
      assert.deepEqual(clean(made), clean({ ...theirs, files: takeFiles(judge.queue) } as CommandResult))
    })
  }
})
