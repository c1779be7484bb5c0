/** Mistakes in main.cf, in options and in names: our commands say the same as the real ones, and end with the same status. */
import assert from 'node:assert/strict'
import { readdirSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { judgeAbsent } from '#test/support/real-postfix.ts'
import { createTwoQueues, type TwoQueues } from '#test/support/two-queues.ts'

const LONG_AGO = 60

type Case = { readonly tool: string; readonly args: readonly string[]; readonly input?: string }

/** Real Postfix reads a file that has just changed several times, and repeats its warnings. */
function settle(queues: TwoQueues): void {
  const time = Date.now() / 1000 - LONG_AGO
  for (const whose of ['real', 'ours'] as const) utimesSync(join(queues.folder(whose), 'main.cf'), time, time)
}

function same(queues: TwoQueues, { tool, args, input = '' }: Case, title = ''): void {
  settle(queues)
  const results = queues.run(tool, args, { input })
  for (const whose of ['real', 'ours'] as const) {
    const maildrop = join(queues.queue(whose), 'maildrop')
    for (const name of readdirSync(maildrop)) rmSync(join(maildrop, name))
  }
  assert.deepEqual(results.ours, results.real, `${title} ${tool} ${args.join(' ')}`)
}

/** Most are wrong for every program, whether it uses the parameter or not. */
const SETTINGS: readonly string[] = [
  'message_size_limit = foo', 'hash_queue_depth =', 'line_length_limit = 99999999999999', 'ipc_timeout = 5x', 'soft_bounce = maybe', 'mail_owner = nosuch',
  'mail_owner = root', 'setgid_group = nosuch', 'default_privs = nosuch', 'syslog_facility = nosuch', 'inet_protocols = ipv4 foo', 'mynetworks_style = foo',
  'import_environment = {a', 'default_verp_delimiters = foo', 'verp_delimiter_filter = foo', 'bounce_service_name =', 'this is no assignment', '= x',
  'deliver_lock_attempts = 0', 'in_flow_delay = 11s', 'smtpd_timeout = foo', 'hash_queue_names = incoming nosuch', 'inet_protocols =',
]
const QUICK: readonly Case[] = [
  { tool: 'postqueue', args: ['-j'] }, { tool: 'postsuper', args: ['-p'] }, { tool: 'sendmail', args: ['-bv', 'x'] },
  { tool: 'postmap', args: ['-q', 'x', 'static:y'] }, { tool: 'postlog', args: ['x'] }, { tool: 'postcat', args: ['-q', 'A1B2C3'] },
]

test('a mistake in a parameter that all programs read stops every command as it stops the real one', (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using queues = createTwoQueues([])
  for (const [i, setting] of SETTINGS.entries()) {
    queues.configure(setting)
    const one = QUICK[i % QUICK.length]
    assert.ok(one)
    same(queues, one, setting)
  }
})

test('earlier lines of main.cf that do not count are warned of by every command', (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using queues = createTwoQueues([])
  queues.configure('soft_bounce = yes\nsoft_bounce = no')
  for (const each of QUICK) same(queues, each)
})

const MISTAKES: readonly Case[] = [
  ...['postqueue', 'postsuper', 'postcat', 'postkick', 'postdrop', 'postfix', 'postlog'].map((tool): Case => ({ tool, args: ['-c', '/nonexistent'] })),
  { tool: 'postqueue', args: ['-Z'] }, { tool: 'postdrop', args: ['--help'] }, { tool: 'postlog', args: ['-c'] }, { tool: 'sendmail', args: ['-Z'] },
  { tool: 'postqueue', args: ['-p', 'x'] }, { tool: 'postqueue', args: ['-s', ''] },
  { tool: 'sendmail', args: ['-q', 'x'] }, { tool: 'sendmail', args: ['-qRx'] },
  { tool: 'sendmail', args: ['-bh'] }, { tool: 'sendmail', args: ['-C', '/nonexistent', 'x'] },
  { tool: 'sendmail', args: ['-t'], input: 'Subject: x\n\nx' }, { tool: 'sendmail', args: [] }, { tool: 'sendmail', args: ['-f'] },
  { tool: 'postlog', args: ['-p', 'foo', 'x'] }, { tool: 'postlog', args: ['-t', 'tag', '-p', 'error', 'x', 'y'] }, { tool: 'postlog', args: [''] },
  { tool: 'postkick', args: ['public', 'pickup', 'W'] }, { tool: 'postkick', args: ['public', 'pickup', 'W', 'x'] },
  { tool: 'postcat', args: ['-q', 'bad/id'] }, { tool: 'postcat', args: ['/etc'] }, { tool: 'postcat', args: ['/etc/passwd'] },
  { tool: 'postcat', args: ['/nonexistent'] }, { tool: 'postcat', args: [] },
  { tool: 'postsuper', args: ['-p', '/tmp'] }, { tool: 'postsuper', args: ['-c', 'x'] },
  { tool: 'postfix', args: [] }, { tool: 'postfix', args: ['foo'] }, { tool: 'postfix', args: ['status'] }, { tool: 'postfix', args: ['stop'] }, { tool: 'postfix', args: ['quick-stop'] },
]

test('wrong options, names and words are refused as by the real commands', (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using queues = createTwoQueues([])
  for (const each of MISTAKES) same(queues, each)
})

test('directories that are missing stop the commands that need them', (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using queues = createTwoQueues([])
  for (const whose of ['real', 'ours'] as const) rmSync(join(queues.queue(whose), 'defer'), { recursive: true })
  same(queues, { tool: 'postsuper', args: ['-s'] })
  queues.configure('queue_directory = /nonexistent')
  for (const each of QUICK) same(queues, each)
  same(queues, { tool: 'postkick', args: ['public', 'pickup', 'W'] })
  same(queues, { tool: 'postfix', args: ['status'] })
})

const LOCKS: readonly (readonly string[])[] = [
  ['@'], ['/nonexistent/x', 'true'], ['-l', 'foo', '@', 'true'], ['-l', 'fcntl', '@', 'false'], ['@', 'sh', '-c', 'exit 7'], ['@', 'sh', '-c', 'kill -9 $$'],
  ['@', '/nonexistent'], ['/tmp', 'true'], ['-l', '', '@', 'true'], ['-l', 'dotlock', '@', 'sh', '-c', 'ls @.lock; echo $ANY'], ['-l', 'flock', '@', 'flock', '-n', '@', 'true'],
]

test('postlock holds the lock while its command runs, and ends with its status', (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using queues = createTwoQueues([])
  settle(queues)
  for (const args of LOCKS) {
    const results = (['real', 'ours'] as const).map((whose) => {
      const file = join(queues.folder(whose), 'file')
      return queues.run('postlock', args.map((word) => word.replaceAll('@', file)), { env: { ANY: 'thing' } })[whose]
    })
    assert.deepEqual(results[1], results[0], args.join(' '))
  }
})
