/** SMTP on standard input, as mail programs of local users talk to `sendmail -bs`. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readRecords, RECORD } from '#queue/record.ts'
import { testSpool } from '#test/support/cleanup.ts'

const SENDMAIL = join(import.meta.dirname, '../../src/commands/sendmail/main.ts')

function runSendmail(etc: string, input: string): Promise<string> {
  const child = spawn(process.execPath, [SENDMAIL, '-C', etc, '-bs'], { stdio: ['pipe', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.setEncoding('latin1')
  child.stdout.on('data', (chunk) => (out += String(chunk)))
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => resolve(out))
  })
}

test('sendmail -bs takes mail by SMTP and leaves it in maildrop', async () => {
  using spool = testSpool()
  mkdirSync(join(spool.path, 'public'))
  mkdirSync(join(spool.path, 'pid'))
  const log = join(spool.path, 'log')
  const etc = join(spool.path, 'etc')
  mkdirSync(etc)
  const values = {
    compatibility_level: '3.11', queue_directory: spool.path, data_directory: spool.path, myhostname: 'mail.example.org',
    smtpd_banner: '$myhostname ESMTP', maillog_file: log, maillog_file_prefixes: spool.path, mail_owner: 'nobody', setgid_group: 'nogroup',
  }
  writeFileSync(join(etc, 'main.cf'), Object.entries(values).map(([name, value]) => `${name} = ${value}\n`).join(''))
  const input = 'EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.\r\nETRN a.b\r\nAUTH PLAIN\r\nQUIT\r\n'
  const out = await runSendmail(etc, input)
  const [id = ''] = readdirSync(join(spool.path, 'maildrop'))
  assert.deepEqual(out.split('\r\n').filter((line) => !line.startsWith('250-')), [
    '220 mail.example.org ESMTP', '250 CHUNKING', '250 2.1.0 Ok', '250 2.1.5 Ok', '354 End data with <CR><LF>.<CR><LF>',
    `250 2.0.0 Ok: queued as ${id}`, '458 Unable to queue messages', '503 5.5.1 Error: authentication not enabled', '221 2.0.0 Bye', '',
  ])
  const records = [...readRecords(readFileSync(join(spool.path, 'maildrop', id)))].map(({ type, data }) => [type, Buffer.from(data).toString()] as const)
  const payloads = (wanted: number): string[] => records.filter(([type]) => type === wanted).map(([, text]) => text)
  assert.deepEqual(payloads(RECORD.sender), ['a@example.net'])
  assert.deepEqual(payloads(RECORD.recipient), ['b@example.org'])
  assert.deepEqual(payloads(RECORD.text).slice(-3), ['Subject: x', '', '.'])
})
