/** Command lines as getopt reads them: see src/commands/getopt.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandExit, fatal, parseCommandLine, parseOrUsage } from '#commands/getopt.ts'

test('parseCommandLine() keeps the order of options and stops at the first operand', () => {
  const cases: readonly (readonly [string, readonly string[], unknown, readonly string[]])[] = [
    ['c:d:fv', ['-vv', '-c', 'x', '-fdALL', 'op', '-v'], [['v'], ['v'], ['c', 'x'], ['f'], ['d', 'ALL']], ['op', '-v']],
    ['d:', ['-d', '-', '-d', '-x', '--', '-z'], [['d', '-'], ['d', '-x']], ['-z']],
    ['c:', ['-c', '--', '--', '--', 'x'], [['c', '--']], ['--', 'x']],
    ['c:', ['-c', '', '-c=a'], [['c', ''], ['c', '=a']], []],
    ['#1', ['-#1', '-'], [['#'], ['1']], ['-']],
  ]
  for (const [spec, argv, options, operands] of cases) {
    assert.deepEqual(parseCommandLine('p', spec, argv), { options, operands }, argv.join(' '))
  }
})

test('parseCommandLine() refuses in the words of getopt', () => {
  const cases = [
    [['-z'], `p: invalid option -- 'z'`],
    [['-fz'], `p: invalid option -- 'z'`],
    [['--help'], `p: invalid option -- '-'`],
    [['-5'], `p: invalid option -- '5'`], [['-f', '-c'], `p: option requires an argument -- 'c'`],
  ] as const
  for (const [argv, message] of cases) assert.throws(() => parseCommandLine('p', 'c:f', argv), { message })
})

test('parseOrUsage() ends the command with the usage and its status', () => {
  assert.throws(
    () => parseOrUsage('p', 'f', ['-z'], { usage: 'usage: p [-f]', exitCode: 69 }),
    (error) => error instanceof CommandExit && error.exitCode === 69
      && error.message === `p: invalid option -- 'z'\np: fatal: usage: p [-f]`,
  )
})

test('fatal() ends the command with the text and its status', () => {
  assert.throws(() => fatal('p', 'no', 75), (error) => {
    return error instanceof CommandExit && error.exitCode === 75 && error.message === 'p: fatal: no'
  })
})
