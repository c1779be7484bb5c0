/** Text of master.cf: see src/config/master-cf.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '#config/error.ts'
import { parseMasterCf, splitInetName } from '#config/master-cf.ts'

test('parseMasterCf() reads fields, options and continuation lines', () => {
  const text = '# c\nsubmission inet n - y 10? - smtpd -v -vv\n#x\n  -o a=1 -o { b = c, d } -oe=\n\n'
    + 'mail unix - n n - 0 pipe\n  flags=D argv=/x {a b} -o\n'
  assert.deepEqual(parseMasterCf(text, 'master.cf'), [
    {
      name: 'submission', type: 'inet', private: false, unprivileged: true, chroot: true, wakeup: 10,
      wakeupOnlyIfUsed: true, processLimit: 100, command: 'smtpd',
      args: ['-v', '-vv', '-o', 'a=1', '-o', 'b = c, d', '-oe='],
      overrides: new Map([['a', '1'], ['b', 'c, d'], ['e', '']]), verbose: 3, line: 2,
    },
    {
      name: 'mail', type: 'unix', private: true, unprivileged: false, chroot: false, wakeup: 0,
      wakeupOnlyIfUsed: false, processLimit: 0, command: 'pipe', args: ['flags=D', 'argv=/x', 'a b', '-o'],
      overrides: new Map(), verbose: 0, line: 6,
    },
  ])
})

test('parseMasterCf() takes defaults of chroot and process limit as given', () => {
  const [entry] = parseMasterCf('a unix - - - - - x', 'master.cf', { chroot: true, processLimit: 7 })
  assert.equal(entry?.chroot, true)
  assert.equal(entry?.processLimit, 7)
})

test('parseMasterCf() refuses an entry in the words of master(8)', () => {
  const cases = [
    ['foo', 'missing "transport type" field'],
    ['foo unix', 'missing "private" field'],
    ['foo unix - - - - -', 'missing "command" field'],
    ['foo bar - - - - - x', 'bad transport type: bar'],
    ['foo unix z - - - - x', 'field "private": bad value: "z"'],
    ['foo unix - - - a - x', 'field "wakeup_time": bad value: "a"'],
    ['foo unix - - - 10? a x', 'field "max_proc": bad value: "a"'],
    ['foo unix - - - - - -', 'field "command" has no default value'],
    ['foo inet - - n - - x', 'inet service cannot be private'],
    ['1:2:3 inet n - n - - x', 'valid hostname or network address required in "1:2:3"'],
    ['[::1]x inet n - n - - x', 'garbage after "]" in "[::1]x"'],
    ['[::1 inet n - n - - x', 'missing "]" in "[::1"'],
    ['[]:25 inet n - n - - x', 'valid hostname or network address required in "[]:25"'],
    ['[::1] inet n - n - - x', 'missing service information in "[::1]"'],
    ['127.0.0.1: inet n - n - - x', 'missing service information in "127.0.0.1:"'],
    ['25x inet n - n - - x', 'garbage after numerical service in "25x"'],
    ['a_b-.example:25 inet n - n - - x', 'valid hostname or network address required in "a_b-.example:25"'],
    ['foo unix - - n ? - x', 'field "wakeup_time": bad value: "?"'],
    ['foo unix - - n - -1 x', 'field "max_proc": bad value: "-1"'],
    ['{a b} unix - - n - - x', 'bad transport type: b}'],
    ['foo unix - - n - - x -o {a = b} {', `missing '}' in "{"`],
    ['foo unix - - n - - x -o {a = b}x', `syntax error after '}' in "{a = b}x"`],
  ] as const
  for (const [text, reason] of cases) {
    const error = new ConfigError(`/m/master.cf: line 2: ${reason}`)
    assert.throws(() => parseMasterCf(`\n${text}\n`, '/m/master.cf'), error)
  }
})

test('splitInetName() tells host and port apart, with and without brackets', () => {
  const cases = [
    ['smtp', '', 'smtp'], [':25', '', '25'], ['mail.example:smtp', 'mail.example', 'smtp'], ['127.0.0.1:25', '127.0.0.1', '25'],
    ['[127.0.0.1]:25', '127.0.0.1', '25'], ['[::1]:25', '::1', '25'], ['::1:25', '::1', '25'],
  ] as const
  for (const [name, host, port] of cases) assert.deepEqual(splitInetName(name), { host, port }, name)
})

test('parseMasterCf() warns of lines it skips', () => {
  const warnings: string[] = []
  assert.deepEqual(parseMasterCf('  foo unix\n', 'm', undefined, (text) => warnings.push(text)), [])
  assert.deepEqual(warnings, ['m: logical line must not start with whitespace: "  foo unix"'])
})
