/** postcat beside the real one: the same files, the same bytes on both outputs, the same status. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { main } from '#commands/postcat/main.ts'
import { CommandExit } from '#commands/getopt.ts'
import { paddedNumber, RECORD } from '#queue/record.ts'
import { judgeAbsent } from '#test/support/real-postfix.ts'
import { messageBytes, recordBytes, recipientRecords, TEST_SENDER, TEST_TIME, type RecordPair } from '#test/support/spool.ts'
import { runTool, withoutVerbose, type ToolResult } from '#test/support/tools.ts'

const SIZE = (a: number, b: number): RecordPair => [RECORD.size, [a, b, 1, 0, a, 0].map(paddedNumber).join(' ')]
const ENVELOPE: readonly RecordPair[] = [
  ...TEST_TIME, [RECORD.attribute, 'rewrite_context=remote'], [RECORD.sender, 'a@b.example'], [RECORD.pointer, ' 0'],
  [RECORD.warnTime, paddedNumber(1795172178)], [RECORD.verp, '+='], [RECORD.killed, 'trace_flags=1024'], ...recipientRecords('x@y'),
  [RECORD.done, 'd@y'], [RECORD.canceled, 'c@y'], [RECORD.pointer, paddedNumber(0)],
]
const PLAIN: readonly RecordPair[] = [
  [RECORD.text, 'Received: x'], [RECORD.padding, ' 0'], [RECORD.text, 'Subject: hi'], [RECORD.text, ''], [RECORD.text, 'body'],
  [RECORD.textPart, 'unterminated'],
]
const ODD: readonly RecordPair[] = [
  ...TEST_TIME, ...['ret_flags=1', 'noequals', '=x', 'a b=c', ' sp = v ', 'create_time=zz'].map((text): RecordPair => [RECORD.attribute, text]),
  ...'io<cFIL>rePfdmZ'.split('').map((c): RecordPair => [c.charCodeAt(0), `value of ${c}`]), [RECORD.sender, 'a\udcf6\u0001b'],
]

/** A header appended by a milter: a pointer to the end of the file, and one back. */
function edited(): Uint8Array {
  const content: RecordPair[] = [[RECORD.text, 'Subject: hi'], [RECORD.pointer, paddedNumber(0)], [RECORD.text, ''], [RECORD.text, 'b']]
  const plain = Buffer.from(messageBytes({ envelope: ENVELOPE, content }))
  const at = plain.indexOf('Subject: hi') + 'Subject: hi'.length
  plain.write(paddedNumber(plain.length), at + 2)
  return Buffer.concat([plain, recordBytes([[RECORD.text, 'X-T: y'], [RECORD.padding, '      0'], [RECORD.pointer, paddedNumber(at + 17)]])])
}

const FILES: Readonly<Record<string, Uint8Array>> = {
  plain: messageBytes({ envelope: ENVELOPE, content: PLAIN, extracted: [[RECORD.attribute, 'message_id=<x>']] }),
  'no-header': messageBytes({ content: [[RECORD.text, 'not a header'], [RECORD.text, ''], [RECORD.text, 'y']] }),
  parts: messageBytes({ content: [[RECORD.text, ' x'], [RECORD.text, 'S: x'], [RECORD.textPart, 'abc'], [RECORD.text, ''], [RECORD.text, '']] }),
  edited: edited(),
  odd: messageBytes({ envelope: ODD, content: [[RECORD.text, 'S: \udcf6\u0000\u0001'], [RECORD.text, '']] }),
  'bad-time': messageBytes({ envelope: [[RECORD.time, 'xx'], TEST_SENDER, [RECORD.warnTime, 'yy']] }),
  empty: new Uint8Array(),
  foreign: Buffer.from('hello world\n'),
  cut: messageBytes({ envelope: ENVELOPE }).subarray(0, 150),
  'bad-pointer': messageBytes({ content: [[RECORD.text, 'S: x'], [RECORD.pointer, 'zzz']] }),
  'two-sizes': recordBytes([SIZE(10, 300), SIZE(10, 300), ...ENVELOPE, [RECORD.end, '']]),
  'bad-size': recordBytes([[RECORD.size, 'xx'], ...ENVELOPE, [RECORD.end, '']]),
  'no-size': recordBytes([...TEST_TIME, [RECORD.message, ''], ...PLAIN, [RECORD.extracted, ''], [RECORD.end, '']]),
  'zero-size': recordBytes([SIZE(0, 0), ...TEST_TIME, [RECORD.message, ''], ...PLAIN, [RECORD.extracted, ''], [RECORD.end, '']]),
  disorder: recordBytes([SIZE(20, 300), [RECORD.extracted, ''], [RECORD.message, ''], [RECORD.text, 'x'], [RECORD.end, ''], TEST_SENDER]),
  'maildrop/new': recordBytes([...TEST_TIME, SIZE(-1, -1), [RECORD.message, ''], ...PLAIN, [RECORD.extracted, ''], [RECORD.end, '']]),
}
const OPTIONS = [[], ['-e'], ['-b'], ['-h'], ['-bh'], ['-eb'], ['-o'], ['-d'], ['-v'], ['-rv'], ['-f'], ['-vod'], ['-fob'], ['-s', '97']]

/** Runs our command in this process. */
function runOurs(args: readonly string[]): ToolResult {
  const out: Buffer[] = []
  const err: string[] = []
  const console = { out: (text: string | Uint8Array) => { out.push(Buffer.from(text)) }, err: (line: string) => { err.push(`${line}\n`) } }
  let status = 0
  try {
    status = main(args, console)
  } catch (error) {
    if (!(error instanceof CommandExit)) throw error
    if (error.message !== '') err.push(`${error.message}\n`)
    status = error.exitCode
  }
  return { status, stdout: Buffer.concat(out).toString('latin1'), stderr: err.join('') }
}

test('postcat shows every file as the real one does', (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-postcat-'))
  const before = process.cwd()
  t.after(() => {
    process.chdir(before)
    rmSync(folder, { recursive: true })
  })
  process.chdir(folder)
  mkdirSync('maildrop')
  for (const [name, bytes] of Object.entries(FILES)) writeFileSync(name, bytes)
  for (const name of Object.keys(FILES)) {
    for (const options of OPTIONS) {
      const real = runTool('real', 'postcat', [...options, name], { cwd: folder })
      assert.deepEqual(runOurs([...options, name]), { ...real, stderr: withoutVerbose(real.stderr) }, `postcat ${options.join(' ')} ${name}`)
    }
  }
})
