/**
 * Values of parameters: what the real Postfix refuses, ours refuses, in its words; and the defaults that depend on
 * compatibility_level, on the machine and on stress.
 *
 * The refusals are those of a program that reads what all programs read (postmap); test/interop/commands/mistakes.test.ts
 * has a few for each command.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { checkBasics } from '#config/basics.ts'
import { ConfigError } from '#config/error.ts'
import { loadConfig } from '#config/load.ts'
import { createConfigSite } from '#test/support/postconf.ts'
import { judgeAbsent, judgeCommand } from '#test/support/real-postfix.ts'
import { compareAll } from './judge.ts'

/** A few for each kind of parameter, good and bad. */
const VALUES: readonly string[] = [
  ...['x', '100', '99999999999', '', '2048x', '+2048', ' 2048', '0x800', '-1', '2147483647', '2147483648', '1e4', '$max_use', '${max_use}00', '${x'].map((value) => `line_length_limit = ${value}`),
  ...['7', '-7', '6', '0'].map((value) => `delay_logging_resolution_limit = ${value}`),
  ...['maybe', '', 'YES', 'No', 'yes ', 'y', '1', '$smtputf8_enable'].map((value) => `soft_bounce = ${value}`),
  ...['3', 'no', '${{a}=={a}?{yes}}', '${{a}=={b}?{yes}}'].map((value) => `smtputf8_enable = ${value}`),
  ...['5x', '5 m', '0', '99999999999', '', '-1', '1.5h', '2w', '5D', '1h30m', 's', '10 ', '${stress?{1}:{x}}s', '4000w'].map((value) => `ipc_timeout = ${value}`),
  ...['11', '10', '-1', '1m'].map((value) => `in_flow_delay = ${value}`),
  ...['abc', '99999999999999999999', '9223372036854775807', '-5', '10 000'].map((value) => `message_size_limit = ${value}`),
  'mail_owner =', 'myorigin =', 'mydomain =', 'queue_directory =', 'hash_queue_names =', 'relayhost =', 'relayhost = ${x', 'mydestination = $mydestination',
  ...['a..b', '.a', 'a.', '-x', 'x-', 'a.-b', '1.2', '1.2a', 'a b', 'a_b', 'ü.example', `${'a'.repeat(64)}.example`, `${'a.'.repeat(140)}x`].map((value) => `myhostname = ${value}`),
  ...['x', '3.6.1.2', '99', '3.12', '', '3.', '-1', '$nosuch', '03'].map((value) => `compatibility_level = ${value}`),
  'inet_protocols = foo', 'mynetworks_style = foo', 'syslog_facility = foo', 'import_environment = {a', 'import_environment = A=b {C = d e} F',
  'import_environment = {=x}', 'import_environment = =x', 'import_environment = {A B=c}', 'import_environment = {A=b}c', 'import_environment = A= {A} {A B} A{b}',
  'setgid_group = nosuchgroup', 'default_privs = nosuch', 'unused_one = 3', 'foo bar', '= x', ' x = y', 'x',
]

function realLines(directory: string): Promise<string[]> {
  const [command, ...before] = judgeCommand('postmap')
  return new Promise((resolve) => {
    execFile(command, [...before, '-c', directory, '-q', 'a', 'static:b'], (_error, _out, stderr) => {
      resolve(stderr.split('\n').filter((line) => line !== ''))
    })
  })
}

function ownLines(directory: string): string[] {
  try {
    checkBasics(loadConfig(directory))
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [...error.warnings.map((text) => `postmap: warning: ${text}`), `postmap: fatal: ${error.message}`]
  }
}

test('bad values are refused in the words of the real one, and good ones taken', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const found = await Promise.all(VALUES.map(async (line) => {
    using site = createConfigSite({ 'main.cf': `${line}\n`, 'master.cf': '' })
    const [own, real] = [ownLines(site.directory), await realLines(site.directory)]
    return { line, own: own.map(printable), real: real.filter((text) => !text.includes('whitespace')) }
  }))
  for (const { line, own, real } of found) assert.deepEqual(own, real, line)
})

/** Messages show each byte that is not printable ASCII as a question mark. */
function printable(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1').replaceAll(/[^\u0020-\u007e]/g, '?')
}

const LEVELS = ['0', '1', '2', '3', '3.0', '3.5.9', '3.6', '3.6.1', '3.7', '3.10', '3.11', '3.11.0', '3.12', '9999'] as const

test('every default is that of the real one at each compatibility level, and under stress', async (t) => {
  await compareAll(t, { 'main.cf': '', 'master.cf': '' }, LEVELS.flatMap((level) => [`-o compatibility_level=${level}`, `-x -o compatibility_level=${level}`]))
  await compareAll(t, { 'main.cf': 'stress = yes\n', 'master.cf': 'smtp inet n - n - - smtpd -o stress=\n' }, ['-x', '-xP', '-P'])
  await compareAll(t, { 'main.cf': 'compatibility_level =\n', 'master.cf': '' }, ['-n'])
})
