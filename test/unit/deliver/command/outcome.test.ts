/** Ends of commands: see src/deliver/command/outcome.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandOutcome, commandWords } from '#deliver/command/outcome.ts'

function judge(code: number, output = '', kind: 'exit' | 'signal' | 'timeout' = 'exit') {
  const { kind: end, status, reason } = commandOutcome({ kind, code, output }, '/bin/x', 'delivered')
  return [end, status, reason]
}

test('commandOutcome() follows sysexits.h', () => {
  assert.deepEqual(judge(0), ['sent', '2.0.0', 'delivered'])
  assert.deepEqual(judge(67), ['bounced', '5.1.1', 'user unknown'])
  assert.deepEqual(judge(75, 'disk full\n'), ['deferred', '4.3.0', 'temporary failure. Command output: disk full '])
  assert.deepEqual(judge(73), ['bounced', '5.2.0', "can't create user output file"])
  assert.deepEqual(judge(1, 'oops'), ['bounced', '5.3.0', 'Command died with status 1: "/bin/x". Command output: oops'])
})

test('commandOutcome() believes a status code at the start of the output', () => {
  assert.deepEqual(judge(1, '4.2.2 over quota'), ['deferred', '4.2.2', 'over quota'])
  assert.deepEqual(judge(75, '5.1.1 gone'), ['bounced', '5.1.1', 'gone'])
  assert.deepEqual(judge(0, '5.1.1 gone'), ['sent', '2.0.0', 'delivered'])
})

test('commandOutcome() keeps the mail of a command that was killed, and bounces after the time limit', () => {
  assert.deepEqual(judge(9, '', 'signal'), ['deferred', '4.3.0', 'Command died with signal 9: "/bin/x"'])
  assert.deepEqual(judge(0, '', 'timeout'), ['bounced', '5.3.0', 'Command time limit exceeded: "/bin/x"'])
})

test('commandWords() uses a shell only where the command needs one', () => {
  assert.deepEqual(commandWords('/bin/cat -u file', ''), ['/bin/cat', '-u', 'file'])
  assert.deepEqual(commandWords('/bin/cat >file', ''), ['/bin/sh', '-c', '/bin/cat >file'])
  assert.deepEqual(commandWords('exec /bin/cat', ''), ['/bin/sh', '-c', 'exec /bin/cat'])
  assert.deepEqual(commandWords('/bin/cat', '/usr/bin/smrsh -c'), ['/usr/bin/smrsh', '-c', '/bin/cat'])
})
