/** Transcripts and their lines: see src/mail/transcript.ts and src/mail/line-wrap.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wrapLine } from '#mail/line-wrap.ts'
import { Transcript, withoutSecret } from '#mail/transcript.ts'

test('wrapLine() breaks at blanks, and keeps words whole and blanks within a line', () => {
  const width = { width: 10, indent: 2 }
  const cases: [string, string[]][] = [
    ['', ['']],
    ['one two', ['one two']],
    ['one  two  ', ['one  two']],
    ['one two three four', ['one two', '  three', '  four']],
    ['one two   \t three', ['one two', '  three']],
    [`${'x'.repeat(15)} y z`, ['x'.repeat(15), '  y z']],
    ['äää äää', ['äää', '  äää']],
  ]
  for (const [text, expected] of cases) assert.deepEqual(wrapLine(text, width), expected, text)
})

test('Transcript shows each line with a blank before it, and nothing invisible', () => {
  const transcript = new Transcript()
  transcript.out('250-a\r\n250 b')
  transcript.in('X\u0007\tä\udcff')
  assert.equal(transcript.lines, 3)
  assert.deepEqual(transcript.show(true), [' Out: 250-a', ' Out: 250 b', ' In:  X??ä?'])
  assert.deepEqual(transcript.show(false).at(-1), ' In:  X?????')
  transcript.clear()
  assert.deepEqual([transcript.lines, transcript.show(true)], [0, []])
})

test('Transcript keeps the end of what is too much, and says so', () => {
  const transcript = new Transcript()
  for (let i = 0; i < 20_000; i++) transcript.in(`line ${i}`)
  const shown = transcript.show(true)
  assert.ok(transcript.lines <= 5000 && shown.length === transcript.lines + 1)
  assert.equal(shown[0], ` (${20_000 - transcript.lines} earlier lines are left out)`)
  assert.equal(shown.at(-1), ' In:  line 19999')
  for (let i = 0; i < 1000; i++) transcript.in('x'.repeat(2048))
  assert.ok(transcript.show(true).join('').length < 300_000)
})

test('withoutSecret() hides the initial response of AUTH and nothing else', () => {
  const cases: [string, string][] = [
    ['AUTH PLAIN AGJvYgBzZWNyZXQ=', 'AUTH PLAIN [hidden]'], ['  auth  login  Ym9i', '  auth  login  [hidden]'],
    ['AUTH PLAIN AGJv x y', 'AUTH PLAIN [hidden]'], ['AUTH PLAIN\n AGJv', 'AUTH PLAIN\n [hidden]'],
    ['AUTH LOGIN', 'AUTH LOGIN'], ['AUTH', 'AUTH'], ['MAIL FROM:<a@b> AUTH=x', 'MAIL FROM:<a@b> AUTH=x'],
  ]
  for (const [command, shown] of cases) assert.equal(withoutSecret(command), shown)
})
